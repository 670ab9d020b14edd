"""The page of an estimate: what each codec saves and takes, by kind of file, what was sampled, and how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import tilepress
from tilepress.codecs.registry import QUICK
from tilepress.jobs.estimation.asking import EstimateConfig
from tilepress.jobs.estimation.projection import Interval
from tilepress.jobs.estimation.report import CodecEstimate, EstimateReport
from tilepress.jobs.pages.numbers import Kind, Value, shown
from tilepress.jobs.pages.page import Page
from tilepress.jobs.pages.render import render
from tilepress.jobs.pages.sections import Bar, Bars, Column, Figure, Figures, Notes, Section, Table

_READ_THIS = (
    "Files of the sample were compressed, decoded and compared here by the stages of compress. Their figures, in "
    "proportion to bytes, make those of the collection; the true one lies within the brackets 19 times in 20.",
    "Core-hours are seconds of processors like this one. Hours are those of so many shards at a time on processors "
    "that do nothing else: reading is part of them, waiting for a busy processor is not.",
    "Files that repeat others are stored once, which is not subtracted.",
)


def page(config: EstimateConfig, report: EstimateReport) -> bytes:
    """Return the page as one HTML file."""
    made = Page(
        title=report.source,
        kicker="tilepress estimate",
        subtitle=f"{report.files:,} files, {shown(report.bytes, 'bytes')}: what compressing them would save and take",
        command=_command(config, "estimate"),
        facts=[("tilepress", tilepress.__version__)],
        sections=list(_sections(config, report)),
    )
    return render(made)


def _sections(config: EstimateConfig, report: EstimateReport) -> Iterator[Section]:
    best = min(report.codecs, key=lambda codec: codec.archive_bytes.value)
    yield Figures(title="At a glance", figures=list(_figures(report, best)))
    yield _sizes(report)
    yield _codecs(report)
    yield from _payback(report)
    yield _kinds(report)
    yield _sample(report)
    few = [f"{name}: too little was measured for the brackets to hold 19 times in 20." for name in report.uncertain]
    yield Notes(title="How to read this", paragraphs=[*_READ_THIS, *few])
    yield _commands(config, report)


def _figures(report: EstimateReport, best: CodecEstimate) -> Iterator[Figure]:
    note = f"{best.codec}: {_range(best.archive_bytes, 'bytes')}"
    yield Figure("now", report.bytes, "bytes", note=f"{report.files:,} files")
    yield Figure("archive, at the smallest", best.archive_bytes.value, "bytes", note=note)
    percent = best.saved_percent.scaled(0.01)
    yield Figure("saved", percent.value, "percent", note=_range(percent, "percent"))
    hours = f"{_range(best.core_hours, 'number')} core-hours"
    yield Figure("core-hours", best.core_hours.value, "number", note=hours)
    if not report.listed_all:
        note = "everything else is beyond this page"
        yield Figure("not all was listed: files so far", report.files, "count", tone="warn", note=note)


def _sizes(report: EstimateReport) -> Section:
    bars = [Bar("now", report.bytes)]
    for codec in report.codecs:
        size = codec.archive_bytes
        bars.append(Bar(codec.codec, size.value, note=_range(size, "bytes"), within=(size.low, size.high)))
    return Bars(
        title="Size by codec",
        lead="The dark line shows between what the size lies, 19 times in 20.",
        bars=bars,
        kind="bytes",
    )


def _codecs(report: EstimateReport) -> Section:
    columns = [
        *(Column("codec"), Column("archive", "bytes"), Column("19 times in 20 within"), Column("saved", "percent")),
        *(Column("saved within"), Column("megapixels a second, a core", "number")),
        *(Column("core-hours", "number"), Column("core-hours within")),
        *(Column(f"hours at -j {report.codecs[0].workers}", "number"), Column("hours within")),
        *(Column("memory", "bytes"), Column("scratch disk", "bytes")),
    ]
    rows: list[Sequence[Value]] = []
    for codec in report.codecs:
        saved = codec.saved_percent.scaled(0.01)
        rows.append(
            [
                *(codec.codec, codec.archive_bytes.value, _range(codec.archive_bytes, "bytes")),
                *(saved.value, _range(saved, "percent"), codec.pixels_per_second / 1e6 or None),
                *(codec.core_hours.value, _range(codec.core_hours, "number")),
                *(codec.hours.value, _range(codec.hours, "number")),
                *(codec.memory_bytes, codec.scratch_bytes),
            ]
        )
    return Table(title="By codec", columns=columns, rows=rows)


def _payback(report: EstimateReport) -> Iterator[Section]:
    paid = [(codec.codec, codec.payback) for codec in report.codecs if codec.payback is not None]
    if not paid:
        return
    columns = [
        *(Column("codec"), Column("compressing costs", "number"), Column("within"), Column("saved a month", "number")),
        *(Column("within"), Column("paid for in month", "count"), Column("at the latest", "count")),
    ]
    rows: list[Sequence[Value]] = []
    for name, each in paid:
        cost, saved = each.compressing, each.saved_a_month
        ranges = _range(cost, "number"), _range(saved, "number")
        months = each.month or "never", each.latest_month or "never"
        rows.append([name, cost.value, ranges[0], saved.value, ranges[1], *months])
    lead = "In the currency of the prices; the latest month is that at the wrong ends of the ranges."
    yield Table(title="When it pays for itself", lead=lead, columns=columns, rows=rows)


def _kinds(report: EstimateReport) -> Section:
    heads: tuple[tuple[str, Kind], ...] = (
        *(("codec", "text"), ("kind", "text"), ("files", "count"), ("now", "bytes"), ("measured files", "count")),
        *(("archive", "bytes"), ("within", "text"), ("core-hours", "number"), ("core-hours within", "text")),
    )
    rows: list[Sequence[Value]] = []
    for codec in report.codecs:
        for each in codec.kinds:
            size, work = each.archive_bytes, each.core_hours
            ranges = _range(size, "bytes"), _range(work, "number")
            facts = (codec.codec, each.kind, each.files, each.bytes, each.sampled_files)
            rows.append([*facts, size.value, ranges[0], work.value, ranges[1]])
    return Table(title="By kind of file", columns=[Column(*head) for head in heads], rows=rows)


def _sample(report: EstimateReport) -> Section:
    rows: list[Sequence[Value]] = [
        ("files listed", f"{report.files:,}{'' if report.listed_all else ', and then the time for listing was over'}"),
        ("bytes listed", shown(report.bytes, "bytes")),
        ("of the files: links, folders, and files without content", f"{report.empty:,}"),
        ("files measured", f"{report.sampled_files:,}, in {report.sampled_units:,} units"),
        ("bytes measured", shown(report.sampled_bytes, "bytes")),
        ("bytes of kinds and sizes of which none was measured", shown(report.unseen_bytes, "bytes")),
        ("measured files that do not decode or could not be read", f"{report.damaged_files:,}"),
        ("bytes that repeat other files, by their ETags", shown(report.repeated_bytes, "bytes")),
        ("seconds of listing", f"{report.listing_seconds:.1f}"),
        (
            "what took longest",
            f"{report.slowest_file} ({report.slowest_seconds:.1f} s)" if report.slowest_file else "–",
        ),
    ]
    rows += [(f"not read: {name}", reason) for name, reason in report.unreadable[:20]]
    return Table(title="What was sampled", columns=[Column("what"), Column("how much")], rows=rows)


def _commands(config: EstimateConfig, report: EstimateReport) -> Section:
    rows: list[Sequence[Value]] = [("estimate again", _command(config, "estimate"))]
    for each in report.codecs:
        codec = next(name for name in config.shown_codecs if each.codec == name or each.codec.startswith(f"{name} ("))
        options = [] if codec == "auto" else ["--codec", codec]
        rows.append((f"compress with {each.codec}", _command(config, "compress", "ARCHIVE", *options)))
    return Table(title="Commands", columns=[Column("for"), Column("command")], rows=rows)


def _command(config: EstimateConfig, verb: str, *more: str) -> str:
    """What a person would type; arguments are quoted for a shell."""
    said = {
        "quality": config.quality,
        "effort": config.effort,
        "max-error": config.max_error,
        "residual": None if config.residual == QUICK else config.residual,
    }
    words = ["tilepress", verb, config.source, *more]
    words += [word for codec in config.codecs if verb == "estimate" for word in ("--codec", codec)]
    words += [word for name, value in said.items() if value is not None for word in (f"--{name}", str(value))]
    words += [] if config.fidelity == "pixels" else ["--fidelity", config.fidelity]
    words += [word for glob in config.include for word in ("--include", glob)]
    words += [word for glob in config.exclude for word in ("--exclude", glob)]
    return shlex.join(words)


def _range(interval: Interval, kind: Kind) -> str:
    return " to ".join(shown(value, kind) for value in (interval.low, interval.high))
