"""The commands that only look, and `warm`: their options and help. From Python, an archive is a mapping."""

from __future__ import annotations

from typing import Annotated

import typer

from tilepress.jobs.cli.command import JSON
from tilepress.jobs.verbs.parameters import AsOf, IncludeDeleted, RunNumber

Archive = Annotated[str, typer.Argument(metavar="ARCHIVE", help="Local path or URL of an archive.")]


def ls(
    archive: Archive,
    path: Annotated[str | None, typer.Argument(metavar="[PATH]", help="A file, a folder or a glob.")] = None,
    run: RunNumber = None,
    as_of: AsOf = None,
    include_deleted: IncludeDeleted = False,
    as_json: JSON = False,
) -> None:
    """List the images of ARCHIVE: all, those below a folder PATH, or those that match a glob.

    \b
    Examples:
      tilepress ls photos.tp
      tilepress ls photos.tp '2024/**/*.tif' --json
      tilepress ls photos.tp --as-of 2026-11-27          as it was at the end of that day
    """
    from tilepress.jobs.cli.views import show_ls

    raise typer.Exit(show_ls(archive, path, run, as_of, include_deleted=include_deleted, as_json=as_json))


def cat(
    archive: Archive,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file of the archive.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write to FILE instead of standard output.")
    ] = None,
    run: RunNumber = None,
    as_of: AsOf = None,
) -> None:
    """Write one file of ARCHIVE to standard output.

    \b
    Example:
      tilepress cat photos.tp 2024/a.png > a.png
    """
    from tilepress.jobs.cli.views import write_cat

    raise typer.Exit(write_cat(archive, path, output, run, as_of))


def info(
    archive: Archive,
    path: Annotated[str | None, typer.Argument(metavar="[PATH]", help="One image of it.")] = None,
    run: RunNumber = None,
    as_of: AsOf = None,
    as_json: JSON = False,
) -> None:
    """Describe ARCHIVE and what it holds, or all about one image PATH.

    \b
    Examples:
      tilepress info photos.tp
      tilepress info photos.tp 2024/a.png
    """
    from tilepress.jobs.cli.views import show_info

    raise typer.Exit(show_info(archive, path, run, as_of, as_json=as_json))


def errors(archive: Archive, as_json: JSON = False) -> None:
    """List the files of ARCHIVE that are stored verbatim, or not at all, each with the reason.

    \b
    Example:
      tilepress errors photos.tp
    """
    from tilepress.jobs.cli.views import show_errors

    raise typer.Exit(show_errors(archive, as_json=as_json))


def recipes(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="One of them.")] = None,
    as_json: JSON = False,
) -> None:
    """List the recipes that `tilepress train` takes; or print one RECIPE with all its keys, as a YAML to change.

    \b
    Example:
      tilepress recipes block-dnn > mine.yaml
    """
    from tilepress.jobs.cli.catalogue_views import show_recipes

    raise typer.Exit(show_recipes(recipe, as_json=as_json))


def codecs(as_json: JSON = False) -> None:
    """List the codecs that --codec takes."""
    from tilepress.jobs.cli.catalogue_views import show_codecs

    raise typer.Exit(show_codecs(as_json=as_json))


def models(as_json: JSON = False) -> None:
    """List the trained models that come with tilepress and that --codec takes."""
    from tilepress.jobs.cli.catalogue_views import show_models

    raise typer.Exit(show_models(as_json=as_json))


def warm(
    codecs: Annotated[
        list[str] | None, typer.Argument(metavar="[CODEC]...", help="Only those of these codecs.")
    ] = None,
    pack: Annotated[
        bool, typer.Option("--pack", help="Put all into the package itself, for wheels and images to ship.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Compile every kernel, or those of each CODEC, now and keep the code: later processes start at once.

    \b
    Examples:
      tilepress warm                                            on a machine, after each installation
      tilepress warm lossless                                   only what compressing and restoring with it uses
      tilepress warm --pack                                     what wheels and images do, see infra/docker

    \b
    As many processes as there are processors compile at a time. Without it kernels are compiled on first use,
    unless tilepress came with compiled ones. Code is kept in $TILEPRESS_KERNEL_CACHE or the user's cache folder;
    any change of tilepress or of the compiler makes it anew. The folder may be removed at any time.
    """
    from tilepress.jobs.maintenance.warm import show_pack, show_warm
    from tilepress.pipeline.errors import UsageError

    if pack and codecs:
        raise UsageError("`pack` ships the kernels of all codecs: name none")
    raise typer.Exit(show_pack(as_json=as_json) if pack else show_warm(codecs or (), as_json=as_json))
