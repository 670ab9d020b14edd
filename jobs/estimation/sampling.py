"""The sample measured: units mapped over an engine in their order; what is measured already is taken as it is.

A unit that is not expected to end in time ends the sample of its stratum, which then lends itself the ratios of others
of its kind; units of other strata go on. Where the first units of all strata are too large, the smallest is measured:
without one there is no estimate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tilepress.jobs.estimation import folder
from tilepress.jobs.estimation.display import EstimateMeter
from tilepress.jobs.estimation.measuring import MeasureOptions, MeasureTask, find_crashing, measure_unit
from tilepress.jobs.estimation.population import Unit
from tilepress.jobs.estimation.timing import Budget
from tilepress.pipeline.engine.engine import EngineConfig, open_engine
from tilepress.pipeline.storage.base import Storage

Rows = list[dict[str, Any]]


@dataclass
class Sampler:
    """Measures a beginning of the units of each stratum.

    `order`: (number of the stratum, unit). `endings`: of the strata. `networks`: of the codecs, those that have a
    device step, by label; `alternatives`: those that nobody asked for, which the first units are measured with.
    """

    storage: Storage
    options: MeasureOptions
    order: Sequence[tuple[int, Unit]]
    endings: Sequence[str]
    budget: Budget
    meter: EstimateMeter
    networks: frozenset[str]
    alternatives: frozenset[str] = frozenset()
    resumed: int = 0  # units that an earlier command measured
    slowest: tuple[str, float] = ("", 0.0)  # the unit that took longest: its first file, and seconds
    _rows: Rows = field(default_factory=list)

    def measure(self, config: EngineConfig) -> Rows:
        """Return the rows of as many units as there is time for, or of as many as were asked for, in order."""
        engine = engine_of(config)
        on_ray = engine.kind == "ray"
        asked = (replace(each, remote=on_ray and each.label in self.networks) for each in self.options.codecs)
        options = replace(self.options, codecs=tuple(asked))
        size = sum(unit.bytes for _, unit in self.order)
        with open_engine(
            engine,
            self.storage.location,
            len(self.order),
            size,
            networks=bool(self.networks),
            on_crash=find_crashing,
        ) as opened:
            for result in opened.map_shards(measure_unit, self._unfinished(options), self.meter):
                self._rows.extend(result.rows)
                self._tell(result.rows)
        return sorted(self._rows, key=lambda row: int(row["unit"]))

    def _unfinished(self, options: MeasureOptions) -> Iterator[MeasureTask]:
        finished = {number for number in folder.finished_tasks(self.storage) if number < len(self.order)}
        without = False  # alternatives: once there was no time for them, later units go without
        for number in self._chosen(finished):
            unit = self.order[number][1]
            if number in finished:
                rows = folder.read_part(self.storage, options.seal, number, unit)
                self._rows.extend(rows)
                self.resumed += 1
                without = without or len(rows) < len(options.codecs)
            else:
                without = without or not self.budget.allows_alternatives(unit)
                codecs = tuple(each for each in options.codecs if each.label not in self.alternatives)
                yield MeasureTask(number, unit, replace(options, codecs=codecs) if without else options)

    def _chosen(self, finished: Collection[int]) -> Iterator[int]:
        """Yield units that are needed, as numbers in the order; each is chosen when the time is known that is left."""
        needed: dict[int, int] = {}  # the last unit that a stratum had begun: those before it are needed, too
        for number in finished:
            stratum = self.order[number][0]
            needed[stratum] = max(number, needed.get(stratum, -1))
        ended, begun, passed = set[int](), 0, list[int]()
        for number, (stratum, unit) in enumerate(self.order):
            if number > needed.get(stratum, -1):
                if stratum in ended:
                    continue
                if not self.budget.has_room_for(begun, unit, self.endings[stratum]):
                    ended.add(stratum)
                    passed.append(number)
                    continue
            begun += 1
            yield number
        if not begun and passed:
            smallest = min(passed, key=lambda number: self.order[number][1].bytes)
            self.meter.beyond_the_time(self.order[smallest][1].files[0].name, self.order[smallest][1].bytes)
            yield smallest

    def _tell(self, rows: Rows) -> None:
        first = rows[0]
        ending = self.endings[self.order[first["unit"]][0]]
        seconds = sum(row["wall_s"] for row in rows)
        on_alternatives = sum(row["wall_s"] for row in rows if row["codec"] in self.alternatives)
        self.budget.measured(first["source_bytes"], ending, seconds, on_alternatives)
        self.slowest = max(self.slowest, (first["file"], seconds), key=lambda each: each[1])
        self.meter.measured(first["files"], first["source_bytes"], self.budget.share)


def engine_of(config: EngineConfig) -> EngineConfig:
    """Return the engine of a sample, which is small work: this process, unless Ray or a cluster is named."""
    kind = ("ray" if config.ray_address else "local") if config.kind == "auto" else config.kind
    return replace(config, kind=kind).resolve(1, 0)
