"""The page of an audit: figures, findings with examples, the worst places beside their originals, and what drifted."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from itertools import chain

import tilepress
from tilepress.jobs.audit.asking import DEFAULT_METRICS, FINDING_KINDS, Asked
from tilepress.jobs.audit.examples import Examples
from tilepress.jobs.audit.report import AuditReport
from tilepress.jobs.audit.rows import DAMAGED
from tilepress.jobs.audit.summary import sentences
from tilepress.jobs.audit.totals import KIND, Totals
from tilepress.jobs.pages import sections as parts
from tilepress.jobs.pages.numbers import Kind, Value
from tilepress.jobs.pages.page import Page
from tilepress.jobs.pages.picture_sections import Comparison, Finding, Findings, Gallery
from tilepress.jobs.pages.render import render
from tilepress.jobs.pages.sections import Column, Distribution, Figure, Section

_NAMES: Mapping[str, tuple[str, str]] = {  # of a measure: what people call it, and its unit
    "psnr": ("PSNR", "dB"),
    "ssim": ("SSIM", ""),
    "ms_ssim": ("MS-SSIM", ""),
    "max_error": ("Maximum error", "levels"),
    "ssimulacra2": ("SSIMULACRA 2", ""),
    "bpp": ("Bits per pixel", ""),
    "misfit": ("Misfit", ""),
}
_GROUP_COLUMNS: tuple[tuple[str, str, Kind], ...] = (
    ("images", "images", "count"),
    ("bytes", "source_bytes", "bytes"),
    ("stored", "stored_bytes", "bytes"),
    ("saved", "saved", "percent"),
    ("bits per pixel", "bpp", "number"),
    ("mean PSNR, dB", "mean_psnr", "number"),
    ("least PSNR, dB", "least_psnr", "number"),
    ("mean SSIM", "mean_ssim", "number"),
    ("mean MS-SSIM", "mean_ms_ssim", "number"),
    ("mean SSIMULACRA 2", "mean_ssimulacra2", "number"),
    ("with findings", "findings", "count"),
    ("damaged", "damaged", "count"),
)


def page(request: Asked, report: AuditReport, totals: Totals, examples: Examples) -> bytes:
    """Return the page as one HTML file."""
    command = _command(request)
    made = Page(
        title=report.source,
        kicker="tilepress audit",
        subtitle=" ".join(sentences(report)),
        command=command,
        facts=[("tilepress", tilepress.__version__), *([("against", report.against)] if report.against else [])],
        sections=list(_sections(report, totals, examples, command)),
    )
    return render(made)


def _command(request: Asked) -> str:
    """What a person would type to look at the same images in the same way; arguments are quoted for a shell."""
    config, part = request.config, request.slice
    options = [("--against", config.against)] if config.against else []
    options += [("--metrics", ",".join(config.metrics))] if set(config.metrics) != set(DEFAULT_METRICS) else []
    options += [("--group-by", each) for each in config.group_by]
    options += [("--include", each) for each in config.include] + [("--exclude", each) for each in config.exclude]
    options += [("--slice", f"{part[0]}/{part[1]}")] if part else []
    if config.sample is not None:
        options.append(("--sample", f"{config.sample:.0f}" if config.sample >= 1 else f"{100 * config.sample:.12g}%"))
    options += [("--fail-under", each) for each in config.fail_under]
    options += [("--fail-over", each) for each in config.fail_over]
    options += [("--since", config.since)] if config.since else []
    return shlex.join(["tilepress", "audit", config.source, *chain.from_iterable(options)])


def _sections(report: AuditReport, totals: Totals, examples: Examples, command: str) -> Iterator[Section]:
    yield parts.Figures(title="At a glance", figures=list(_figures(report)), command=command)
    yield from _to_look_at(report, command)
    yield Findings(title="Findings", findings=list(_findings(report, examples)), command=command)
    if compared := examples.comparisons(report.worst):
        lead = "The tiles that decoding changed most, the worst first: original and decoded."
        yield Comparison(title="Worst places", lead=lead, images=compared, command=command)
    elif tiles := examples.tiles(report.worst):
        lead = "The tiles with the least PSNR, as it was measured when they were encoded."
        yield Gallery(title="Worst places", lead=lead, thumbs=tiles, command=command)
    yield parts.Distributions(title="Distributions", charts=list(_charts(totals)), command=command)
    yield from _groups(report, command)
    yield from _drift(report, command)


def _to_look_at(report: AuditReport, command: str) -> Iterator[Section]:
    if report.notes:
        yield parts.Notes(title="Of the archive itself", paragraphs=report.notes, command=command)
    if report.missed:
        rows = [(each.limit, each.value, each.path, each.why) for each in report.missed]
        columns = [Column("threshold"), Column("value", "number"), Column("image"), Column("why")]
        yield parts.Table(title="Thresholds missed", columns=columns, rows=rows, command=command)
    if report.problems or report.quarantined:
        lead = ", ".join(f"{count:,} {code}" for code, count in report.quarantined.items())
        yield parts.Table(
            title="To look at",
            lead=f"Quarantined: {lead}." if lead else "",
            columns=[Column("image"), Column("what is wrong")],
            rows=report.problems,
            command=command,
        )


def _figures(report: AuditReport) -> Iterator[Figure]:
    yield Figure("images", report.images, "count", note=f"of {report.files:,} files")
    damaged = report.outcomes[DAMAGED]
    yield Figure("damaged", damaged, "count", tone="bad" if damaged else "good")
    if report.archive or report.against:
        yield Figure("came back exactly", report.equal, "count")
    if report.archive:
        yield Figure("saved", report.saved, "percent", note="of the bytes of the files")
    yield Figure("quarantined", report.counts["quarantined"], "count", tone="warn" if report.quarantined else "")
    if psnr := report.figures.get("psnr"):
        yield Figure("least PSNR", psnr["least"], "number", "dB", note=psnr["least_of"])
    yield Figure("with findings", report.counts["findings"], "count")


def _findings(report: AuditReport, examples: Examples) -> Iterator[Finding]:
    for kind, count in report.findings.most_common():
        text = FINDING_KINDS.get(kind, "").partition(" [")[0] + "."
        yield Finding(kind, text.replace("..", "."), count, thumbs=examples.thumbs(kind))


def _charts(totals: Totals) -> Iterator[Distribution]:
    for name, measure in totals.spreads.items():
        if measure.count and measure.values.least < measure.values.greatest:
            title, unit = _NAMES[name]
            yield Distribution(title, measure.values.histogram(), "number", unit, note=f"{measure.count:,} images")


def _groups(report: AuditReport, command: str) -> Iterator[Section]:
    for grouping in dict.fromkeys(each["grouping"] for each in report.groups):
        groups = [each for each in report.groups if each["grouping"] == grouping]
        shown = [column for column in _GROUP_COLUMNS if any(each.get(column[1]) is not None for each in groups)]
        rows: list[list[Value]] = [[each["group"], *(each.get(key) for _, key, _ in shown)] for each in groups]
        first = Column("how it is held" if grouping == KIND else grouping)
        columns = [first, *(Column(name, kind) for name, _, kind in shown)]
        yield parts.Table(title=f"By {grouping}", columns=columns, rows=rows, command=command)


def _drift(report: AuditReport, command: str) -> Iterator[Section]:
    if report.drift is None:
        return
    changes = ", ".join(f"{count:,} {change}" for change, count in report.drift.changes.most_common())
    lead = f"{report.drift.unchanged:,} images unchanged{f'; {changes}' if changes else ''}."
    columns = [Column(name) for name in ("image", "change", "before", "after")]
    rows = [(each["path"], each["change"], each["before"], each["after"]) for each in report.drift.named]
    yield parts.Table(
        title=f"Since {report.drift.since}",
        lead=lead,
        columns=columns,
        rows=rows,
        total=report.drift.changes.total(),
        command=command,
    )
