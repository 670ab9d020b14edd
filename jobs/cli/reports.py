"""What the commands that work print when they are done: text, or one JSON object. Each returns the exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tilepress.jobs.cli.progress import size
from tilepress.jobs.cli.tables import print_failures, print_json, print_notes, print_summary, print_table

if TYPE_CHECKING:
    from tilepress.jobs.archives.compress import CompressConfig, CompressReport
    from tilepress.jobs.archives.restore import RestoreConfig, RestoreReport
    from tilepress.jobs.archives.verify import VerifyConfig, VerifyReport
    from tilepress.jobs.evaluation.evaluate import EvaluateConfig, EvaluateReport
    from tilepress.jobs.fitting.fit_lossless import FitConfig, FitReport
    from tilepress.jobs.training.train import TrainConfig, TrainReport


def show_compress(config: CompressConfig, report: CompressReport, *, as_json: bool) -> int:
    """Summary of a run by method, with bytes in and out."""
    if as_json:
        print_json(vars(report) | {"exit_code": report.exit_code})
        return report.exit_code
    for name, reason in report.skipped:
        print(f"left out: {name} ({reason})", file=sys.stderr)
    planned = f"{report.planned_files:,} files, {size(report.planned_bytes)}, in {report.shards:,} shards"
    gone = f"; {report.gone:,} gone from the source" if report.gone else ""
    if config.dry_run:
        print(f"would compress {planned}{gone}; nothing was written")
        return 0
    if report.run is None:
        print(f"nothing new in {config.source}: {config.archive} is up to date, nothing was written")
        return 0
    print(f"run {report.run} of {config.archive}: {planned}{gone}")
    if report.resumed_shards:
        print(f"{report.resumed_shards:,} shards were already committed by an earlier attempt")
    print_summary(report.summary)
    rate = report.summary.pixels / 1e6 / max(1e-3, report.seconds)
    print(f"in {report.seconds:.1f} s, {rate:.3g} MP/s, engine {report.engine}")
    if report.exit_code:
        print(f"Some files need a look: tilepress errors {config.archive}")
    return report.exit_code


def show_restore(config: RestoreConfig, report: RestoreReport, *, as_json: bool) -> int:
    """How the files came back, and which did not."""
    if as_json:
        print_json(vars(report) | {"exit_code": report.exit_code})
        return report.exit_code
    print_notes(report.notes)
    words = ", ".join(f"{count:,} {how}" for how, count in report.restored.items())
    print(f"restored to {config.destination}: {words or 'nothing'}")
    print_failures("damaged", report.damage)
    print_failures("damaged, not restored", report.failed)
    print_failures("not restored", report.refused)
    return report.exit_code


def show_verify(config: VerifyConfig, report: VerifyReport, *, as_json: bool) -> int:
    """What was checked, and what is wrong."""
    if as_json:
        print_json(vars(report) | {"exit_code": report.exit_code})
        return report.exit_code
    print_notes(report.notes)
    counts = f"{report.parts:,} parts, {report.images:,} images, {size(report.source_bytes)} of files"
    print(f"verified {config.archive}: {counts}")
    for part, image, problem in report.problems:
        print(f"DAMAGED {part}{': ' + image if image else ''}: {problem}")
    print_failures("differs from the source", report.differing)
    for how, count in sorted(report.inexact.items()):
        print(f"{count:,} images are not held exactly: {how}")
    print(f"{len(report.problems):,} problems found" if report.problems else "everything stored is as it was written")
    return report.exit_code


def show_train(config: TrainConfig, report: TrainReport, *, as_json: bool) -> int:
    """What was trained, how well it does, and how to use it."""
    if as_json:
        print_json(vars(report) | {"exit_code": report.exit_code})
        return report.exit_code
    print_failures("not trained on", report.unusable)
    if not report.trained:
        print(f"{report.out} is already this model ({report.sha256[:16]}), nothing was done")
        return report.exit_code
    where = f"{report.workers} workers on Ray" if report.engine == "ray" else "this process"
    begun = f" (from step {report.resumed_at:,})" if report.resumed_at else ""
    print(
        f"trained {report.codec} on {report.images:,} images: {report.steps:,} steps{begun} in "
        f"{report.seconds / 60:.1f} min by {where}, stopped by {report.stopped_by}"
    )
    rate = f", {report.figures['bpp']:.3f} bpp" if "bpp" in report.figures else ""
    print(f"held-out images: {report.figures['psnr']:.2f} dB{rate} (before quantisation and entropy coding)")
    print(
        f"{report.out}: model {report.sha256[:16]}, {size(report.model_bytes)}; log and curves in {report.out}.training"
    )
    print(f"Use it: tilepress compress SOURCE ARCHIVE --codec {report.out}")
    return report.exit_code


_FIT_COLUMNS = ("level", "held-out images", "raw", "JPEG XL e7", "start", "fitted", "to JPEG XL", "to start")


def show_fit(config: FitConfig, report: FitReport, *, as_json: bool) -> int:
    """What the fitted model makes of images that it was not fitted to, beside JPEG XL and the model before."""
    if as_json:
        print_json(vars(report) | {"exit_code": report.exit_code})
        return report.exit_code
    print_failures("skipped", report.skipped)
    for number, source in enumerate(config.sources, 1):
        if len(config.sources) > 1:
            print(f"source {number}: {source}")
    print_table((dict(zip(_FIT_COLUMNS, _fit_cells(figure), strict=True)) for figure in report.figures), _FIT_COLUMNS)
    start = "no trained model" if report.start == "none" else f"{config.start} ({report.start[:16]})"
    print(f"Bytes of the held-out images; start: {start}")
    for level in report.kept:
        print(f"{level}: fitting gained nothing on the held-out images, the model keeps its start there")
    if not report.written:
        print(f"{report.out} is already this model ({report.sha256[:16]}), nothing was done")
        return report.exit_code
    images = f"{report.fitted_images:,} images in {report.seconds / 60:.1f} min"
    print(f"{report.out}: model {report.sha256[:16]}, {size(report.model_bytes)}, fitted to {images}")
    print(f"Use it: tilepress compress SOURCE ARCHIVE --codec {report.out}")
    return report.exit_code


def _fit_cells(figure: dict[str, Any]) -> tuple[str, ...]:
    sizes = (f"{figure[name]:,}" for name in ("raw", "jpegxl", "start", "fitted"))
    gains = (f"{figure[name]:+.2f} %" for name in ("against_jpegxl", "against_start"))
    return figure["level"], f"{figure['count']} ({figure['images']})", *sizes, *gains


def show_evaluate(config: EvaluateConfig, report: EvaluateReport, *, as_json: bool) -> int:
    """Means of every codec at every quality, BD-rates, and what could not be evaluated."""
    from tilepress.jobs.evaluation.report import BD_COLUMNS, COLUMNS, bd_cells, lossless_cells, point_cells

    if as_json:
        print_json(vars(report) | {"images": report.images, "exit_code": report.exit_code})
        return report.exit_code
    print_table((dict(zip(COLUMNS, point_cells(means), strict=True)) for means in report.means), COLUMNS)
    if report.comparisons:
        print(f"\nBD-rate against {report.anchor}; negative: less rate at equal quality")
        print_table((dict(zip(BD_COLUMNS, cells, strict=True)) for cells in bd_cells(report.comparisons)), BD_COLUMNS)
    for codec, quality, images, percent in map(lossless_cells, report.lossless):
        print(
            f"lossless, {codec}{quality and f' q{quality}'}: {percent} bits against {report.anchor} ({images} images)"
        )
    print()
    for codec, count in report.unsupported.items():
        print(f"{codec} cannot represent {count:,} of the images")
    print_failures("unknown format", report.unknown)
    print_failures("could not be read", report.unreadable)
    print_failures("failed", report.failed)
    images = f"{report.images:,} images of {report.files:,} files"
    if not report.written:
        print(f"{images}: {config.out} was complete already, nothing was written")
        return report.exit_code
    resumed = f" ({report.resumed_tasks:,} of {report.tasks:,} tasks by an earlier run)" if report.resumed_tasks else ""
    print(f"{images}{resumed} in {report.seconds:.1f} s, engine {report.engine or 'none'}: see {config.out}/summary.md")
    return report.exit_code
