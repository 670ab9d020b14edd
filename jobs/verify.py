"""`tilepress verify`: read every byte of an archive, decode every image, and name whatever is not as it was."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, TypeVar, cast

import pyarrow as pa

from tilepress.jobs.progress import Meter
from tilepress.pipeline.archive import Run, is_complete, list_parts, load_model, read_manifest
from tilepress.pipeline.batches import EntryTask, entry_tasks, task_entries
from tilepress.pipeline.collection import Collection
from tilepress.pipeline.commit import prove
from tilepress.pipeline.engine import Engine, EngineConfig, open_engine
from tilepress.pipeline.errors import ChangedError, IntegrityError, MissingError, TilepressError, UsageError
from tilepress.pipeline.index import Index
from tilepress.pipeline.kept import sha256
from tilepress.pipeline.part import part_index
from tilepress.pipeline.plan import plan_from_bytes
from tilepress.pipeline.range_file import RangeFile
from tilepress.pipeline.reader import Archive, Entry, RunView, open_archive
from tilepress.pipeline.rows import GONE, NOT_STORED
from tilepress.pipeline.sealed import check_seal, read_json
from tilepress.pipeline.storage import Entry as SourceEntry
from tilepress.pipeline.storage import Storage
from tilepress.pipeline.toolbox import Toolbox


@dataclass(frozen=True)
class VerifyConfig:
    """Everything a person can say to `verify`. `subset` is (part, parts) of the images, chosen by name.

    `rebuild` also writes every file to scratch space, as `restore` would, and reads it back.
    """

    archive: str
    against: str | None = None
    subset: tuple[int, int] | None = None
    rebuild: bool = False
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True


@dataclass
class VerifyReport:
    """What was checked, and everything that is wrong: (file of the archive, image or "", what is wrong)."""

    images: int = 0
    source_bytes: int = 0
    parts: int = 0
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    differing: list[tuple[str, str]] = field(default_factory=list)  # with --against: (path, how)

    @property
    def exit_code(self) -> int:
        """0 all as written; 4 damage; 3 undamaged, but the source differs."""
        return 4 if self.problems else 3 if self.differing else 0

    def merge(self, other: VerifyReport) -> None:
        """Add another report."""
        self.images += other.images
        self.source_bytes += other.source_bytes
        self.parts += other.parts
        self.problems += other.problems
        self.differing += other.differing


@dataclass(frozen=True)
class PartTask:
    """One part file to be read whole; `seal` is what the manifest says it is."""

    number: int
    run: Run
    shard: int
    bytes: int
    seal: str | None
    plan_seal: str | None


def verify(archive: str, **options: Any) -> VerifyReport:
    """Verify `archive`; options as the fields of VerifyConfig."""
    return run_verify(VerifyConfig(archive, **options))


def run_verify(config: VerifyConfig) -> VerifyReport:
    """Check files, then parts, then images; damage is collected, never raised."""
    archive = open_archive(config.archive)
    report = VerifyReport()
    for view in archive.runs:
        _check_run_files(archive.storage, view, report)
    report.problems += [(name, "", problem) for name, problem in archive.damage]
    report.notes += archive.notes
    _check_models(archive, report)
    parts = list(_part_tasks(archive.storage, [view.run for view in archive.runs], report))
    size, tasks = _measure(archive, config)
    shards, networks = max(tasks, len(parts)), _uses_models(archive)
    with open_engine(config.engine, config.archive, shards, size, networks=networks) as engine:
        if config.subset is None:
            for result in engine.map_shards(verify_part, parts):
                report.merge(result)
        _check_images(engine, archive, config, size, report)
    report.problems = sorted(set(report.problems))
    return report


def _check_images(engine: Engine, archive: Archive, config: VerifyConfig, size: int, report: VerifyReport) -> None:
    with Meter("verify", size, quiet=config.quiet) as meter:
        tasks = entry_tasks(_selected(archive, config, report), config)
        for result in engine.map_shards(verify_entries, tasks):
            report.merge(result)
            meter.advance(bytes_in=result.source_bytes, images=result.images, failures=len(result.problems))


def _selected(archive: Archive, config: VerifyConfig, report: VerifyReport) -> Iterator[Entry]:
    """Every version of every image; or, to compare with a source, the current ones with their source files."""
    if config.against is not None:
        paired = _with_sources(archive.entries(), Collection.open(config.against).entries(), report)
        yield from (entry for entry in paired if _in_subset(entry.path, config.subset))
        return
    for versions in archive.histories():
        for view, row in versions:
            if row["method"] not in (NOT_STORED, GONE) and _in_subset(row["path"], config.subset):
                yield archive.entry(view, row)


def _with_sources(entries: Iterator[Entry], sources: Iterator[SourceEntry], report: VerifyReport) -> Iterator[Entry]:
    """Entries with their source files, both walked in path order; source files without an entry are reported."""
    source = next(sources, None)
    for entry in entries:
        while source is not None and source.name.encode() < entry.path.encode():
            report.differing.append((source.name, "the archive does not have it"))
            source = next(sources, None)
        found = source if source is not None and source.name == entry.path else None
        yield replace(entry, source=found)
        if found:
            source = next(sources, None)
    while source is not None:
        report.differing.append((source.name, "the archive does not have it"))
        source = next(sources, None)


def _in_subset(path: str, subset: tuple[int, int] | None) -> bool:
    if subset is None:
        return True
    part, parts = subset
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") % parts == part - 1


def _measure(archive: Archive, config: VerifyConfig) -> tuple[int, int]:
    size = tasks = 0
    for task in entry_tasks(_selected(archive, config, VerifyReport()), None):
        size += task.source_bytes
        tasks += 1
    return size, tasks


def _check_run_files(storage: Storage, view: RunView, report: VerifyReport) -> None:
    """Plan and run.json prove themselves; the manifest names the plan (and the index: see view_run)."""
    run = view.run
    complete = is_complete(storage, run)
    plan = _checked(report, run.plan, lambda: plan_from_bytes(storage.read(run.plan), run.plan))
    if plan is None:
        return
    if complete or storage.exists(run.summary):
        summary = _checked(report, run.summary, lambda: read_json(storage.read(run.summary), run.summary))
        if summary is not None and summary.get("plan") != plan.seal:
            report.problems.append((run.summary, "", "it is of another plan than the one beside it"))
    manifest = _checked(report, run.manifest, lambda: read_manifest(storage, run)) if complete else None
    if manifest is not None and manifest.plan_seal != plan.seal:
        report.problems.append((run.plan, "", "this is not the plan that the manifest names"))
    images = sum(part.images for part in manifest.parts) + plan.totals.gone if manifest is not None else 0
    if manifest is not None and isinstance(view.index, Index) and view.index.rows != images:
        report.problems.append((run.index, "", f"it has {view.index.rows} rows for {images} files"))
    before = Run(run.number - 1)
    if plan.parent and storage.exists(before.manifest):
        manifest = _checked(report, before.manifest, lambda: read_manifest(storage, before))
        if manifest is not None and manifest.seal != plan.parent:
            report.problems.append((before.manifest, "", f"this is not the run that {run.folder} was added to"))


Checked = TypeVar("Checked")


def _checked(report: VerifyReport, name: str, read: Callable[[], Checked]) -> Checked | None:
    """What `read` gives; None, and a problem in the report, if the file is missing or damaged."""
    try:
        return read()
    except (IntegrityError, MissingError) as exc:
        report.problems.append((name, "", str(exc)))
        return None


def _check_models(archive: Archive, report: VerifyReport) -> None:
    hashes = {reference.partition("@")[2] for reference in _references(archive)} - {""}
    for sha in sorted(hashes):
        try:
            load_model(archive.storage, sha)
        except TilepressError as exc:
            report.problems.append((f"models/{sha}", "", str(exc)))


def _references(archive: Archive) -> set[str]:
    rows = (row for view in archive.runs for row in view.index.walk(["tiles"]))
    return {tile["codec"] or "" for row in rows for tile in row["tiles"] or ()}


def _uses_models(archive: Archive) -> bool:
    return any("@" in reference for reference in _references(archive))


def _part_tasks(storage: Storage, runs: list[Run], report: VerifyReport) -> Iterator[PartTask]:
    number = 0
    for run in runs:
        there = list_parts(storage, run)
        plan_seal, expected = _expected_parts(storage, run, there)
        for shard, (size, seal) in expected.items():
            if shard not in there:
                report.problems.append((run.part(shard), "", "the part is missing"))
                continue
            yield PartTask(number, run, shard, size, seal, plan_seal)
            number += 1
        report.notes += [
            f"{run.part(shard)} is not in the manifest and is ignored" for shard in there.keys() - expected.keys()
        ]


def _expected_parts(
    storage: Storage, run: Run, there: dict[int, int]
) -> tuple[str | None, dict[int, tuple[int, str | None]]]:
    try:
        manifest = read_manifest(storage, run)
    except (IntegrityError, MissingError):
        return None, {shard: (size, None) for shard, size in there.items()}
    return manifest.plan_seal, {part.shard: (part.bytes, part.seal) for part in manifest.parts}


def verify_part(task: PartTask, archive: Storage, tools: Toolbox) -> VerifyReport:
    """The stage: hash one part whole, and compare it with the manifest."""
    report = VerifyReport(parts=1)
    name = task.run.part(task.shard)
    try:
        with archive.open_source(name) as data:
            file = pa.BufferReader(pa.py_buffer(data))
            check_seal(cast(BinaryIO, file), name, task.seal)
            del file
        with RangeFile(archive, name) as ranged:
            part_index(ranged, name, task.shard)
    except TilepressError as exc:
        if exc.exit_code == 5 and not isinstance(exc, MissingError):
            raise
        report.problems.append((name, "", str(exc)))
    return report


def verify_entries(task: EntryTask, archive: Storage, tools: Toolbox) -> VerifyReport:
    """The stage: decode every image of a task, and compare it with the source if asked."""
    report = VerifyReport()
    for entry in task_entries(task, archive, tools):
        report.images += 1
        report.source_bytes += entry.stored.facts.source_bytes
        try:
            _check_one(entry, rebuild=task.options.rebuild)
        except (IntegrityError, UsageError) as exc:
            report.problems.append((entry.part, entry.path, str(exc)))
            continue
        if task.options.against is not None:
            _compare(entry, task.options.against, report)
    return report


def _check_one(entry: Entry, *, rebuild: bool) -> None:
    if rebuild:
        with tempfile.TemporaryFile() as scratch:
            entry.write(cast(BinaryIO, scratch))
    else:
        prove(entry.stored, entry.fetch, entry.archive.tools)


def _compare(entry: Entry, source: str, report: VerifyReport) -> None:
    if entry.source is None:
        report.differing.append((entry.path, "the source no longer has it"))
        return
    try:
        with Collection.open(source).open_source(entry.source) as data:
            if sha256(data) != entry.stored.facts.file_sha256:
                report.differing.append((entry.path, "the source file is not the one that was stored"))
    except (MissingError, ChangedError) as exc:
        report.differing.append((entry.path, f"the source file could not be compared: {exc}"))
