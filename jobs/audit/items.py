"""The images of an audit: of an archive or a source, joined with those that they are compared with, in tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from tilepress.jobs.audit.rows import METRICS, MISSING, QUARANTINED, UNCHECKED
from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.schema import FAILURES, NO_FILES, NOT_STORED
from tilepress.pipeline.errors import ResumeError
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.sources.dataset import Item, Source
from tilepress.pipeline.sources.subset import in_subset, sample_rank
from tilepress.pipeline.storage.globs import Selection
from tilepress.pipeline.storage.ordered import merge_join

_TASKS, _TASK_IMAGES = 1024, 512  # tasks that are aimed at of a large archive, and images of one at most
_STACKED_IMAGES = 1024  # of one stack, whose images are read together
_LEAST_BYTES, _MOST_BYTES = 8 << 20, 64 << 20  # of the files of a task: half a second of work, or four
MOST_PIXELS, _SAMPLE_BYTES = 1 << 28, 3  # of an image that is held whole; of a pixel, in most modes
NOT_IN_ARCHIVE, NOT_IN_SOURCE = "it is not there, and the source has it", "the source no longer has it"


@dataclass(frozen=True)
class AuditItem:
    """One image to be looked at. `entry`: where an archive has it; `file`: where a source has it.

    `other`: the image that it is compared with. `compared`: how it differs from the source, as the names alone say.
    `outcome` and `reason`: of what cannot be looked at, how it fared. `gone`: the archive knows that its source no
    longer has it.
    """

    name: str
    size: int
    fingerprint: str
    entry: tuple[Run, IndexRow] | None = None
    file: Item | None = None
    other: Item | None = None
    compared: str = ""
    outcome: str = ""
    reason: str = ""
    quarantine: str = ""
    gone: bool = False

    @property
    def index_row(self) -> IndexRow:
        """Its row in the index; only of an image that an archive holds."""
        assert self.entry is not None
        return self.entry[1]

    @property
    def held_bytes(self) -> int:
        """Bytes of its file, and of the other one."""
        return self.size + (self.other.size if self.other else 0)

    @property
    def memory_bytes(self) -> int:
        """Bytes of its decoded samples where an archive knows their number, else of its file; as many of the other one.

        Flat pictures are a thousand times their files. Those too large to be looked at are proven a band at a time.
        """
        held = self.size
        if self.entry is not None:
            facts = self.index_row.facts
            if 0 < facts.width * facts.height <= MOST_PIXELS:
                held = max(held, facts.width * facts.height * _SAMPLE_BYTES)
        return max(held * (2 if self.other else 1), self.held_bytes)

    @property
    def identity(self) -> bytes:
        """Name and version of the image and of the other one, for a digest."""
        other = self.other.fingerprint if self.other else ""
        gone = "gone" if self.gone else ""
        return f"{self.name}\0{self.fingerprint}\0{gone}\0{other}\0{self.outcome}\n".encode(errors="surrogateescape")

    @property
    def stack(self) -> tuple[int, int, int] | None:
        """What tells its stack from others; None of an image in none."""
        if self.entry is None or self.entry[1].stack is None:
            return None
        run, row = self.entry
        assert row.stack is not None
        return run.number, row.part, row.stack.image


@dataclass(frozen=True)
class Chosen:
    """Which images are looked at, by their names: patterns, a slice (K of N), and a sample (names below a rank)."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    slice: tuple[int, int] | None = None
    below: int | None = None

    def __contains__(self, name: str) -> bool:
        within = self.below is None or sample_rank(name) < self.below
        return within and in_subset(name, self.slice) and name in self._selection

    @cached_property
    def _selection(self) -> Selection:
        return Selection(self.include, self.exclude)


@dataclass(frozen=True)
class AuditOptions:
    """What all tasks of an audit share. `archive`: the source is one."""

    source: Source
    against: Source | None
    archive: bool
    metrics: frozenset[str] = frozenset(METRICS)
    groupings: tuple[str, ...] = ()
    seal: str = ""


@dataclass(frozen=True)
class AuditTask:
    """Some images: the unit of work, retry and commit. `crashing`: names of those that crash a worker."""

    number: int
    items: tuple[AuditItem, ...]
    options: AuditOptions
    crashing: frozenset[str] = frozenset()

    @property
    def bytes(self) -> int:
        """For memory: of the largest image, and of the one that it is compared with."""
        return max(item.memory_bytes for item in self.items)

    @property
    def source_bytes(self) -> int:
        """Bytes of all files, for progress."""
        return sum(item.size for item in self.items)

    @property
    def fingerprint(self) -> str:
        """Changes when an image of the task does."""
        return hashlib.sha256(b"".join(item.identity for item in self.items)).hexdigest()


