"""The commands of `tilepress`: their options and help, each handed on to its job and to what that prints.

Jobs are imported when they run, so that `--help` stays light.
"""

from __future__ import annotations

from typing import Any

import click

from tilepress.jobs.cli.commands.evaluate import evaluate
from tilepress.jobs.cli.commands.fit_lossless import fit_lossless
from tilepress.jobs.cli.commands.import_arrays import import_
from tilepress.jobs.cli.commands.warm import warm
from tilepress.jobs.cli.options import (
    engine_config,
    engine_options,
    exclude_option,
    include_option,
    json_option,
    parsed,
    region,
    size,
    subset,
    tile_option,
    training_options,
)


@click.command(short_help="Compress a folder, glob or bucket into an archive.")
@click.argument("source")
@click.argument("archive")
@click.option("--codec", default="auto", show_default=True, metavar="auto|NAME|MODEL", help="See `tilepress codecs`.")
@click.option("--quality", type=click.IntRange(1, 100), help="For lossy codecs: 1 smallest, 100 best.")
@click.option("--effort", type=click.IntRange(1, 9), help="For codecs that can try harder: 1 fastest, 9 smallest.")
@click.option(
    "--fidelity",
    type=click.Choice(["pixels", "file", "lossy"]),
    default="pixels",
    show_default=True,
    help="pixels: pixels and metadata exact; file: every byte; lossy: latents only.",
)
@click.option(
    "--max-error",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Relaxes pixels: samples may differ by up to N levels, alpha too.",
)
@include_option
@exclude_option
@tile_option
@click.option("--shard-size", "shard_bytes", callback=parsed(size), metavar="SIZE", help="Bytes of files a shard.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@engine_options
@json_option
def compress(as_json: bool, **options: Any) -> None:
    """Compress SOURCE (folder, glob, file or bucket prefix) into ARCHIVE; run again to add what is new.

    \b
    Examples:
      tilepress compress scans/ scans.tp
      tilepress compress s3://raw/2024 s3://archive/2024 --engine ray
      tilepress compress photos/ photos.tp --codec block-dnn-16       a learned preview and an exact residual
      tilepress compress photos/ small.tp --codec jpeg --fidelity lossy --quality 80
      tilepress compress ct/ ct.tp --codec jpegls --max-error 2               every sample within 2 levels
      tilepress compress photos/ photos.tp --include '*.tif' --dry-run

    \b
    Nothing is lost: files that no codec can represent, that are damaged or over the limits are kept as their bytes,
    with the reason (`tilepress errors ARCHIVE`). A killed run goes on where it was when the command is repeated.
    With --max-error, JPEGs, palettes, 1-bit images, any image whose samples could take no more than 2N+1 values (8 bits
    from N = 128 on), and those one of whose values stands for transparency or no data (PNG tRNS, GDAL_NODATA) stay
    exact. Masks and labels do not: their values are names, and need a run of their own without --max-error.
    """
    from tilepress.jobs.archives.compress import CompressConfig, run_compress
    from tilepress.jobs.cli.reports import show_compress

    config = CompressConfig(engine=engine_config(options), quiet=as_json, **options)
    _finish(show_compress(config, run_compress(config), as_json=as_json))


@click.command(short_help="Bring files of an archive back.")
@click.argument("archive")
@click.argument("destination")
@include_option
@exclude_option
@click.option("--region", callback=parsed(region), metavar="X,Y,W,H", help="Only this rectangle, as PNG or TIFF.")
@click.option("--preview", is_flag=True, help="The lossy picture of the latents, where there is one.")
@click.option("--overwrite", is_flag=True, help="Replace files that differ.")
@click.option("--skip-gone", is_flag=True, help="Leave out files that the source no longer had.")
@engine_options
@json_option
def restore(as_json: bool, **options: Any) -> None:
    """Restore files of ARCHIVE into DESTINATION, a folder or bucket prefix.

    \b
    Examples:
      tilepress restore photos.tp restored/
      tilepress restore photos.tp restored/ --include '2024/*.png'
      tilepress restore photos.tp crops/ --region 0,0,512,512
      tilepress restore photos.tp previews/ --preview

    \b
    Every file is checked before it takes its name; a file that is already there and right is left alone, one that
    differs is not touched unless you say --overwrite.
    """
    from tilepress.jobs.archives.restore import RestoreConfig, run_restore
    from tilepress.jobs.cli.reports import show_restore

    config = RestoreConfig(engine=engine_config(options), quiet=as_json, **options)
    _finish(show_restore(config, run_restore(config), as_json=as_json))


@click.command(short_help="Check that everything stored is as it was written.")
@click.argument("archive")
@click.option("--against", metavar="SOURCE", help="Also compare every stored file with its source.")
@click.option("--subset", callback=parsed(subset), metavar="3/30|1%", help="Only a part of the images, chosen by name.")
@click.option("--rebuild", is_flag=True, help="Also rebuild every file in scratch space, as restore would.")
@engine_options
@json_option
def verify(as_json: bool, **options: Any) -> None:
    """Check ARCHIVE: read every byte, decode every image, name whatever is damaged (exit code 4).

    \b
    Examples:
      tilepress verify photos.tp
      tilepress verify photos.tp --subset 3/30          a thirtieth a day makes the whole in a month
      tilepress verify photos.tp --against photos/      and every source file is the one that was stored
    """
    from tilepress.jobs.archives.verify import VerifyConfig, run_verify
    from tilepress.jobs.cli.reports import show_verify

    config = VerifyConfig(engine=engine_config(options), quiet=as_json, **options)
    _finish(show_verify(config, run_verify(config), as_json=as_json))


@click.command(short_help="List images.")
@click.argument("archive")
@click.argument("path", required=False)
@json_option
def ls(archive: str, path: str | None, as_json: bool) -> None:
    """List the images of ARCHIVE: all, those below a folder PATH, or those that match a glob.

    \b
    Examples:
      tilepress ls photos.tp
      tilepress ls photos.tp '2024/**/*.tif' --json
    """
    from tilepress.jobs.cli.views import show_ls

    _finish(show_ls(archive, path, as_json=as_json))


@click.command(short_help="Write one file to standard output.")
@click.argument("archive")
@click.argument("path")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE instead of standard output.")
def cat(archive: str, path: str, output: str | None) -> None:
    """Write one file of ARCHIVE to standard output.

    \b
    Example:
      tilepress cat photos.tp 2024/a.png > a.png
    """
    from tilepress.jobs.cli.views import write_cat

    _finish(write_cat(archive, path, output))


@click.command(short_help="What an archive, or one image of it, is.")
@click.argument("archive")
@click.argument("path", required=False)
@json_option
def info(archive: str, path: str | None, as_json: bool) -> None:
    """What ARCHIVE is and holds, or all about one image PATH.

    \b
    Examples:
      tilepress info photos.tp
      tilepress info photos.tp 2024/a.png
    """
    from tilepress.jobs.cli.views import show_info

    _finish(show_info(archive, path, as_json=as_json))


@click.command(short_help="Files held only as their bytes, and why.")
@click.argument("archive")
@json_option
def errors(archive: str, as_json: bool) -> None:
    """Files of ARCHIVE that are held only as their bytes, or not at all, each with the reason.

    \b
    Example:
      tilepress errors photos.tp
    """
    from tilepress.jobs.cli.views import show_errors

    _finish(show_errors(archive, as_json=as_json))


@click.command(short_help="Train a learned codec on a collection or an archive.")
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--data", required=True, metavar="SOURCE", help="Collection or archive to learn from.")
@click.option("--out", required=True, metavar="MODEL", help="Folder or prefix that becomes the model.")
@include_option
@exclude_option
@click.option("--preview", is_flag=True, help="Of an archive, learn from the lossy pictures of the latents.")
@training_options
@json_option
def train(as_json: bool, **options: Any) -> None:
    """Train RECIPE (`tilepress recipes` lists them, or the path of a YAML) into a model folder.

    \b
    Examples:
      tilepress train block-dnn --data photos/ --out my-model ratio=8 minutes=5
      tilepress train gdn-factorized --data photos.tp --out s3://models/aerial -j 4      4 workers on Ray
      tilepress compress photos/ photos.tp --codec my-model

    \b
    Checkpoints, log (Parquet, TensorBoard) and curves are kept in MODEL.training. A killed training goes on from its
    last checkpoint when the command is repeated. It ends with steps=, minutes=, a plateau (patience=) or stop_mse=.
    """
    from tilepress.jobs.cli.reports import show_train
    from tilepress.jobs.training.train import TrainConfig, run_train

    config = TrainConfig(engine=engine_config(options), quiet=as_json, **options)
    _finish(show_train(config, run_train(config), as_json=as_json))


@click.command(short_help="The recipes that train takes.")
@click.argument("recipe", required=False)
@json_option
def recipes(recipe: str | None, as_json: bool) -> None:
    """The recipes that `tilepress train` takes; or one RECIPE with all its keys, as a YAML to change.

    \b
    Example:
      tilepress recipes block-dnn > mine.yaml
    """
    from tilepress.jobs.cli.catalogue_views import show_recipes

    _finish(show_recipes(recipe, as_json=as_json))


@click.command(short_help="The codecs that --codec takes.")
@json_option
def codecs(as_json: bool) -> None:
    """The codecs that --codec takes."""
    from tilepress.jobs.cli.catalogue_views import show_codecs

    _finish(show_codecs(as_json=as_json))


@click.command(short_help="The trained models that --codec takes.")
@json_option
def models(as_json: bool) -> None:
    """The trained models that come with tilepress and that --codec takes."""
    from tilepress.jobs.cli.catalogue_views import show_models

    _finish(show_models(as_json=as_json))


def _finish(code: int) -> None:
    raise SystemExit(code)


# In the order in which people meet them.
COMMANDS = (
    *(compress, restore, verify, ls, cat, info, errors),
    *(import_, train, fit_lossless, evaluate, codecs, models, recipes, warm),
)
