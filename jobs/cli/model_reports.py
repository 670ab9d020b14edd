"""What the commands print that train, fit, evaluate and reproduce: `show_VERB`, as in `reports.py`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tilepress.jobs.cli.progress import counted, size, took
from tilepress.jobs.cli.tables import print_failures, print_table

if TYPE_CHECKING:
    from tilepress.jobs.evaluation.evaluate import EvaluateReport
    from tilepress.jobs.fitting.fit_lossless import FitReport
    from tilepress.jobs.reproduction.page import MadeSection
    from tilepress.jobs.reproduction.reproduce import ReproduceReport
    from tilepress.jobs.training.train import TrainReport


def show_train(request: SimpleNamespace, report: TrainReport) -> None:
    """Print what was trained, how well it does, and how to use it."""
    print_failures("not trained on", report.unusable)
    if not report.trained:
        print(f"{report.out} is already this model ({report.sha256[:16]}), nothing was done")
        return
    where = f"{report.workers} workers on Ray" if report.engine == "ray" else "this process"
    begun = f" (from step {report.resumed_at:,})" if report.resumed_at else ""
    print(
        f"trained {report.codec} on {counted(report.images, 'image')}: {counted(report.steps, 'step')}{begun} in "
        f"{report.seconds / 60:.1f} min by {where}, stopped by {report.stopped_by}"
    )
    rate = f", {report.figures['bpp']:.3f} bpp" if "bpp" in report.figures else ""
    print(f"held-out images: {report.figures['psnr']:.2f} dB{rate} (before quantisation and entropy coding)")
    print(
        f"{report.out}: model {report.sha256[:16]}, {size(report.model_bytes)}; log and curves in {report.out}.training"
    )
    print(f"Use it: tilepress compress SOURCE ARCHIVE --codec {report.out}")


_FIT_COLUMNS = ("level", "held-out images", "raw", "JPEG XL e7", "start", "fitted", "to JPEG XL", "to start")


def show_fit_lossless(request: SimpleNamespace, report: FitReport) -> None:
    """Print what the fitted model makes of held-out images, beside JPEG XL and the model before."""
    print_failures("skipped", report.skipped)
    for number, source in enumerate(request.sources, 1):
        if len(request.sources) > 1:
            print(f"source {number}: {source}")
    print_table((dict(zip(_FIT_COLUMNS, _fit_cells(figure), strict=True)) for figure in report.figures), _FIT_COLUMNS)
    start = "no trained model" if report.start == "none" else f"{request.start} ({report.start[:16]})"
    print(f"Bytes of the held-out images; start: {start}")
    for level in report.kept:
        print(f"{level}: fitting gained nothing on the held-out images, the model keeps its start there")
    if not report.written:
        print(f"{report.out} is already this model ({report.sha256[:16]}), nothing was done")
        return
    images = f"{counted(report.fitted_images, 'image')} in {report.seconds / 60:.1f} min"
    print(f"{report.out}: model {report.sha256[:16]}, {size(report.model_bytes)}, fitted to {images}")
    print(f"Use it: tilepress compress SOURCE ARCHIVE --codec {report.out}")


def _fit_cells(figure: dict[str, Any]) -> tuple[str, ...]:
    sizes = (f"{figure[name]:,}" for name in ("raw", "jpegxl", "start", "fitted"))
    gains = (f"{figure[name]:+.2f} %" for name in ("against_jpegxl", "against_start"))
    return figure["level"], f"{figure['count']} ({figure['images']})", *sizes, *gains


def show_evaluate(request: SimpleNamespace, report: EvaluateReport) -> None:
    """Print the means of every codec at every quality, BD-rates, and what could not be evaluated."""
    from tilepress.jobs.evaluation.report import BD_COLUMNS, bd_cells, lossless_cells, point_table

    columns, lines = point_table(report)
    print_table((dict(zip(columns, line, strict=True)) for line in lines), columns)
    if report.comparisons:
        print(f"\nBD-rate against {report.anchor}; negative: less rate at equal quality")
        print_table((dict(zip(BD_COLUMNS, cells, strict=True)) for cells in bd_cells(report.comparisons)), BD_COLUMNS)
    bound = " or bounded" if any(means.bound for means in report.means) else ""
    for codec, quality, images, percent in map(lossless_cells, report.lossless):
        name = f"{codec}{quality and f' q{quality}'}"
        print(f"lossless{bound}, {name}: {percent} bits against {report.anchor} ({images} images)")
    print()
    for codec, count in report.unsupported.items():
        print(f"{codec} cannot represent {count:,} of the images")
    print_failures("unknown format", report.unknown)
    print_failures("could not be read", report.unreadable)
    print_failures("failed", report.failed)
    images = f"{counted(report.images, 'image')} of {counted(report.files, 'file')}"
    if not report.written:
        print(f"{images}: {request.out} was complete already, nothing was written")
        return
    resumed = f" ({report.resumed_tasks:,} of {report.tasks:,} tasks by an earlier run)" if report.resumed_tasks else ""
    time = took(report.seconds, report.compiling_seconds)
    print(f"{images}{resumed} {time}, engine {report.engine or 'none'}: see {request.out}/report.html and summary.md")


_LIST_COLUMNS = ("table", "what", "needs")


def show_reproduce(request: SimpleNamespace, report: ReproduceReport) -> None:
    """Print the tables there are; or one of them, the published lines first, with comparisons and remarks."""
    if request.list_tables:
        print_table((dict(zip(_LIST_COLUMNS, each, strict=True)) for each in report.tables), _LIST_COLUMNS)
        return
    for section in report.sections:
        _show_section(section)
    for curves in report.curves:
        print(f"\n{curves.title}")
        columns = ("model", *curves.columns)
        print_table((dict(zip(columns, line, strict=True)) for line in curves.lines), columns)
    for remark in report.remarks:
        print(f"note: {remark}")
    trained = f"{counted(len(report.trained), 'model')} trained, " if report.trained else ""
    before = f", {report.found:,} measured before" if report.found else ""
    changed = "" if report.written else ", the page was complete already"
    done = f"{counted(report.measured, 'picture')} measured{before}{changed}"
    print(f"{report.page}: {trained}{done}, {took(report.seconds, 0.0)}")


def _show_section(section: MadeSection) -> None:
    print(f"\n{section.title}")
    columns = (section.shown, *section.columns)
    lines = ((line.name.replace("`", ""), *line.cells) for line in section.lines)
    print_table((dict(zip(columns, line, strict=True)) for line in lines), columns)
    for text in (*section.comparisons, *section.remarks):
        print(f"  {text}")
