"""`tilepress.restore` and `tilepress restore`: files of an archive come back."""

from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.cli.texts import region as region_of
from tilepress.jobs.verbs.parameters import (
    Archive,
    AsOf,
    EngineName,
    Exclude,
    GpusPerActor,
    Include,
    IncludeDeleted,
    Quiet,
    RayAddress,
    RunNumber,
    StorageOptions,
    Workers,
    public,
)
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.archives.restore import RestoreReport


@public
def restore(
    archive: Archive,
    destination: Annotated[Place, typer.Argument(metavar="DESTINATION", help="A folder or bucket prefix.")],
    *,
    include: Include = (),
    exclude: Exclude = (),
    region: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(parser=region_of, metavar="X,Y,W,H", help="Only this rectangle, as PNG or TIFF."),
    ] = None,
    preview: Annotated[
        bool, typer.Option(help="The lossy picture of the latents, or of JPEGs an eighth of the sides, as PNG or TIFF.")
    ] = False,
    view: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="By another decoder of the latents; files that have no such view come back as they are.",
        ),
    ] = "",
    as_origin: Annotated[
        bool, typer.Option(help="Pictures that were JPEG files as those files, under their names and .jpg.")
    ] = False,
    deblock: Annotated[
        bool,
        typer.Option(help="JPEGs, and pictures that were some, as jpeg-dncnn restores them: NAME-deblocked.png."),
    ] = False,
    pixels: Annotated[
        bool,
        typer.Option(help="Equal pixels and metadata are enough: PNG and TIFF files compressed anew, in less time."),
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace files that differ.")] = False,
    run: RunNumber = None,
    as_of: AsOf = None,
    include_deleted: IncludeDeleted = False,
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "RestoreReport":
    """Restore files of `archive` into `destination`, a folder or bucket prefix.

    What the source had when the last run was planned comes back, or what it had at `run` or `as_of`; files that were
    gone by then only with `include_deleted`. Every file is checked before it takes its name; a file that is already
    there and right is left alone, one that differs is not touched unless you say `overwrite`. Symbolic links come last,
    and no file is ever written through one that leads out of `destination`; object stores have neither links nor empty
    folders, modification times nor permissions, which is said (exit code 3 if links or folders are missing). The exit
    code is 3, too, where no run of the archive is complete: what its runs have committed so far comes back.

    With `deblock`, `a/b.jpg` comes back as `a/b.jpg-deblocked.png`, with its ICC profile, EXIF, XMP and resolution: the
    picture that a network makes of its coefficients, within what their quantisation leaves open. A picture that was a
    JPEG keeps its format: `c.tif-deblocked.tif`. Other files, and JPEGs that cannot be restored so (CMYK, arithmetic
    coding, more than 134 million samples: 89 megapixels at 4:2:0), come back as they are, and the report says why.

    With `pixels`, nobody looks for the bytes that a PNG or TIFF file had: it is compressed anew, fast, and larger for
    it, also where the file itself was promised. Pixels are compared as ever, and metadata are the source's; the report
    says "pixel-identical". JPEGs, files stored verbatim, small images, and files that describe their own bytes (C2PA)
    come back byte for byte.

    Returns:
        A RestoreReport: files by how they came back, and those that did not, with the reason. Damage is reported
        there and not raised; UsageError where nothing matches.
    """
    from tilepress.jobs.archives.restore import RestoreConfig, run_restore
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_restore(
        RestoreConfig(
            archive=place_text(archive),
            destination=place_text(destination),
            include=include,
            exclude=exclude,
            region=region,
            preview=preview,
            view=view,
            as_origin=as_origin,
            deblock=deblock,
            pixels=pixels,
            overwrite=overwrite,
            run=run,
            as_of=as_of,
            include_deleted=include_deleted,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
