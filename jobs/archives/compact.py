"""`tilepress compact`: parts that hold much of what nothing refers to are written anew without it, then removed.

Two steps, and neither is done unless it is asked for. `write` makes a run that stands for the old parts, every image
proven before it is committed. `remove` deletes the old parts, once the parts that stand for them prove whole. Killed
anywhere, every image is in the archive: before the run is complete where it was, afterwards in both places.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from tilepress.jobs.archives.moving import Moves, by_path, execute_moves, moved_file, next_run, require_sound
from tilepress.jobs.archives.remake import finish_run
from tilepress.jobs.archives.run_plan import unfinished_run
from tilepress.jobs.archives.verify_files import PartTask, verify_part
from tilepress.jobs.claim import Request
from tilepress.jobs.protection.making import protect_again
from tilepress.pipeline.archive.layout import Run, list_parts
from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.plan import Plan, Shard
from tilepress.pipeline.compress.move import MoveTask
from tilepress.pipeline.engine.engine import EngineConfig, open_engine
from tilepress.pipeline.errors import IntegrityError, MissingError
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.reading.history import Version, places
from tilepress.pipeline.reading.references import PartUse, part_uses, referred, shared_contents
from tilepress.pipeline.storage.options import NO_OPTIONS


@dataclass(frozen=True)
class CompactConfig:
    """What `tilepress.compact` was asked for; its signature describes every field."""

    archive: str
    write: bool = False
    remove: bool = False
    unused: int = 10
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # see StorageOptions


@dataclass
class CompactReport:
    """What there is to rewrite and to remove, or what was."""

    parts: int = 0  # that hold enough of what nothing refers to
    part_bytes: int = 0
    images: int = 0  # in them, to be kept
    kept_bytes: int = 0  # payload of these
    run: int | None = None  # that stands for the parts now, if they were written anew
    replaced_parts: int = 0  # that a run stands for, and that are still there
    replaced_bytes: int = 0
    removed: bool = False  # these were removed

    @property
    def exit_code(self) -> int:
        """0: done, or nothing to do."""
        return 0


def run_compact(config: CompactConfig) -> CompactReport:
    """Measure, and do the steps that are asked for."""
    report = CompactReport()
    archive = _opened(config)
    request = {"verb": "compact", "unused": config.unused}
    begun = unfinished_run(archive.storage, request) if config.write else None
    if begun and finish_run(archive):
        report.run, archive, begun = begun[0].number, _opened(config), None
    if begun is None:
        require_sound(archive)
    elif archive.storage.exists(begun[0].index):
        raise IntegrityError(f"{config.archive}/{begun[0].folder} lost parts: see `tilepress verify {config.archive}`")
    uses = part_uses(archive)
    parts = frozenset(begun[1].replaces) if begun else _wasteful(uses, config.unused)
    _add_up([uses[place] for place in parts], report)
    if config.write and parts:
        run, plan = begun or next_run(archive, map(moved_file, _kept(archive, parts)), request, parts)
        _rewrite(config, archive, parts, run, plan, request)
        report.run = run.number
    if config.write or config.remove:  # also of runs whose parts are to be removed, before they are
        protect_again(config.archive, config.storage_options, config.engine, quiet=config.quiet)
    archive = _opened(config)
    old = _replaced(archive)
    report.replaced_parts, report.replaced_bytes = len(old), sum(old.values())
    if config.remove and old:
        _require_whole(config, archive)
        for number, shard in old:
            with suppress(MissingError):  # removed by another process
                archive.storage.remove(Run(number).part(shard))
        report.removed = True
    return report


def _opened(config: CompactConfig) -> Archive:
    return open_archive(config.archive, include_deleted=True, checked=True, storage_options=config.storage_options)


def _wasteful(uses: Mapping[Place, PartUse], percent: int) -> frozenset[Place]:
    """The parts of which so much is unused that they are to be written anew."""
    return frozenset(place for place, use in uses.items() if use.unused and 100 * use.unused >= percent)


def _kept(archive: Archive, parts: frozenset[Place]) -> Iterator[Version]:
    """The rows of these parts that are still referred to."""
    return (version for version in referred(archive) if not parts.isdisjoint(places(version)))


def _add_up(parts: Collection[PartUse], report: CompactReport) -> None:
    report.parts = len(parts)
    report.part_bytes = sum(use.file_bytes for use in parts)
    report.images = sum(use.used_images for use in parts)
    report.kept_bytes = sum(use.used_payload for use in parts)


def _rewrite(
    config: CompactConfig, archive: Archive, parts: frozenset[Place], run: Run, plan: Plan, request: Request
) -> None:
    """Make a run of what is kept of the parts."""
    size, shards = plan.totals.bytes, plan.totals.shards
    with open_engine(config.engine, archive.storage.location, shards, size, networks=False) as engine:
        tasks = _tasks(archive, parts, run, plan)
        execute_moves(engine, archive.storage, run, plan, request, tasks, quiet=config.quiet)


def _tasks(archive: Archive, parts: frozenset[Place], run: Run, plan: Plan) -> Iterator[MoveTask]:
    pairs = by_path(plan, _kept(archive, parts))
    moves = Moves(run, shared_contents(archive), parts)
    for number, group in groupby(pairs, key=lambda pair: pair[0].shard):
        files = list(group)
        shard = Shard(number, tuple(file for file, _ in files))
        images, same = moves.of_shard([(file, archive.content(version)) for file, version in files])
        yield MoveTask(shard, run, plan.seal, images, same)


def _replaced(archive: Archive) -> dict[Place, int]:
    """The replaced parts that are still there, with their bytes."""
    found: dict[Place, int] = {}
    for number in sorted({run for run, _ in archive.replaced}):
        there = list_parts(archive.storage, Run(number))
        found |= {(number, at): size for at, size in there.items() if (number, at) in archive.replaced}
    return found


def _require_whole(config: CompactConfig, archive: Archive) -> None:
    """Raise IntegrityError unless every part that stands for others is as it was written."""
    require_sound(archive)
    standing = [
        (view.run, part)
        for view in archive.runs
        if view.moves and view.manifest
        for part in view.manifest.parts
        if (view.run.number, part.shard) not in archive.replaced
    ]
    tasks = [PartTask(at, run, part.shard, part.bytes, part.seal) for at, (run, part) in enumerate(standing)]
    size = sum(task.bytes for task in tasks)
    with open_engine(config.engine, archive.storage.location, len(tasks), size, networks=False) as engine:
        for _, problems in engine.map_shards(verify_part, tasks):
            for name, problem in problems:
                raise IntegrityError(f"{name} is damaged ({problem}): nothing was removed; see `tilepress verify`")
