"""From the rows of a sample to what the report says of each codec."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilepress.jobs.estimation.costs import memory_bytes, payback, scratch_bytes
from tilepress.jobs.estimation.measuring import CodecAsked
from tilepress.jobs.estimation.overhead import archive_bytes, shard_bytes
from tilepress.jobs.estimation.population import Population, Unit
from tilepress.jobs.estimation.projection import Draw, Interval, Sampled, project
from tilepress.jobs.estimation.report import CodecEstimate, KindEstimate
from tilepress.jobs.estimation.strata import Stratum

Rows = Mapping[int, Mapping[str, Any]]  # of one codec, by the place of the unit in the order of all
_KINDS = {"jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "png": "PNG", "tif": "TIFF", "tiff": "TIFF"}
_OTHER = "other"
_HOUR = 3600.0


@dataclass(frozen=True)
class Basis:
    """What was listed and drawn. `order`: (number of the stratum, unit) of all that could be measured.

    `workers` shards at a time, of `asked_shard` bytes if that was said; `prices` of a terabyte a month and a core-hour.
    """

    population: Population
    strata: Sequence[Stratum]
    order: Sequence[tuple[int, Unit]]
    workers: int
    remote: bool
    asked_shard: int | None = None
    prices: tuple[float, float] | None = None

    def codec(self, asked: CodecAsked, rows: Rows) -> CodecEstimate:
        """Return the projection of a codec from its rows, which are those of a beginning of the order."""
        kinds = self._kinds(rows)
        sizes = self._sampled(rows, kinds, "archive_bytes")
        work = self._sampled(rows, kinds, "cpu_s")
        archive = _sizes(sizes)
        archive = archive.plus(self._besides(archive.value) + asked.model_bytes)
        core_hours = project(work).scaled(1 / _HOUR)
        hours = project(self._sampled(rows, kinds, "wall_s")).scaled(1 / _HOUR / self.workers)
        largest_shard = max(shard_bytes(self.population.bytes, self.asked_shard), self.population.largest)
        largest_shard = min(largest_shard, self.population.bytes)
        seconds = sum(row["cpu_s"] for row in rows.values())
        return CodecEstimate(
            asked.label,
            archive,
            self._saved(archive),
            core_hours,
            hours,
            self.workers,
            memory_bytes(self.workers, largest_shard),
            scratch_bytes(self.workers, largest_shard, self.population.largest, remote=self.remote),
            sum(row["pixels"] for row in rows.values()) / seconds if seconds else 0.0,
            [self._kind(kind, rows, kinds, sizes, work) for kind in sorted(set(kinds), key=_by_place)],
            payback(self.population.bytes, archive, core_hours, *self.prices) if self.prices else None,
        )

    def files(self, rows: Rows) -> Interval:
        """Return the bytes of payloads and rows of all files with content, by the rows of a codec."""
        return _sizes(self._sampled(rows, self._kinds(rows), "archive_bytes"))

    def _kind(
        self, kind: str, rows: Rows, kinds: Sequence[str], sizes: Sequence[Sampled], work: Sequence[Sampled]
    ) -> KindEstimate:
        mine = [number for number, each in enumerate(kinds) if each == kind]
        measured = sum(row["files"] for number, row in rows.items() if self.order[number][0] in mine)
        of: Callable[[Sampled], bool] = lambda stratum: stratum.kind == kind  # noqa: E731 - used twice, below
        return KindEstimate(
            kind,
            sum(self.strata[number].files for number in mine),
            sum(self.strata[number].bytes for number in mine),
            measured,
            _sizes(sizes, of),
            project(work, of).scaled(1 / _HOUR),
        )

    def _besides(self, payload: float) -> int:
        return archive_bytes(self.population.bytes, payload, self.population.empty, self.asked_shard)

    def _saved(self, archive: Interval) -> Interval:
        if not self.population.bytes:
            return Interval(0.0, 0.0, 0.0)
        shares = (100 * (1 - each / self.population.bytes) for each in (archive.value, archive.high, archive.low))
        return Interval(*shares)

    def _kinds(self, rows: Rows) -> list[str]:
        """The kind of each stratum: the format of most of what was read of its ending, else what the ending means."""
        read: dict[str, Counter[str]] = defaultdict(Counter)
        for number, row in rows.items():
            format_ = row["format"].upper()
            kind = format_ if format_ in _KINDS.values() else _OTHER
            read[self.strata[self.order[number][0]].ending][kind] += row["source_bytes"]
        said = {ending: kinds.most_common(1)[0][0] for ending, kinds in read.items()}
        return [said.get(each.ending, _KINDS.get(each.ending, _OTHER)) for each in self.strata]

    def _sampled(self, rows: Rows, kinds: Sequence[str], value: str) -> list[Sampled]:
        """The strata with what was measured of their units."""
        measured: list[list[int]] = [[] for _ in self.strata]
        for number in sorted(rows):
            measured[self.order[number][0]].append(number)
        found = []
        for stratum, kind, numbers in zip(self.strata, kinds, measured, strict=True):
            below = stratum.threshold(len(numbers))
            draws = (self._draw(number, below, rows[number][value]) for number in numbers)
            found.append(Sampled(kind, stratum.bytes, tuple(draws)))
        return found

    def _draw(self, number: int, below: float, value: float) -> Draw:
        nbytes = self.order[number][1].bytes
        return Draw(nbytes, min(1.0, nbytes * below), value)


def _sizes(sizes: Sequence[Sampled], of: Callable[[Sampled], bool] | None = None) -> Interval:
    """Files become no larger than they are, but for the rows of small ones."""
    most = max((draw.value / draw.bytes for stratum in sizes for draw in stratum.draws), default=1.0)
    return project(sizes, of, max(1.0, most))


def _by_place(kind: str) -> tuple[bool, str]:
    return kind == _OTHER, kind
