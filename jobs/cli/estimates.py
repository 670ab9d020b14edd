"""How the commands print what an estimate says: of each codec, of kinds of files, of money."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tilepress.jobs.cli.progress import counted, size
from tilepress.jobs.cli.tables import print_table

if TYPE_CHECKING:
    from tilepress.jobs.estimation.projection import Interval
    from tilepress.jobs.estimation.report import CodecEstimate, EstimateReport, KindEstimate


def show_projection(report: EstimateReport) -> None:
    """Print tables of codecs and kinds of files, and what there is to say about the sample."""
    units = f"{counted(report.sampled_files, 'file')}, {size(report.sampled_bytes)}"
    print(f"projected from {units} that were compressed and checked here; 19 times in 20 within the brackets:")
    workers = report.codecs[0].workers
    columns = (
        "codec",
        "archive",
        "saved",
        "MP/s a core",
        "core-hours",
        f"hours at -j {workers}",
        "memory",
        "scratch disk",
    )
    print_table((dict(zip(columns, _codec_cells(codec), strict=True)) for codec in report.codecs), columns)
    best = min(report.codecs, key=lambda codec: codec.archive_bytes.value)
    if len(best.kinds) > 1:
        print(f"by kind of file, with {best.codec}:")
        rows = [_kind_cells(kind) for kind in best.kinds]
        print_table((dict(zip(_KIND_COLUMNS, row, strict=True)) for row in rows), _KIND_COLUMNS)
    for line in _payback_lines(report.codecs):
        print(line)
    for line in _about_the_sample(report):
        print(line)


_KIND_COLUMNS = ("kind", "files", "in", "measured", "archive", "core-hours")


def _codec_cells(codec: CodecEstimate) -> tuple[str, ...]:
    return (
        codec.codec,
        _within(codec.archive_bytes, size),
        _within(codec.saved_percent, _percent),
        f"{codec.pixels_per_second / 1e6:.2g}" if codec.pixels_per_second else "",
        _within(codec.core_hours, _hours),
        _within(codec.hours, _hours),
        size(codec.memory_bytes),
        size(codec.scratch_bytes),
    )


def _kind_cells(kind: KindEstimate) -> tuple[str, ...]:
    archive, core_hours = _within(kind.archive_bytes, size), _within(kind.core_hours, _hours)
    return kind.kind, f"{kind.files:,}", size(kind.bytes), f"{kind.sampled_files:,}", archive, core_hours


def _payback_lines(codecs: list[CodecEstimate]) -> Iterator[str]:
    for codec in codecs:
        if codec.payback is None:
            continue
        cost = _within(codec.payback.compressing, _money)
        saved = _within(codec.payback.saved_a_month, _money)
        when = "never pays for itself"
        if codec.payback.month is not None:
            latest = codec.payback.latest_month
            bound = "" if latest == codec.payback.month else f", by month {latest:,}" if latest else ", or never"
            when = f"pays for itself in month {codec.payback.month:,}{bound}"
        yield f"{codec.codec}: compressing costs {cost}, storage costs {saved} less a month; it {when}"


def _about_the_sample(report: EstimateReport) -> Iterator[str]:
    if report.overrun_seconds >= 1:
        yield (
            f"this took {report.overrun_seconds:.0f} s longer than --minutes: files are measured whole, and "
            f"{report.slowest_file} took {report.slowest_seconds:.0f} s"
        )
    if report.uncertain:
        yield (
            f"{', '.join(report.uncertain)}: too little was measured for the brackets to hold 19 times in 20; more "
            "--minutes, or --sample, measure more"
        )
    if report.unseen_bytes:
        yield (
            f"{size(report.unseen_bytes)} are in kinds or sizes of files of which none was measured in the time, and "
            "projected from others: more --minutes measure them"
        )
    if not report.listed_all:
        seconds = f"{report.listing_seconds:.0f} s"
        yield (
            f"NOT ALL WAS LISTED in {seconds}: this is about the first {counted(report.files, 'file')}, "
            f"{size(report.bytes)}. More --minutes list more; with --out all is listed"
        )
    if report.damaged_files:
        yield f"{counted(report.damaged_files, 'file')} of the sample could not be read, or do not decode"
    if report.repeated_bytes:
        share = 100 * report.repeated_bytes / report.bytes
        yield (
            f"{size(report.repeated_bytes)} ({share:.1f} %) repeat other files, by their ETags: they are stored once, "
            "which is not subtracted"
        )


def _within(interval: Interval, text: Callable[[float], str]) -> str:
    value, low, high = (text(each) for each in (interval.value, interval.low, interval.high))
    return value if low == high else f"{value} ({low} to {high})"


def _percent(value: float) -> str:
    return f"{value:.1f} %"


def _hours(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else f"{value:.4f}"


def _money(value: float) -> str:
    return f"{value:,.2f}" if value >= 1 else f"{value:.3g}"
