"""`tilepress.evaluate` and `tilepress evaluate`: codecs compared on your images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tilepress.jobs.cli.texts import qualities as qualities_of
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
    from tilepress.jobs.evaluation.evaluate import EvaluateReport


@public
def evaluate(
    source: Annotated[Place, typer.Argument(metavar="SOURCE", help="A folder, glob, file, bucket prefix or archive.")],
    out: Annotated[Place, typer.Option(metavar="DIR", help="A new folder or bucket prefix for the results.")],
    codecs: Annotated[
        Sequence[Place],
        typer.Option("--codec", metavar="NAME[:Q,Q]|MODEL", help="To compare; repeat it. See `tilepress codecs`."),
    ],
    *,
    qualities: Annotated[
        Sequence[int],
        typer.Option(
            "--quality",
            parser=qualities_of,
            metavar="Q,Q,...",
            help="For every codec that has qualities; 10,30,50,70,90 if not given.",
        ),
    ] = (),
    effort: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=9,
            metavar="E",
            help="For every codec that can try harder: 1 fastest, 9 smallest; each codec's own if not given.",
        ),
    ] = None,
    max_error: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            metavar="N",
            help="For every codec that can be held to it: samples may differ by up to N levels, as in `compress`.",
        ),
    ] = None,
    metrics: Annotated[
        Sequence[str],
        typer.Option("--metric", metavar="NAME", help="To measure besides PSNR, SSIM and MS-SSIM: ssimulacra2."),
    ] = (),
    anchor: Annotated[
        str | None,
        typer.Option(metavar="CODEC", help="What BD-rates compare with; the first codec if not given."),
    ] = None,
    fidelity: Annotated[
        Literal["lossy", "pixels"],
        typer.Option(
            help="lossy: latents alone; pixels: with the residual to the exact pixels, as `compress` stores them."
        ),
    ] = "lossy",
    include: Include = (),
    exclude: Exclude = (),
    tile: Tile = 512,
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "EvaluateReport":
    """Compare codecs on the images of `source`: a folder, glob, file, bucket prefix or archive.

    `out` gets results.parquet (a row for each image, codec and quality), summary.md (means, speeds, BD-rates), plots,
    crops of two images by every codec, and report.html, one page with all of them. Everything is measured on bytes that
    were decoded again. A killed evaluation goes on where it was when the command is repeated.

    Besides the codecs of archives it takes yardsticks, which no archive holds: lossy JPEG 2000, WebP, AVIF and JPEG XL
    of whole images.

    Returns:
        An EvaluateReport: means of every codec at every quality, BD-rates, and what could not be evaluated. UsageError
        for what cannot be done as asked, ResumeError where `out` holds another evaluation.
    """
    from tilepress.jobs.evaluation.evaluate import EvaluateConfig, run_evaluate
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_evaluate(
        EvaluateConfig(
            source=place_text(source),
            out=place_text(out),
            codecs=tuple(map(place_text, codecs)),
            qualities=qualities,
            effort=effort,
            max_error=max_error,
            metrics=metrics,
            anchor=anchor,
            fidelity=fidelity,
            include=include,
            exclude=exclude,
            tile=tile,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
