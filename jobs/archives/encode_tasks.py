"""The shards of a run as tasks of `compress`, each with the places that may have the content of its files already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from tilepress.jobs.cli.messages import MESSAGES
from tilepress.pipeline.archive.layout import Run, list_runs
from tilepress.pipeline.archive.plan import Plan, Shard
from tilepress.pipeline.archive.schema import UNTRUSTED
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.compress.commit import EncodeResult, EncodeTask
from tilepress.pipeline.compress.committed import CommittedContent
from tilepress.pipeline.compress.known import KnownContent
from tilepress.pipeline.compress.same import Candidates
from tilepress.pipeline.compress.sharing import Round
from tilepress.pipeline.engine.engine import Engine, Stage, Watcher
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.sources.collection import absolute_source
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.options import StorageOptions


@dataclass(frozen=True)
class Tasks:
    """Makes the tasks of a run. `places`: what the runs before, and this one so far, have."""

    plan: Plan
    run: Run
    settings: EncodeSettings
    source: str
    storage_options: StorageOptions
    places: Sequence[KnownContent | CommittedContent]

    def mapped(
        self, engine: Engine, stage: Stage, shards: Round, watcher: Watcher, *, quiet: bool
    ) -> Iterator[EncodeResult]:
        """Map a stage over a round of shards, in processes that a file may crash where that seems possible.

        So it is with orphans, and in a run that tries files again because they did.
        """
        if shards.orphans and not quiet:
            MESSAGES.say(
                "compress: shards that a command was at when it died come first, in other processes", "orphans"
            )
        may_crash = shards.orphans or UNTRUSTED in self.plan.settings.get("again", ())
        return engine.map_shards(stage, self.of(shards.shards), watcher, apart=may_crash)

    def of(self, shards: Iterable[tuple[Shard, bool]]) -> Iterator[EncodeTask]:
        """Yield the task of each shard, given with whether its part is there."""
        source = absolute_source(self.source)
        for shard, committed in shards:
            known = {} if committed else self._candidates(shard)
            yield EncodeTask(
                shard,
                self.run,
                self.plan.seal,
                self.settings,
                source,
                committed,
                known=known,
                storage_options=self.storage_options,
            )

    def _candidates(self, shard: Shard) -> Candidates:
        """The rows that may have the content of the files of a shard, by the files' numbers."""
        found = {
            file.image: list(chain(*(place.candidates(file) for place in self.places))) for file in shard.additions
        }
        return {number: rows for number, rows in found.items() if rows}


def known_content(storage: Storage, run: Run, plan: Plan, settings: EncodeSettings) -> list[KnownContent]:
    """Return what the runs before have of the sizes of the plan's files, where there are runs before."""
    before = [each.number for each in list_runs(storage) if each.number < run.number]
    if not before or not plan.totals.files:
        return []
    archive = Archive(storage, run=before[-1], include_deleted=True)
    return [KnownContent(archive, plan, settings.wanted, plan.settings.get("again", ()))]
