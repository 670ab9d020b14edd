"""The sample measured: units mapped over an engine in their order; what is measured already is taken as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """Measures a beginning of an order of units. `networks`: of the codecs, those that have a device step, by label."""

    storage: Storage
    options: MeasureOptions
    units: Sequence[Unit]
    budget: Budget
    meter: EstimateMeter
    networks: frozenset[str]
    resumed: int = 0  # units that an earlier command measured
    _rows: Rows = field(default_factory=list)

    def measure(self, config: EngineConfig) -> Rows:
        """Return the rows of as many units as there is time for, or of as many as were asked for, in order."""
        engine = engine_of(config)
        on_ray = engine.kind == "ray"
        asked = (replace(each, remote=on_ray and each.label in self.networks) for each in self.options.codecs)
        options = replace(self.options, codecs=tuple(asked))
        size = sum(unit.bytes for unit in self.units)
        with open_engine(
            engine,
            self.storage.location,
            len(self.units),
            size,
            networks=bool(self.networks),
            on_crash=find_crashing,
        ) as opened:
            for result in opened.map_shards(measure_unit, self._unfinished(options), self.meter):
                self._rows.extend(result.rows)
                self._tell(result.rows)
        return sorted(self._rows, key=lambda row: int(row["unit"]))

    def _unfinished(self, options: MeasureOptions) -> Iterator[MeasureTask]:
        finished = folder.finished_tasks(self.storage)
        last = max(finished, default=-1)  # what lies before it was begun, and is needed
        for number, unit in enumerate(self.units):
            if number > last and not self.budget.has_room_for(number, unit.bytes):
                return
            if number in finished:
                self._rows.extend(folder.read_part(self.storage, options.seal, number, unit))
                self.resumed += 1
            else:
                yield MeasureTask(number, unit, options)

    def _tell(self, rows: Rows) -> None:
        first = rows[0]
        self.budget.measured(first["source_bytes"], sum(row["wall_s"] for row in rows))
        self.meter.measured(first["files"], first["source_bytes"], self.budget.share)


def engine_of(config: EngineConfig) -> EngineConfig:
    """Return the engine of a sample, which is small work: this process, unless Ray or a cluster is named."""
    kind = ("ray" if config.ray_address else "local") if config.kind == "auto" else config.kind
    return replace(config, kind=kind).resolve(1, 0)