@dataclass
class Survey:
    """The images of an audit, counted; `size` in bytes of their files. `networks`: decoding takes models."""

    files: int = 0
    size: int = 0
    networks: bool = False
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256, repr=False)

    def add(self, item: AuditItem) -> None:
        """Count an image."""
        self.files += 1
        self.size += item.size
        self._digest.update(item.identity)
        tiles = item.entry[1].tiles if item.entry else ()
        self.networks = self.networks or any("@" in tile.facts.codec for tile in tiles)

    @property
    def fingerprint(self) -> str:
        """Changes when an image does, or one comes or goes."""
        return self._digest.hexdigest()

    @property
    def task_bytes(self) -> int:
        """Bytes of the files of a task: few where there are few, so that all workers have some."""
        return max(_LEAST_BYTES, min(_MOST_BYTES, self.size // _TASKS))

    @property
    def tasks(self) -> int:
        """How many tasks there will be, about."""
        return max(-(-self.files // _TASK_IMAGES), min(self.files, -(-self.size // self.task_bytes)))


def audit_items(options: AuditOptions, chosen: Chosen) -> Iterator[AuditItem]:
    """Yield the chosen images in the order of their names. UsageError where there is no such place."""
    listed = (
        archive_items(opened_archive(options)) if options.archive else map(_of_source, options.source.open().items())
    )
    mine: Iterator[AuditItem] = (item for item in listed if item.name in chosen)
    if options.against is not None:
        others = (item for item in options.against.open().items() if item.name in chosen)
        mine = _joined(mine, others)
    # Links and folders go after the join: a source reads its links as files, which are not missing from the archive.
    return (item for item in mine if item.entry is None or item.entry[1].facts.method not in NO_FILES)


def opened_archive(options: AuditOptions) -> Archive:
    """Return the archive that is audited, with the files that its source no longer has."""
    source = options.source
    return open_archive(source.url, include_deleted=True, storage_options=source.storage_options)


def archive_items(archive: Archive) -> Iterator[AuditItem]:
    """Yield the newest content of every path of an archive, and the files that are not stored at all."""
    for history in archive.histories():
        _, newest = history.newest
        if history.content is not None:
            entry = archive.entry(*history.content, gone=history.gone)
            yield _of_entry(entry, str(newest["reason_code"] or "") if newest["method"] == NOT_STORED else "")
        elif newest["method"] == NOT_STORED:
            code, reason, size = (newest[name] for name in ("reason_code", "reason", "source_bytes"))
            fingerprint = f"none-{code}"
            yield AuditItem(
                history.path, size or 0, fingerprint, outcome=QUARANTINED, reason=reason or "", quarantine=code or ""
            )


def _of_entry(entry: Entry, not_stored: str) -> AuditItem:
    """An image of an archive; `not_stored`: why its newest version is not."""
    facts = entry.index_row.facts
    code = not_stored or (facts.reason_code if facts.reason_code in FAILURES else "")
    place = f"{entry.run.number}-{entry.index_row.part}-{facts.image}-{entry.index_row.crc:08x}"
    return AuditItem(entry.path, entry.size, place, (entry.run, entry.index_row), quarantine=code, gone=entry.gone)


def _of_source(item: Item) -> AuditItem:
    return AuditItem(item.name, item.size, item.fingerprint, file=item)


def _joined(mine: Iterable[AuditItem], others: Iterable[Item]) -> Iterator[AuditItem]:
    for item, other in merge_join(mine, others, lambda each: each.name, lambda each: each.name):
        if item is not None:
            yield replace(item, other=other, compared="" if other or item.gone else NOT_IN_SOURCE)
        elif other is not None:
            yield AuditItem(other.name, other.size, other.fingerprint, outcome=MISSING, reason=NOT_IN_ARCHIVE)


def audit_tasks(options: AuditOptions, chosen: Chosen, found: Survey) -> Iterator[AuditTask]:
    """Yield the chosen images in tasks, which are the same whenever the images are.

    ResumeError at the end if they are no longer those that were found before.
    """
    batch: list[AuditItem] = []
    size = number = 0
    again = Survey()
    for item in audit_items(options, chosen):
        again.add(item)
        if batch and (_is_full(batch, item) or size + item.held_bytes > found.task_bytes):
            yield AuditTask(number, tuple(batch), options)
            batch, size, number = [], 0, number + 1
        batch.append(item)
        size += item.held_bytes
    if batch:
        yield AuditTask(number, tuple(batch), options)
    if again.fingerprint != found.fingerprint:
        places = " or ".join(each.url for each in (options.source, options.against) if each is not None)
        raise ResumeError(f"{places} changed while it was audited: start again, with another `out`")


def _is_full(batch: list[AuditItem], item: AuditItem) -> bool:
    together = item.stack is not None and item.stack == batch[-1].stack
    return len(batch) >= (_STACKED_IMAGES if together else _TASK_IMAGES)


CRASHES = "it crashed the worker process, or took too long, every time"


def without_crashing(task: AuditTask) -> AuditTask:
    """Return the task with its crashing images as ones that cannot be looked at."""
    items = tuple(
        replace(item, outcome=UNCHECKED, reason=CRASHES) if item.name in task.crashing else item for item in task.items
    )
    return replace(task, items=items)
