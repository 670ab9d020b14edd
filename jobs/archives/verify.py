"""`tilepress verify`: read every byte of an archive, decode every image, and name whatever is not as it was."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, BinaryIO, cast

from tilepress.codecs.errors import MissingPackage
from tilepress.jobs.archives.run_plan import links_of
from tilepress.jobs.archives.verify_files import PartTask, check_files, verify_part
from tilepress.jobs.cli.meter import Meter
from tilepress.jobs.protection.checking import ParityCheck, find_checks
from tilepress.jobs.protection.needed_models import needed_models, residual_models
from tilepress.pipeline.archive.checksums import sha256
from tilepress.pipeline.archive.schema import PIXEL_METHODS, kind_of
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.engine.engine import Engine, EngineConfig, open_engine
from tilepress.pipeline.errors import ChangedError, IntegrityError, MissingError, UnsafeName, UsageError
from tilepress.pipeline.parity.check import check_parity
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.reading.batches import Compared, EntryTask, entry_tasks, task_entries
from tilepress.pipeline.reading.history import has_content
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.near_lossless import prove_within
from tilepress.pipeline.reading.one_image import one_image
from tilepress.pipeline.reading.pixels import map_by_stack
from tilepress.pipeline.sources.collection import Collection, absolute_source
from tilepress.pipeline.sources.subset import in_subset
from tilepress.pipeline.storage.base import ListedFile, Storage, check_name
from tilepress.pipeline.storage.globs import Selection
from tilepress.pipeline.storage.listing_rules import READ
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.ordered import merge_join
from tilepress.pipeline.tally import TALLY


@dataclass(frozen=True)
class VerifyConfig:
    """What `tilepress.verify` was asked for; its signature describes every field."""

    archive: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    against: str | None = None
    subset: tuple[int, int] | None = None
    rebuild: bool = False
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions

    @property
    def whole(self) -> bool:
        """Whether the whole archive is to be read, not some images of it."""
        return self.subset is None and not self.include and not self.exclude

    def __contains__(self, path: str) -> bool:
        """Whether an image is to be checked."""
        return path in self._selection and in_subset(path, self.subset)

    @cached_property
    def _selection(self) -> Selection:
        return Selection(self.include, self.exclude)


@dataclass
class VerifyReport:
    """What was checked, and everything that is wrong: (file of the archive, image or "", what is wrong)."""

    complete: bool = True  # some run is: what it planned is all there

    images: int = 0
    tiles: int = 0
    source_bytes: int = 0
    parts: int = 0
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unchecked: list[tuple[str, str]] = field(default_factory=list)  # (path, reason): a codec is not installed here
    differing: list[tuple[str, str]] = field(default_factory=list)  # with --against: (path, how)
    inexact: Counter[str] = field(default_factory=Counter)  # images that are not held exactly, by how near they are

    @property
    def first_problem(self) -> str:
        """What is wrong, one of it: for the run report."""
        wrong = (*self.problems, *self.unchecked, *self.differing)
        said = (": ".join(filter(None, each)) for each in wrong)
        return next(said, "" if self.complete else "no run is complete")

    @property
    def exit_code(self) -> int:
        """0 all as written; 4 damage; 5 not all could be checked; 3 the source differs, or no run is complete."""
        if self.problems or self.unchecked:
            return 4 if self.problems else 5
        return 3 if self.differing or not self.complete else 0

    def merge(self, other: VerifyReport) -> None:
        """Add another report."""
        self.images += other.images
        self.tiles += other.tiles
        self.source_bytes += other.source_bytes
        self.parts += other.parts
        self.problems += other.problems
        self.unchecked += other.unchecked
        self.differing += other.differing
        self.inexact += other.inexact


def run_verify(config: VerifyConfig) -> VerifyReport:
    """Check files, then parts, then images; damage is collected, never raised."""
    archive = open_archive(config.archive, include_deleted=True, checked=True, storage_options=config.storage_options)
    models, coders = needed_models(archive)
    files = check_files(archive, models | residual_models(coders))
    report = VerifyReport(problems=[(name, "", problem) for name, problem in files.problems], notes=files.notes)
    report.complete = archive.complete
    size, tasks = _measure(archive, config)
    if not tasks and (config.include or config.exclude):
        raise UsageError(f"{config.archive} holds nothing that matches: see `tilepress ls {config.archive}`")
    shards = max(tasks, len(files.parts))
    TALLY.add(shards_planned=(tasks + len(files.parts) if config.whole else tasks) - shards)  # the engine adds those
    with open_engine(config.engine, archive.storage.location, shards, size, networks=bool(models)) as engine:
        if config.whole:
            _check_parts(engine, files.parts, config, report)
            _check_parity(engine, find_checks(archive), config, report)
        _check_images(engine, archive, config, size, report)
    report.problems = sorted(set(report.problems))
    TALLY.add(verify_failures=len(report.problems))
    return report


def _check_parts(engine: Engine, parts: list[PartTask], config: VerifyConfig, report: VerifyReport) -> None:
    with Meter("verify files", sum(part.bytes for part in parts), quiet=config.quiet) as meter:
        for part, problems in engine.map_shards(verify_part, parts, meter):
            report.parts += 1
            report.problems += [(name, "", problem) for name, problem in problems]
            meter.advance(bytes_in=part.bytes, images=0, failures=len(problems))


def _check_parity(engine: Engine, parity: ParityCheck, config: VerifyConfig, report: VerifyReport) -> None:
    report.notes += parity.notes
    report.problems += [(name, "", problem) for name, problem in parity.problems]
    if not parity.tasks:
        return
    with Meter("verify parity", sum(task.bytes for task in parity.tasks), quiet=config.quiet) as meter:
        for task, problems in engine.map_shards(check_parity, parity.tasks, meter):
            report.problems += [(name, "", problem) for name, problem in problems]
            meter.advance(bytes_in=task.bytes, images=0, failures=len(problems))


def _check_images(engine: Engine, archive: Archive, config: VerifyConfig, size: int, report: VerifyReport) -> None:
    with Meter("verify", size, quiet=config.quiet) as meter:
        against = config.against and absolute_source(config.against)
        tasks = entry_tasks(_selected(archive, config, report), replace(config, against=against))
        for result in engine.map_shards(verify_entries, tasks, meter):
            report.merge(result)
            done = {"bytes_in": result.source_bytes, "images": result.images, "tiles": result.tiles}
            meter.advance(**done, failures=len(result.problems))


def _selected(archive: Archive, config: VerifyConfig, report: VerifyReport) -> Iterator[Compared]:
    """Every version of every image; or, to compare with a source, the current ones with their source files."""
    if config.against is not None:
        entries = (entry for entry in archive.entries() if entry.path in config)
        listed = _source(config, links_of(archive.storage)).entries()
        sources = (source for source in listed if source.name in config)
        yield from _with_sources(entries, sources, report)
        return
    for history in archive.histories():
        yield from ((archive.entry(*each), None) for each in history if has_content(each) and history.path in config)


def _with_sources(entries: Iterator[Entry], sources: Iterator[ListedFile], report: VerifyReport) -> Iterator[Compared]:
    """Entries with their source files; either without the other is reported, unless a run has recorded the deletion."""
    for entry, source in merge_join(entries, sources, lambda entry: entry.path, lambda source: source.name):
        if entry is not None:
            if source is None and not entry.gone:
                report.differing.append((entry.path, "the source no longer has it"))
            yield entry, source
        elif source is not None:
            report.differing.append((source.name, "the archive does not have it"))


def _measure(archive: Archive, config: VerifyConfig) -> tuple[int, int]:
    size = tasks = 0
    for task in entry_tasks(_selected(archive, config, VerifyReport()), None):
        size += task.source_bytes
        tasks += 1
    return size, tasks


def verify_entries(task: EntryTask, archive: Storage, pool: CodecPool) -> VerifyReport:
    """Decode every image of a task (a stage), and compare it with the source if there is one."""

    def verify(compared: Compared) -> VerifyReport:
        with pool.progress.decoding(compared[0].index_row.facts):
            done = _verified(*compared, task.options)
        pool.progress.image_done(failures=len(done.problems))
        return done

    report = VerifyReport()
    compared = zip(task_entries(task, archive, pool), task.sources, strict=True)
    for done in map_by_stack(pool, verify, compared, lambda pair: pair[0].index_row):
        report.merge(done)
    return report


def _verified(entry: Entry, source: ListedFile | None, config: VerifyConfig) -> VerifyReport:
    facts = entry.index_row.facts
    report = VerifyReport(images=1, tiles=len(entry.index_row.tiles), source_bytes=facts.source_bytes)
    if facts.method in PIXEL_METHODS and not facts.promised.is_exact:
        report.inexact[facts.promised.text] += 1
    try:
        _check_one(entry, rebuild=config.rebuild)
    except (IntegrityError, UsageError, UnsafeName) as exc:
        report.problems.append((entry.part, entry.path, str(exc)))
    except MissingPackage as exc:
        report.unchecked.append((entry.path, str(exc)))
    else:
        if source is not None:
            _compare(entry, source, _source(config), report)
    return report


def _check_one(entry: Entry, *, rebuild: bool) -> None:
    """Raise what restoring the entry would raise but for its destination."""
    check_name(entry.path)
    if rebuild:
        with tempfile.TemporaryFile() as scratch:
            entry.write(cast(BinaryIO, scratch))
    else:
        entry.prove()


def _source(config: VerifyConfig, links: str = READ) -> Collection:
    """The source; `links`: what they become where it is listed. What is left out was said when it was compressed."""
    assert config.against is not None
    wanted = config.include, config.exclude, lambda name, reason: None
    return Collection.open(config.against, *wanted, links=links, storage_options=config.storage_options)


def _compare(entry: Entry, source: ListedFile, against: Collection, report: VerifyReport) -> None:
    try:
        with against.open_source(source) as data, one_image():
            if kind_of(entry.index_row.facts.method) != source.kind:
                report.differing.append((entry.path, f"the source has a {source.kind or 'file'} there"))
            elif not entry.reader.is_of(entry.index_row, sha256(data)):
                report.differing.append((entry.path, "the source file is not the one that was stored"))
            elif entry.index_row.facts.promised.bound:
                prove_within(entry.index_row, data, entry.reader)
    except IntegrityError as exc:
        report.problems.append((entry.part, entry.path, str(exc)))
    except (MissingError, ChangedError) as exc:
        report.differing.append((entry.path, f"the source file could not be compared: {exc}"))
