"""What the page about an archive tells: read from its indexes once, with a few previews."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

from tilepress.jobs.archives.listing import described, failures, left_out
from tilepress.jobs.cli.progress import LiveDisplay, counted
from tilepress.jobs.pages.spread import QUANTILES, Spread
from tilepress.jobs.report.figures import ArchiveFigures, Breakdown, Quarantine
from tilepress.jobs.report.thumbnails import Thumbnails, make_thumbnails
from tilepress.pipeline.archive.audits import AuditRecord, last_audits, overdue, records, today
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.contents import Key
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.references import shared_contents
from tilepress.pipeline.storage.globs import Selection

_NAMED = 20  # files, of those whose rows make no sense


@dataclass
class Contents:
    """Figures, runs, files to look at, thumbnails."""

    archive: str  # its place, as it was given
    name: str  # the last part of that
    command: str  # that makes the page again
    figures: ArchiveFigures
    archive_id: str = ""
    format: str = ""
    disk_bytes: int | None = None  # None where only some images are told of
    runs: list[dict[str, Any]] = field(default_factory=list)  # as of `listing.described`
    quarantine: Quarantine = field(default_factory=Quarantine)
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    audits: list[AuditRecord] = field(default_factory=list)  # that the archive remembers, the newest first
    overdue: list[int] = field(default_factory=list)  # slices of the newest rotation that should have been looked at
    problems: list[str] = field(default_factory=list)
    damaged: bool = False

    def plain(self) -> dict[str, Any]:
        """Return the figures as plain values, for JSON."""
        figures = self.figures
        breakdowns = ("kinds", "codecs", "formats", "folders", "runs")
        spreads = ("sizes", "pixels_each", "bits_per_pixel", "saved")
        return {
            **asdict(figures.all),
            **{name: getattr(figures, name) for name in ("images", "pixels", "gone")},
            "disk_bytes": self.disk_bytes,
            "comes_back": dict(figures.comes_back),
            **{name: _plain_breakdown(getattr(figures, name)) for name in breakdowns},
            "quantiles": {name: _plain_spread(getattr(figures, name)) for name in spreads},
            "to_look_at": dict(self.quarantine.by_reason),
            "planned": self.runs,
            "audits": [asdict(each) for each in self.audits],
            "overdue": self.overdue,
        }


def _plain_breakdown(breakdown: Breakdown) -> dict[str, dict[str, int]]:
    return {name: asdict(tally) for name, tally in breakdown.largest()}


def _plain_spread(spread: Spread) -> dict[str, float]:
    pairs = zip(QUANTILES, spread.quantiles(), strict=True)
    return {f"{share:g}": value for share, value in pairs} if spread.count else {}


def read_contents(archive: Archive, told: Contents, selection: Selection | None, *, quiet: bool) -> None:
    """Fill what is to be told of an archive; `selection`: only of these images, all of them without one."""

    def chosen(path: str) -> bool:
        return selection is None or path in selection

    nonsense = list[str]()
    with ReportMeter(sum(view.index.rows for view in archive.runs), quiet=quiet) as meter:
        for entry, again in _entries(archive):
            if chosen(entry.path):
                told.figures.add(entry, again=again)
                if entry.index_row.damage:
                    named = len(nonsense) < _NAMED  # of the others, their number
                    nonsense.append(f"{entry.path}: {entry.index_row.damage}" if named else "")
            meter.advance()
        rows = chain(failures(archive), left_out(archive))
        told.quarantine.add_all(row for row in rows if chosen(row["path"]))
        for made in make_thumbnails(told.figures.shown):
            told.thumbnails = made
            meter.show_thumbnails(len(made.thumbs))
    told.runs = [described(archive, view) for view in archive.runs]
    told.archive_id, told.format = (str(archive.identity.get(name, "")) for name in ("archive_id", "format"))
    told.problems, told.damaged = archive.problems + _first(nonsense), bool(archive.damage or nonsense)
    told.audits = sorted(records(archive.storage), key=lambda each: (each.day, each.part), reverse=True)
    if told.audits:
        told.overdue = overdue(last_audits(archive.storage), told.audits[0].parts, today())
    told.disk_bytes = sum(file.size for file in archive.storage.list()) if selection is None else None


def _first(nonsense: list[str]) -> list[str]:
    """What is said of rows of the index that make no sense: of the first ones, and how many more there are."""
    more = len(nonsense) - _NAMED
    return nonsense[:_NAMED] + ([f"{counted(more, 'more file')} whose facts make no sense"] if more > 0 else [])


def _entries(archive: Archive) -> Iterator[tuple[Entry, bool]]:
    """Entries in path order, and whether the bytes of their content were met before."""
    shared, met = shared_contents(archive), set[Key]()
    for entry in archive.entries():
        key = (entry.run.number, entry.index_row.facts.image)
        yield entry, key in met
        met |= {key} & shared


class ReportMeter(LiveDisplay):
    """How many rows of the indexes are read, and how many thumbnails made."""

    def __init__(self, rows: int, *, quiet: bool) -> None:
        super().__init__("report", quiet=quiet)
        self._rows, self._done, self._thumbnails = rows, 0, 0

    def advance(self) -> None:
        """One more row is counted."""
        self._done += 1
        if self._done % 256 == 0:
            self._show(self._done / max(1, self._rows))

    def show_thumbnails(self, made: int) -> None:
        """So many thumbnails are made."""
        self._thumbnails = made
        self._show(1.0)

    def _facts(self) -> Sequence[str]:
        told = [counted(self._done, "file")]
        return [*told, counted(self._thumbnails, "thumbnail")] if self._thumbnails else told

    def _figures(self) -> dict[str, Any]:
        return {"files": self._done, "thumbnails": self._thumbnails}
