"""`tilepress.compress` and `tilepress compress`: a collection into an archive."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tilepress.jobs.cli.texts import percentage, size
from tilepress.jobs.verbs.parameters import (
    EngineName,
    Exclude,
    GpusPerActor,
    Include,
    Quiet,
    RayAddress,
    StorageOptions,
    Tile,
    Workers,
    public,
)
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.archives.compress import CompressReport


@public
def compress(
    source: Annotated[Place, typer.Argument(metavar="SOURCE", help="A folder, glob, file or bucket prefix.")],
    archive: Annotated[Place, typer.Argument(metavar="ARCHIVE", help="The archive, made if it is not there.")],
    *,
    codec: Annotated[Place, typer.Option(metavar="auto|NAME|MODEL", help="See `tilepress codecs`.")] = "auto",
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, metavar="Q", help="For lossy codecs: 1 smallest, 100 best.")
    ] = None,
    effort: Annotated[
        int | None,
        typer.Option(min=1, max=9, metavar="E", help="For codecs that can try harder: 1 fastest, 9 smallest."),
    ] = None,
    fidelity: Annotated[
        Literal["pixels", "file", "lossy"],
        typer.Option(help="pixels: pixels and metadata exact; file: every byte too; lossy: latents only."),
    ] = "pixels",
    max_error: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, metavar="N", help="Relaxes pixels: samples may differ by up to N levels, alpha too."
        ),
    ] = None,
    residual: Annotated[
        Literal["quick", "lossless"],
        typer.Option(help="What makes lossy codecs exact: quick, or lossless: smaller, and 30 times as slow."),
    ] = "quick",
    include: Include = (),
    exclude: Exclude = (),
    links: Annotated[
        Literal["keep", "follow"],
        typer.Option(help="keep: symbolic links come back as links; follow: what they lead to is stored."),
    ] = "keep",
    tile: Tile = 512,
    shard_size: Annotated[
        int | None, typer.Option(parser=size, metavar="SIZE", help="Bytes of files a shard, such as 256MB.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what would be done, and write nothing.")] = False,
    allow_other_files: Annotated[
        bool, typer.Option(help="Make the archive in a folder that holds other files.")
    ] = False,
    if_busy: Annotated[
        Literal["share", "skip"],
        typer.Option(help="Where another command is at work on the archive: share its work; skip: leave it, exit 0."),
    ] = "share",
    delete_source: Annotated[
        Literal["never", "after-certificate"],
        typer.Option(help="Then say which originals a certificate lets go, by `tilepress delete-source`."),
    ] = "never",
    parity: Annotated[
        float | None,
        typer.Option(parser=percentage, metavar="PERCENT", help="Then make parity of runs without: see `protect`."),
    ] = None,
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "CompressReport":
    """Compress `source` (folder, glob, file or bucket prefix) into `archive`; run again to add what is new.

    Nothing is lost: files that no codec can represent, that are damaged or over the limits are stored verbatim, with
    the reason (`tilepress errors ARCHIVE`). JPEG files are transcoded up to 67 MP, and verbatim beyond. A killed run
    goes on where it was when the command is repeated. Symbolic links are stored as links, unless `links` says
    otherwise, and folders that are empty or have a mode of their own as folders; pipes, sockets and devices are left
    out, and named.

    With `max_error`, JPEGs, palettes, 1-bit images, any image whose samples could take no more than 2N+1 values (8
    bits from N = 128 on), and those one of whose values stands for transparency or no data (PNG tRNS, GDAL_NODATA)
    stay exact. Masks and labels do not: their values are names, and need a run of their own without `max_error`.

    No original is ever removed here. With `delete_source`, a second command does it: once the archive is certified
    (`tilepress certify`, best on another machine), repeat this one, and it says what would go and by which command.

    Returns:
        A CompressReport: the run's number, counts and bytes by method, failures by reason. UsageError for what cannot
        be done as asked, ResumeError where an unfinished run was begun with other settings, InfrastructureError where
        storage or cluster failed.
    """
    from tilepress.jobs.archives.compress import CompressConfig, run_compress
    from tilepress.jobs.protection.making import protect, require_parity
    from tilepress.pipeline.engine.engine import EngineConfig

    config = CompressConfig(
        source=place_text(source),
        archive=place_text(archive),
        codec=place_text(codec),
        quality=quality,
        effort=effort,
        fidelity=fidelity,
        max_error=max_error,
        residual=residual,
        include=include,
        exclude=exclude,
        links=links,
        tile=tile,
        shard_bytes=shard_size,
        dry_run=dry_run,
        allow_other_files=allow_other_files,
        if_busy=if_busy,
        parity=parity,
        delete_source=delete_source,
        engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
        quiet=quiet,
        storage_options=storage_options,
    )
    if parity:
        require_parity()
    report = run_compress(config)
    if parity and not dry_run and not report.busy:
        report.parity = protect(config.archive, storage_options, parity, config.engine, quiet=quiet)
    if delete_source != "never" and not dry_run and not report.busy:
        from tilepress.jobs.deletion.after_compress import say_what_may_go

        say_what_may_go(config, report)
    return report
