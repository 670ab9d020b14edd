"""`tilepress repair`: what is damaged is put right from the rest of the archive and from the source.

Whatever parity restores comes first. Files that follow from others are made again (remake.py). A damaged part is
replaced by a run that stands for it, as `compact` makes them: its sound images are copied, its damaged ones stored
again from the source.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from tilepress.jobs.archives.abandon import has_all_parts, plan_of, require_replaced
from tilepress.jobs.archives.mending import Mended, mended_images
from tilepress.jobs.archives.moving import Moves, execute_moves, in_the_way, next_run
from tilepress.jobs.archives.remake import finish_run, remake
from tilepress.jobs.archives.verify import VerifyConfig, run_verify
from tilepress.jobs.protection.by_parity import restore_by_parity
from tilepress.jobs.protection.making import protect_again
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.manifest import abandon_run
from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.plan import Plan, Shard
from tilepress.pipeline.compress.lease import holder_of
from tilepress.pipeline.compress.move import MoveTask
from tilepress.pipeline.engine.engine import EngineConfig, open_engine
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.reading.references import shared_contents
from tilepress.pipeline.sources.collection import absolute_source
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

_REQUEST = {"verb": "repair"}
_MODELS = "models/"

Damage = tuple[str, str, str]  # file of the archive, path of an image or nothing, what is wrong


@dataclass(frozen=True)
class RepairConfig:
    """What `tilepress.repair` was asked for; its signature describes every field."""

    archive: str
    source: str | None = None
    give_up: bool = False
    dry_run: bool = False
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass
class RepairReport:
    """What was damaged, and what became of it."""

    problems: list[tuple[str, str, str]] = field(default_factory=list)  # as `verify` found them
    restored: list[str] = field(default_factory=list)  # files that are as they were again, by parity
    beyond_parity: dict[str, str] = field(default_factory=dict)  # files that it did not restore, and why
    remade: list[str] = field(default_factory=list)  # files that follow from others
    run: int | None = None  # that stands for damaged parts
    parts: int = 0  # that it stands for
    copied: int = 0  # images that were sound
    mended: list[str] = field(default_factory=list)  # images that were stored again from the source
    changed: list[str] = field(default_factory=list)  # of these, those that the source has other content of by now
    lost: list[str] = field(default_factory=list)  # images that neither has
    left: list[tuple[str, str, str]] = field(default_factory=list)  # problems that are still there
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """0 nothing is damaged any more; 4 something is, or an image is lost."""
        return 4 if self.left or self.lost or (self.dry_run and self.problems) else 0


def run_repair(config: RepairConfig) -> RepairReport:
    """Find what is damaged, put it right, and look again."""
    report = RepairReport(dry_run=config.dry_run)
    _clear_the_way(_with_manifests(config, report), report)
    report.problems = _problems(config)
    if config.dry_run or not report.problems:
        return report
    problems = _restore_by_parity(config, report)
    if not problems:
        return report
    models = frozenset(name.removeprefix(_MODELS) for name, _, _ in problems if name.startswith(_MODELS))
    report.remade += remake(_opened(config), models)
    if models:  # images may be right with them
        problems = sorted({*problems, *_problems(config)})
        report.problems = sorted({*report.problems, *problems})
    _replace_parts(config, _opened(config), problems, report)
    report.remade += remake(_opened(config), frozenset())  # an index may have waited for a part to be replaced
    if report.run:
        with suppress(IntegrityError):  # of what is still damaged, as `left` tells
            protect_again(config.archive, config.storage_options, config.engine, quiet=config.quiet)
    report.left = _problems(config)
    return report


def _restore_by_parity(config: RepairConfig, report: RepairReport) -> list[Damage]:
    """Restore what parity tells, before anything else: it needs no source, and gives the very bytes. What is left."""
    problems = report.problems
    while problems:
        done = restore_by_parity(_opened(config), {name for name, _, _ in problems})
        report.restored += done.files
        report.beyond_parity = done.failed
        if not done.files:
            break
        problems = _problems(config)  # a manifest that is back may tell of more
        report.problems = sorted({*report.problems, *problems})
    return problems


def _opened(config: RepairConfig) -> Archive:
    return open_archive(config.archive, include_deleted=True, checked=True, storage_options=config.storage_options)


def _with_manifests(config: RepairConfig, report: RepairReport) -> Archive:
    """The archive, opened once manifests are back that parity tells: a run with parity was complete."""
    archive = _opened(config)
    lost = {view.run.manifest for view in archive.runs if not view.complete}
    if not lost or config.dry_run:
        return archive
    report.restored = restore_by_parity(archive, lost).files
    return _opened(config)


def _problems(config: RepairConfig) -> list[Damage]:
    asked = VerifyConfig(
        config.archive, engine=config.engine, quiet=config.quiet, storage_options=config.storage_options
    )
    return run_verify(asked).problems


def _clear_the_way(archive: Archive, report: RepairReport) -> None:
    """Finish the last run if it has all its parts; give up a repair that has not, which is planned anew.

    UsageError for another unfinished run, and for one that a command seems to be at work on.
    """
    if not archive.runs or archive.runs[-1].complete:
        return
    storage, run = archive.storage, archive.runs[-1].run
    plan = plan_of(storage, run)
    ours = plan is not None and plan.settings == _REQUEST
    if report.dry_run and (ours or (plan is not None and has_all_parts(storage, run, plan))):
        return
    if not ours and (report.dry_run or holder_of(storage)):
        raise in_the_way(storage.url)
    if finish_run(archive):
        report.remade.append(run.manifest)
    elif not ours:
        raise in_the_way(storage.url)
    else:
        require_replaced(storage, run)
        abandon_run(storage, run)


def _replace_parts(config: RepairConfig, archive: Archive, problems: list[Damage], report: RepairReport) -> None:
    """Make a run that stands for the damaged parts."""
    damaged = _damaged(archive, problems)
    if not damaged:
        return
    images = mended_images(archive, damaged, config.source, config.storage_options, needed=config.give_up)
    nameless = _nameless(archive, damaged)
    incomplete = {place for image in images if image.lost for place in (image.place, image.own)} | nameless.keys()
    replaced = damaged.keys() - (set() if config.give_up else incomplete)
    stored = [image for image in images if _is_stored(image, replaced)]
    report.lost = [*(image.path for image in images if image.lost), *nameless.values()]
    report.mended = [image.path for image in stored if image.settings]
    report.changed = [image.path for image in stored if image.changed]
    report.copied = sum(1 for image in stored if image.sound)
    report.parts = len(replaced)
    if not stored and not replaced:
        return
    run, plan = next_run(archive, (image.file for image in stored), _REQUEST, replaced)
    _execute(config, archive, run, plan, stored, frozenset(replaced))
    report.run = run.number


def _is_stored(image: Mended, replaced: set[Place]) -> bool:
    """Whether the run has the image: any that comes from the source, others if the run stands for their part."""
    return image.settings is not None or not replaced.isdisjoint((image.place, image.own))


def _damaged(archive: Archive, problems: list[Damage]) -> dict[Place, set[str]]:
    """The parts with problems, each with the paths of its images that have some; all of a part that is not there."""
    places = {view.run.part(shard): (view.run.number, shard) for view in archive.runs for shard in view.shards}
    found: dict[Place, set[str]] = defaultdict(set)
    for name, path, _ in problems:
        if name in places and places[name] not in archive.replaced:
            found[places[name]] |= {path} - {""}
    return dict(found)


def _nameless(archive: Archive, damaged: Collection[Place]) -> dict[Place, str]:
    """The damaged parts with files of which no index, part or plan tells the names any more; each with words for them.

    A run that stood for such a part would drop the files without a word.
    """
    found = {}
    for view in archive.runs:
        suspects = [shard for shard in sorted(view.shards) if (view.run.number, shard) in damaged]
        known = Counter(row["part"] for row in view.index.walk(["part"])) if suspects else Counter()
        held = {part.shard: part.images for part in view.manifest.parts} if view.manifest else {}
        for shard in suspects:
            missing = held.get(shard, known[shard]) - known[shard]
            if missing or not known[shard]:
                files = f"{missing} files" if missing else "files"
                found[view.run.number, shard] = f"{view.run.part(shard)}: {files} whose names are lost too"
    return found


def _execute(
    config: RepairConfig, archive: Archive, run: Run, plan: Plan, images: list[Mended], replaced: frozenset[Place]
) -> None:
    size, shards = plan.totals.bytes, plan.totals.shards
    networks = any("@" in image.settings.codec for image in images if image.settings)
    with open_engine(config.engine, archive.storage.location, shards, size, networks=networks) as engine:
        moves = Moves(run, shared_contents(archive), replaced)
        tasks = _tasks(config, run, plan, images, moves)
        execute_moves(engine, archive.storage, run, plan, _REQUEST, tasks, quiet=config.quiet)


def _tasks(config: RepairConfig, run: Run, plan: Plan, images: list[Mended], moves: Moves) -> Iterator[MoveTask]:
    pairs = zip(plan.files(), images, strict=True)
    for number, group in groupby(pairs, key=lambda pair: pair[0].shard):
        files = list(group)
        yield MoveTask(
            Shard(number, tuple(file for file, _ in files)),
            run,
            plan.seal,
            *moves.of_shard([(file, image.content) for file, image in files if image.sound]),
            {file.image: image.settings for file, image in files if image.settings},
            next((absolute_source(image.source) for _, image in files if image.settings), ""),
            StorageOptions(config.storage_options),
        )
