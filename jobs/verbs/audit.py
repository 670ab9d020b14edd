"""`tilepress.audit` and `tilepress audit`: whether an archive, or a collection, is sound, and how good it is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.cli.texts import names, sample_of, slice_of
from tilepress.jobs.verbs.parameters import (
    EngineName,
    Exclude,
    GpusPerActor,
    Include,
    Quiet,
    RayAddress,
    StorageOptions,
    Workers,
    public,
)
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.audit.report import AuditReport


@public
def audit(
    source: Annotated[
        Place, typer.Argument(metavar="ARCHIVE|SOURCE", help="An archive; or a folder, glob, file or bucket prefix.")
    ],
    *,
    against: Annotated[
        Place | None, typer.Option(metavar="SOURCE", help="Measure every image beside the one of its name there.")
    ] = None,
    out: Annotated[
        Place | None,
        typer.Option(metavar="DIR", help="A new folder or bucket prefix for tables; a killed audit goes on there."),
    ] = None,
    report: Annotated[
        Place | None,
        typer.Option(
            metavar="FILE.html", help="Write one page, with examples and the worst places, over an older one."
        ),
    ] = None,
    metrics: Annotated[
        Sequence[str],
        typer.Option(
            parser=names, metavar="NAME,...", help="Of psnr, ssim, ms_ssim, max_error and the slow ssimulacra2."
        ),
    ] = ("psnr", "ssim", "ms_ssim", "max_error"),
    group_by: Annotated[
        Sequence[str],
        typer.Option(
            metavar="HOW",
            help="folder, camera, exif:FIELD, or a pattern as of include whose words name groups, such as '{year}/*/'; "
            "folder and camera if not given. May be repeated.",
        ),
    ] = (),
    include: Include = (),
    exclude: Exclude = (),
    slice: Annotated[
        tuple[int, int] | None,
        typer.Option(parser=slice_of, metavar="K/N", help="Only part K of N, by name: all N are everything, once."),
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option(
            parser=sample_of,
            metavar="N|1%",
            help="Only so many images, or a share (below 1): the same ones every time.",
        ),
    ] = None,
    rotate: Annotated[
        int | None,
        typer.Option(
            min=2, metavar="N", help="Today's part of N, which the archive remembers: in N days all of it is read."
        ),
    ] = None,
    since: Annotated[
        Place | None, typer.Option(metavar="DIR", help="Compare with the audit in this folder, and tell what changed.")
    ] = None,
    fail_under: Annotated[
        Sequence[str],
        typer.Option(
            metavar="NAME=X,...", help="End with 3 where a figure of any image, or a count, is less: psnr=35,saved=0.3."
        ),
    ] = (),
    fail_over: Annotated[
        Sequence[str],
        typer.Option(metavar="NAME=X,...", help="The same where it is more: max_error=2,quarantined=0."),
    ] = (),
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "AuditReport":
    """Decode everything in `source`, prove its hashes, measure it, and name what is damaged or unlike the rest.

    Images of an archive that are held exactly are proven by their hashes, lossy ones have the PSNR that was stored when
    they were encoded, and indexes, plans and manifests are checked; with `against`, decoded pixels are measured beside
    the source's. Findings are hints: images that are blank, clipped, blurred, upscaled, of 8 bits in 16, JPEGs stored
    as pixels or coded twice, duplicates, or take other bits than their kind.

    `out` gets images.parquet (a row an image), findings.parquet, groups.parquet, summary.md and report.html. Without it
    nothing is left behind but the page that `report` names, and a killed audit, one of `rotate` too, begins anew. What
    `out` has is told again and not looked at again: for damage since then, name a new one. In
    thresholds the name of a measure (psnr, ssim, ms_ssim, max_error, ssimulacra2, bpp, misfit) means the worst image,
    mean_psnr and the like the mean; saved is the share of bytes saved; and there are counts: damaged, quarantined,
    missing, differing, findings, findings.blurred.

    Returns:
        An AuditReport: what was looked at and measured, and what was found. Damage is reported there and not raised
        (exit code 4); 3 where a threshold is missed, files are quarantined, or the source differs. UsageError for what
        cannot be done as asked, ResumeError where `out` holds another audit.
    """
    from tilepress.jobs.audit.asking import AuditConfig
    from tilepress.jobs.audit.audit import run_audit
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_audit(
        AuditConfig(
            source=place_text(source),
            against=None if against is None else place_text(against),
            out=None if out is None else place_text(out),
            report=None if report is None else place_text(report),
            metrics=metrics,
            group_by=group_by,
            include=include,
            exclude=exclude,
            slice=slice,
            sample=sample,
            rotate=rotate,
            since=None if since is None else place_text(since),
            fail_under=fail_under,
            fail_over=fail_over,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
