"""`tilepress.estimate` and `tilepress estimate`: what compressing would save and take, before anything is done."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tilepress.jobs.cli.texts import size
from tilepress.jobs.verbs.parameters import (
    EngineName,
    Exclude,
    GpusPerActor,
    Include,
    Quiet,
    RayAddress,
    StorageOptions,
    Tile,
    public,
)
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.estimation.report import EstimateReport


@public
def estimate(
    source: Annotated[Place, typer.Argument(metavar="SOURCE", help="A folder, glob, file or bucket prefix.")],
    *,
    codecs: Annotated[
        Sequence[Place],
        typer.Option(
            "--codec", metavar="auto|NAME|MODEL", help="To project; repeat it. Without: auto, and lossless beside it."
        ),
    ] = (),
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, metavar="Q", help="For codecs that have qualities, as in compress.")
    ] = None,
    effort: Annotated[
        int | None, typer.Option(min=1, max=9, metavar="E", help="For codecs that can try harder, as in compress.")
    ] = None,
    fidelity: Annotated[
        Literal["pixels", "file", "lossy"],
        typer.Option(help="As in compress; beside lossy codecs, lossless ones stay so."),
    ] = "pixels",
    max_error: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="N", help="For codecs that have it: levels a sample may differ by."),
    ] = None,
    residual: Annotated[
        Literal["quick", "lossless"], typer.Option(help="What makes lossy codecs exact, as in compress.")
    ] = "quick",
    out: Annotated[
        Place | None,
        typer.Option(metavar="DIR", help="A folder or bucket prefix that keeps the sample's figures, to go on from."),
    ] = None,
    report: Annotated[
        Place | None,
        typer.Option(
            metavar="FILE.html", help="Write one page: sizes, hours, money, what was sampled; over an older one."
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0.01, metavar="M", help="Time to list and measure in; kernels compile beyond it.")
    ] = 2.0,
    sample: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="Measure so many large files, or groups of small ones, instead."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another one draws another sample.")] = 0,
    price_storage: Annotated[
        float | None,
        typer.Option(min=0, metavar="P", help="Of a terabyte and month, with a core-hour's: when it pays for itself."),
    ] = None,
    price_core_hour: Annotated[
        float | None, typer.Option(min=0, metavar="P", help="Of an hour of one core, in the same currency.")
    ] = None,
    include: Include = (),
    exclude: Exclude = (),
    links: Annotated[
        Literal["keep", "follow"], typer.Option(help="As in compress: whether what links lead to is stored.")
    ] = "keep",
    tile: Tile = 512,
    shard_size: Annotated[
        int | None, typer.Option(parser=size, metavar="SIZE", help="Bytes of files a shard, such as 256MB.")
    ] = None,
    engine: EngineName = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            "-j", "--workers", min=1, metavar="N", help="Shards at a time, now and projected; one a processor."
        ),
    ] = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "EstimateReport":
    """Project what compressing `source` (folder, glob, file or bucket prefix) would save and take, by each codec.

    Everything is listed; a sample by format, size and folder is really compressed, and checked, as `compress` does.
    From that follow the size of the archive, core-hours and hours, each with the interval that holds it 19 times in
    20, memory and scratch disk, and the same by kind of file. Nothing is written, unless `out` names a place for the
    sample's figures (Parquet) and a page, report.html, or `report` one for the page alone; a killed estimate goes on
    in its `out`.

    Without `codecs`, `auto` is shown and, for a part of the sample, `lossless`, which is smaller and slower. Hours are
    those of processors that do nothing else: seconds in which other programs had them are taken off (on Linux).
    Repeated files, which `compress` stores once, are not subtracted.

    Files are measured whole. One that would take longer than is left of `minutes` is not begun, and files of its kind
    and size are projected from others; if all are so large, the smallest is measured, and the report says how much
    longer it took. If seven tenths of the time are too short to list everything (S3 lists about half a million objects
    in those of two minutes), only what was listed is projected, and the report says how many files that is. With an
    `out` everything is listed.

    Returns:
        An EstimateReport: what was listed and sampled, and a CodecEstimate for each codec. UsageError for what cannot
        be done as asked, ResumeError where `out` holds another estimate.
    """
    from tilepress.jobs.estimation.asking import EstimateConfig
    from tilepress.jobs.estimation.estimate import run_estimate
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_estimate(
        EstimateConfig(
            source=place_text(source),
            codecs=tuple(map(place_text, codecs)),
            quality=quality,
            effort=effort,
            fidelity=fidelity,
            max_error=max_error,
            residual=residual,
            out=None if out is None else place_text(out),
            report=None if report is None else place_text(report),
            minutes=minutes,
            sample=sample,
            seed=seed,
            price_storage=price_storage,
            price_core_hour=price_core_hour,
            include=include,
            exclude=exclude,
            links=links,
            tile=tile,
            shard_bytes=shard_size,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
