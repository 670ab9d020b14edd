"""`tilepress.report` and `tilepress report`: a page about an archive."""

from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.verbs.parameters import Archive, Exclude, Include, Quiet, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.report.report import ArchiveReport


@public
def report(
    archive: Archive,
    *,
    out: Annotated[
        Place | None,
        typer.Option(
            metavar="FILE.html",
            help="The page, a path or URL; ARCHIVE's own name with .html, in the working folder, if not given.",
        ),
    ] = None,
    include: Include = (),
    exclude: Exclude = (),
    thumbnails: Annotated[
        int, typer.Option(min=0, max=500, metavar="N", help="Images to show: a sample, the same one every time.")
    ] = 48,
    overwrite: Annotated[bool, typer.Option(help="Replace the page if it is there; no other file is.")] = False,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "ArchiveReport":
    """Write one HTML page about `archive`: what it holds, what it saved, and what needs a look.

    The page tells savings by kind, codec, format and folder, how sizes and bits per pixel are distributed, the largest
    files and those that save least and most, runs, and files that are not held by their pixels; it shows a few images
    and carries its data. It is one file of at most 5 MB, opens in any browser and asks no network. It is made of the
    archive's indexes and a few previews: nothing else is read, and nothing is proven. See `tilepress verify` for that.

    Returns:
        An ArchiveReport: the figures, and where the page is. UsageError where there is no archive, nothing that
        matches, or a page already.
    """
    from tilepress.jobs.report.report import ReportConfig, run_report

    return run_report(
        ReportConfig(
            archive=place_text(archive),
            out=None if out is None else place_text(out),
            include=include,
            exclude=exclude,
            thumbnails=thumbnails,
            overwrite=overwrite,
            quiet=quiet,
            storage_options=storage_options,
        )
    )
