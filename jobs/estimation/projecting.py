"""From the rows of a sample to what the report says of each codec."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilepress.jobs.estimation.costs import memory_bytes, payback, scratch_bytes
from tilepress.jobs.estimation.measuring import CodecAsked
from tilepress.jobs.estimation.overhead import ERROR, archive_bytes, shard_bytes
from tilepress.jobs.estimation.population import Population, Unit
from tilepress.jobs.estimation.projection import Draw, Interval, Sampled, project
from tilepress.jobs.estimation.report import CodecEstimate, KindEstimate
from tilepress.jobs.estimation.strata import Stratum

Rows = Mapping[int, Mapping[str, Any]]  # of one codec, by the place of the unit in the order of all
_KINDS = {"jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "png": "PNG", "tif": "TIFF", "tiff": "TIFF"}
_OTHER = "other"
_HOUR = 3600.0
_CLOCK = 0.1  # of seconds, by which those of the same work differ from one time to the next


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
        measured = _Measured.of(self, rows)
        archive = measured.archive_bytes()
        besides = self._besides(archive.value)
        archive = archive.plus(besides + asked.model_bytes, ERROR * besides)
        core_hours = measured.hours("cpu_s")
        hours = measured.hours("own_s").scaled(1 / self.workers)
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
            [self._kind(kind, measured) for kind in sorted(set(measured.kinds), key=_by_place)],
            len(rows),
            payback(self.population.bytes, archive, core_hours, *self.prices) if self.prices else None,
        )

    def files(self, rows: Rows) -> Interval:
        """Return the bytes of payloads and rows of all files with content, as far as drawing a sample leaves open."""
        return _sizes(_Measured.of(self, rows).sampled("archive_bytes"))

    def _kind(self, kind: str, measured: _Measured) -> KindEstimate:
        mine = [number for number, each in enumerate(measured.kinds) if each == kind]
        return KindEstimate(
            kind,
            sum(self.strata[number].files for number in mine),
            sum(self.strata[number].bytes for number in mine),
            sum(row["files"] for number, row in measured.rows.items() if self.order[number][0] in mine),
            measured.archive_bytes(kind),
            measured.hours("cpu_s", kind),
        )

    def _besides(self, payload: float) -> int:
        return archive_bytes(self.population.bytes, payload, self.population.empty, self.asked_shard)

    def _saved(self, archive: Interval) -> Interval:
        if not self.population.bytes:
            return Interval(0.0, 0.0, 0.0)
        shares = (100 * (1 - each / self.population.bytes) for each in (archive.value, archive.high, archive.low))
        return Interval(*shares)

    def kinds(self, rows: Rows) -> list[str]:
        """Return the kind of each stratum: the format of most bytes read of its ending, else what the ending means."""
        read: dict[str, Counter[str]] = defaultdict(Counter)
        for number, row in rows.items():
            format_ = row["format"].upper()
            kind = format_ if format_ in _KINDS.values() else _OTHER
            read[self.strata[self.order[number][0]].ending][kind] += row["source_bytes"]
        said = {ending: kinds.most_common(1)[0][0] for ending, kinds in read.items()}
        return [said.get(each.ending, _KINDS.get(each.ending, _OTHER)) for each in self.strata]

    def sampled(self, rows: Rows, kinds: Sequence[str], value: str) -> list[Sampled]:
        """Return the strata with what was measured of their units."""
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


@dataclass(frozen=True)
class _Measured:
    """The rows of a codec with the kinds of the strata by them."""

    basis: Basis
    rows: Rows
    kinds: Sequence[str]

    @classmethod
    def of(cls, basis: Basis, rows: Rows) -> _Measured:
        return cls(basis, rows, basis.kinds(rows))

    def sampled(self, value: str) -> list[Sampled]:
        """Return the strata with one value of their rows."""
        return self.basis.sampled(self.rows, self.kinds, value)

    def archive_bytes(self, kind: str | None = None) -> Interval:
        """Return payloads and rows of files of a kind, or of all.

        Beside what drawing a sample leaves open, the constants of `overhead` err, and stacks of the archive are fuller
        than those of units, up to full: by how much is open, but less where little of the files was not measured.
        """
        of = _of_kind(kind)
        found = _sizes(self.sampled("archive_bytes"), of)
        stacks = project(self.sampled("stack_bytes"), of).value
        rows = max(0.0, found.value - project(self.sampled("payload_bytes"), of).value)
        fuller = stacks / 2 * self._unmeasured(of)
        return found.reaching(stacks - fuller + ERROR * rows, fuller + ERROR * rows).moved(-fuller)

    def _unmeasured(self, of: Callable[[Sampled], bool] | None) -> float:
        """The share of bytes that was not measured."""
        strata = [each for each in self.sampled("source_bytes") if of is None or of(each)]
        measured = sum(draw.bytes for each in strata for draw in each.draws)
        return 1 - measured / max(1, sum(each.bytes for each in strata))

    def hours(self, seconds: str, kind: str | None = None) -> Interval:
        """Return hours of the files of a kind, or of all."""
        return project(self.sampled(seconds), _of_kind(kind)).erring(_CLOCK).scaled(1 / _HOUR)


def _of_kind(kind: str | None) -> Callable[[Sampled], bool] | None:
    return None if kind is None else lambda stratum: stratum.kind == kind


def _sizes(sizes: Sequence[Sampled], of: Callable[[Sampled], bool] | None = None) -> Interval:
    """Files become no larger than they are, but for the rows of small ones."""
    most = max((draw.value / draw.bytes for stratum in sizes for draw in stratum.draws), default=1.0)
    return project(sizes, of, max(1.0, most))


def _by_place(kind: str) -> tuple[bool, str]:
    return kind == _OTHER, kind
