"""The page about an archive: its figures as sections, each with the command that prints them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tilepress.jobs.pages.downloads import Download, csv_file
from tilepress.jobs.pages.picture_sections import Gallery
from tilepress.jobs.pages.sections import (
    Bar,
    Bars,
    Column,
    Distribution,
    Distributions,
    Downloads,
    Figure,
    Figures,
    Notes,
    Section,
    Table,
)
from tilepress.jobs.report.breakdowns import saved_of, shares_of
from tilepress.jobs.report.figures import LISTED, ImageLine
from tilepress.jobs.report.history import audits, runs

if TYPE_CHECKING:
    from tilepress.jobs.report.contents import Contents

_WORDS = {
    "jpeg": "JPEG, transcoded byte for byte",
    "file": "stored verbatim",
    "file-zstd": "stored verbatim, by Zstandard",
    "link": "symbolic links",
    "folder": "folders",
}
_COLUMNS = [
    Column("path"),
    Column("file", "bytes"),
    Column("stored", "bytes"),
    Column("saved", "percent"),
    Column("bpp", "number", help="bits stored for a pixel"),
    Column("width", "count"),
    Column("height", "count"),
    Column("format"),
    Column("held as"),
    Column("run", "count"),
]
_REASONS = {
    "damaged": "the file is damaged",
    "untrusted": "what a codec stored did not decode to the source",
    "changed": "the file changed while it was read",
    "vanished": "the file vanished",
    "unreadable": "the file could not be read",
    "left out": "not stored, as asked for",
    "incompressible": "no codec made it smaller",
    "unsupported": "no image, or of a kind that tilepress does not read",
    "limit": "beyond a limit",
    "lost": "damaged in the archive, and found nowhere else",
}
_BAD = frozenset({"damaged", "untrusted", "unreadable", "lost", "changed", "vanished"})


def sections_of(told: Contents, data: bytes) -> list[Section]:
    """Return the sections; `data`: the figures as JSON."""
    numbers = [*_overview(told), *_breakdowns(told), *_distributions(told)]
    return [
        *numbers,
        *_thumbnails(told),
        *_lists(told),
        *_quarantine(told),
        *runs(told),
        *audits(told),
        *_rest(told, data),
    ]


def _overview(told: Contents) -> Iterator[Section]:
    figures, url = told.figures, shlex.quote(told.archive)
    saved = saved_of(figures.all)
    rate = 8 * figures.image_bytes / figures.pixels if figures.pixels else None
    cells = [
        Figure("files", figures.all.files, "count", note=f"{figures.images:,} of them images"),
        Figure("before", figures.all.bytes_in, "bytes"),
        Figure("stored", figures.all.bytes_out, "bytes", note="payloads"),
        Figure("saved", saved, "percent", tone="good" if (saved or 0) > 0 else ""),
        Figure("pixels", figures.pixels / 1e6, "number", "MP"),
        Figure("for a pixel", rate, "number", "bits", note="of the images"),
    ]
    if told.disk_bytes is not None:
        cells.insert(4, Figure("on disk", told.disk_bytes, "bytes", note="models, indexes, older versions"))
    if count := told.quarantine.by_reason.total():
        command = f"tilepress errors {url}"
        cells.append(Figure("to look at", count, "count", note="not held by their pixels", command=command))
    if told.problems:
        cells.append(Figure("problems", len(told.problems), "count", tone="bad", command=f"tilepress verify {url}"))
    yield Figures(title="At a glance", figures=cells, command=f"tilepress info {url} --json")
    if told.problems:
        yield Notes(title="Problems", paragraphs=told.problems, command=f"tilepress verify {url}")


def _breakdowns(told: Contents) -> Iterator[Section]:
    figures, command = told.figures, told.command
    info = f"tilepress info {shlex.quote(told.archive)} --json"
    lead = "Bytes of the files, and of what holds them; content that several files share is counted once."
    yield shares_of("Savings by kind", "held as", figures.kinds, info, lead, _WORDS)
    for title, of, breakdown in (
        ("By codec", "codec", figures.codecs),
        ("By format", "format", figures.formats),
        ("By folder", "folder", figures.folders),
    ):
        if len(breakdown.tallies) > 1 and breakdown != figures.kinds:
            yield shares_of(title, of, breakdown, command)
    words = {"bytes": "byte for byte", "pixels": "pixel for pixel, with all metadata", "lossy": "as latents decode"}
    bars = [Bar(words.get(how, how), count) for how, count in figures.comes_back.most_common()]
    yield Bars(title="What comes back", lead="Files by how much of them is sure to come back.", bars=bars, command=info)


def _distributions(told: Contents) -> Iterator[Section]:
    figures = told.figures
    empty = f"{figures.empty:,} more are empty." if figures.empty else ""
    charts = [
        Distribution("Size of a file", figures.sizes.histogram(), "bytes", note=empty),
        Distribution("Bits stored for a pixel", figures.bits_per_pixel.histogram(log=False), "number", "bpp"),
        Distribution("Saved of a file", figures.saved.histogram(log=False), "percent"),
        Distribution("Pixels of an image", figures.pixels_each.histogram(), "number", "px"),
    ]
    there = [chart for chart in charts if chart.histogram.count]
    if there:
        yield Distributions(title="Distributions", charts=there, command=told.command)


def _thumbnails(told: Contents) -> Iterator[Section]:
    if not told.thumbnails.thumbs and not told.thumbnails.failed:
        return
    lead = f"{len(told.thumbnails.thumbs)} of {told.figures.shown.offered:,} images, by a hash of their names."
    if told.thumbnails.failed:
        path, reason = told.thumbnails.failed[0]
        lead += f" {len(told.thumbnails.failed)} could not be shown: {path}: {reason}"
    yield Gallery(title="A sample", lead=lead, thumbs=told.thumbnails.thumbs, command=told.command)


def _lists(told: Contents) -> Iterator[Section]:
    figures, url = told.figures, shlex.quote(told.archive)
    for title, lines, total in (
        ("Largest files", figures.largest, figures.all.files),
        ("Saving least", figures.least_saved, figures.saved.count),
        ("Saving most", figures.most_saved, figures.saved.count),
    ):
        rows = list(lines)
        if rows:
            command = f"tilepress ls {url} --json"
            yield Table(title=title, columns=_COLUMNS, rows=rows, most=LISTED, total=total, command=command)


def _quarantine(told: Contents) -> Iterator[Section]:
    quarantine, command = told.quarantine, f"tilepress errors {shlex.quote(told.archive)}"
    if not quarantine.by_reason:
        return
    bars = [
        Bar(code, count, _REASONS.get(code, ""), "bad" if code in _BAD else "")
        for code, count in quarantine.by_reason.most_common()
    ]
    lead = "Files that are stored as their own bytes, or not at all, by the reason."
    yield Bars(title="Not held by pixels", lead=lead, bars=bars, command=command)
    columns = [Column("path"), Column("reason"), Column("what is wrong"), Column("stored"), Column("file", "bytes")]
    rows = [
        (row["path"], row["reason_code"], row["reason"], "yes" if row["stored"] else "no", row["source_bytes"])
        for row in quarantine.first
    ]
    yield Table(
        title="Files to look at", columns=columns, rows=rows, total=quarantine.by_reason.total(), command=command
    )


def _rest(told: Contents, data: bytes) -> Iterator[Section]:
    name = told.name
    files = [_lines_file(told, f"{name}.csv"), Download(f"{name}.json", data, "application/json", "the figures")]
    yield Downloads(title="Data", lead="The page carries its data.", files=files, command=f"{told.command} --json")


def _lines_file(told: Contents, name: str) -> Download:
    lines = told.figures.lines
    rows = sorted(lines)
    note = "every file" if len(rows) == lines.offered else f"{len(rows):,} of {lines.offered:,} files, by a hash"
    return csv_file(name, ImageLine._fields, [_rounded(line) for line in rows], note)


def _rounded(line: Iterable[str | int | float | None]) -> list[str | int | float | None]:
    return [round(value, 6) if isinstance(value, float) else value for value in line]
