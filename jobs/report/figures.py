"""The figures of an archive, counted from its index in one pass; memory does not grow with the number of images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tilepress.jobs.archives.listing import comes_back
from tilepress.jobs.pages.spread import Spread
from tilepress.jobs.report.selected import Foremost, Sample
from tilepress.pipeline.archive.schema import DAMAGED, LIMIT, NO_FILES, UNSUPPORTED
from tilepress.pipeline.archive.summary import method_key
from tilepress.pipeline.reading.image import Entry

LISTED = 100  # images in each list of the page
SAMPLED = 20_000  # images in the file that the page carries
QUARANTINED = 500  # files in the list of those that are not held by their pixels
_NAMES = 500  # that one breakdown tells apart
_DEPTHS = (1, 2, 3)  # of folders
_NO_PIXELS = frozenset({UNSUPPORTED, LIMIT, DAMAGED})
REST = "(others)"


@dataclass
class Tally:
    """How many files there are of something, their bytes, and those that hold them."""

    files: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass
class Breakdown:
    """Tallies by name. Of very many names the first ones are told apart."""

    tallies: dict[str, Tally] = field(default_factory=dict)

    def add(self, name: str, bytes_in: int, bytes_out: int) -> None:
        """Count one file."""
        if name not in self.tallies and len(self.tallies) >= _NAMES:
            name = REST
        tally = self.tallies.setdefault(name, Tally())
        tally.files += 1
        tally.bytes_in += bytes_in
        tally.bytes_out += bytes_out

    def largest(self) -> list[tuple[str, Tally]]:
        """Return names and tallies, most bytes first."""
        return sorted(self.tallies.items(), key=lambda item: (-item[1].bytes_in, item[0]))


class ImageLine(NamedTuple):
    """What lists, and the file of all images, tell of one."""

    path: str
    source_bytes: int
    stored_bytes: int
    saved: float | None  # of the file's bytes, 0 to 1
    bits_per_pixel: float | None  # stored
    width: int | None
    height: int | None
    format: str
    held_as: str
    run: int


@dataclass
class ArchiveFigures:
    """All that the page tells of the images, with the few of them that it shows."""

    thumbnails: int
    all: Tally = field(default_factory=Tally)
    images: int = 0  # files with pixels that tilepress reads
    pixels: int = 0
    image_bytes: int = 0  # that hold these files
    empty: int = 0  # files of no bytes
    gone: int = 0
    kinds: Breakdown = field(default_factory=Breakdown)
    codecs: Breakdown = field(default_factory=Breakdown)
    formats: Breakdown = field(default_factory=Breakdown)
    runs: Breakdown = field(default_factory=Breakdown)
    depths: tuple[Breakdown, ...] = field(default_factory=lambda: tuple(Breakdown() for _ in _DEPTHS))
    comes_back: Counter[str] = field(default_factory=Counter)
    sizes: Spread = field(default_factory=Spread)
    pixels_each: Spread = field(default_factory=Spread)
    bits_per_pixel: Spread = field(default_factory=Spread)
    saved: Spread = field(default_factory=Spread)
    largest: Foremost[ImageLine] = field(default_factory=lambda: Foremost(LISTED))
    least_saved: Foremost[ImageLine] = field(default_factory=lambda: Foremost(LISTED))
    most_saved: Foremost[ImageLine] = field(default_factory=lambda: Foremost(LISTED))
    lines: Sample[ImageLine] = field(default_factory=lambda: Sample(SAMPLED))
    shown: Sample[Entry] = field(init=False)

    def __post_init__(self) -> None:
        self.shown = Sample(self.thumbnails)

    def add(self, entry: Entry, *, again: bool) -> None:
        """Count an image; `again`: the bytes that hold its content were counted with another one."""
        line = _line(entry, again=again)
        self._break_down(entry, line)
        self.gone += entry.gone
        self.largest.offer(line.source_bytes, line)
        self.lines.offer(line.path, line)
        if entry.index_row.facts.method in NO_FILES:
            return
        if line.source_bytes:
            self.sizes.add(line.source_bytes)
        else:
            self.empty += 1
        self._measure(line, again=again)
        if has_pixels(entry):
            self.images += 1
            pixels = (line.width or 0) * (line.height or 0)
            self.pixels += pixels
            self.image_bytes += line.stored_bytes
            self.pixels_each.add(pixels)
            self.shown.offer(line.path, entry)

    def _break_down(self, entry: Entry, line: ImageLine) -> None:
        facts, sizes = entry.index_row.facts, (line.source_bytes, line.stored_bytes)
        self.all.files += 1
        self.all.bytes_in += line.source_bytes
        self.all.bytes_out += line.stored_bytes
        self.kinds.add(line.held_as, *sizes)
        self.codecs.add(entry.codec, *sizes)
        self.formats.add(line.format or "other files", *sizes)
        self.runs.add(str(line.run), *sizes)
        self.comes_back[comes_back(facts.method, facts.fidelity)] += 1
        folders = line.path.split("/")[:-1]
        for depth, breakdown in zip(_DEPTHS, self.depths, strict=True):
            breakdown.add("/".join(folders[:depth]) or ".", *sizes)

    def _measure(self, line: ImageLine, *, again: bool) -> None:
        """What an image costs and saves; one whose content another one has would say nothing of codecs."""
        if again:
            return
        if line.bits_per_pixel is not None:
            self.bits_per_pixel.add(line.bits_per_pixel)
        if line.saved is not None:
            self.saved.add(line.saved)
            self.least_saved.offer((-line.saved, line.source_bytes), line)
            self.most_saved.offer((line.saved, line.source_bytes), line)

    @property
    def folders(self) -> Breakdown:
        """The breakdown by folders of the least depth that tells some apart."""
        return next((each for each in self.depths if len(each.tallies) > 1), self.depths[0])


def has_pixels(entry: Entry) -> bool:
    """Tell whether tilepress reads the file as an image."""
    facts = entry.index_row.facts
    return bool(facts.mode) and facts.reason_code not in _NO_PIXELS and not entry.index_row.damage


def _line(entry: Entry, *, again: bool) -> ImageLine:
    row = entry.index_row
    stored = 0 if again else row.nbytes
    pixels = (row.facts.width * row.facts.height) if has_pixels(entry) else 0
    return ImageLine(
        entry.path,
        row.facts.source_bytes,
        stored,
        1 - stored / row.facts.source_bytes if row.facts.source_bytes else None,
        8 * stored / pixels if pixels and not again else None,
        entry.width,
        entry.height,
        row.facts.format,
        method_key(row),
        entry.run.number,
    )


@dataclass
class Quarantine:
    """Files that are not held by their pixels, or not at all: how many by reason, and the first of them."""

    by_reason: Counter[str] = field(default_factory=Counter)
    first: list[dict[str, Any]] = field(default_factory=list)  # as of `listing.failures`

    def add_all(self, rows: Iterable[dict[str, Any]]) -> None:
        """Count rows."""
        for row in rows:
            self.by_reason[row["reason_code"]] += 1
            if len(self.first) < QUARANTINED:
                self.first.append(row)
