"""Entries of an archive as tasks that travel: consecutive entries of one part, as index rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.storage.base import ListedFile, Storage

_BATCH_IMAGES = 64
_MOST_STACKED = 1024  # of one stack
_BATCH_BYTES = 32 << 20  # of source files

Compared = tuple[Entry, ListedFile | None]  # a stored image, and the source file that it is compared with


@dataclass(frozen=True)
class EntryTask:
    """Some images of one part, each with the source file it is compared with, if any; `options` are the stage's."""

    number: int
    run: Run
    images: tuple[IndexRow, ...]
    sources: tuple[ListedFile | None, ...]
    options: Any = None

    @property
    def bytes(self) -> int:
        """Source bytes of the largest image: what a worker holds at a time."""
        return max(image.facts.source_bytes for image in self.images)

    @property
    def source_bytes(self) -> int:
        """Source bytes of all images, for progress."""
        return sum(image.facts.source_bytes for image in self.images)


def entry_tasks(entries: Iterable[Entry | Compared], options: Any) -> Iterator[EntryTask]:
    """Yield groups of consecutive entries of the same part, a bounded number at a time."""
    batch: list[Compared] = []
    number = size = 0
    for item in entries:
        entry, source = item if isinstance(item, tuple) else (item, None)
        if batch and (
            _place(entry) != _place(batch[0][0])
            or _is_full(batch, entry)
            or size + entry.index_row.facts.source_bytes > _BATCH_BYTES
        ):
            yield _task(number, batch, options)
            number, batch, size = number + 1, [], 0
        batch.append((entry, source))
        size += entry.index_row.facts.source_bytes
    if batch:
        yield _task(number, batch, options)


def _is_full(batch: list[Compared], entry: Entry) -> bool:
    """Whether the batch is large enough without an entry: images of one stack are read together."""
    stack, last = entry.index_row.stack, batch[-1][0].index_row.stack
    together = stack is not None and stack == last
    return len(batch) >= (_MOST_STACKED if together else _BATCH_IMAGES)


def task_entries(task: EntryTask, archive: Storage, pool: CodecPool) -> Iterator[Entry]:
    """Return the entries of a task again, in a worker."""
    return (Entry(archive, pool, task.run, image) for image in task.images)


def _place(entry: Entry) -> tuple[int, int]:
    return entry.run.number, entry.index_row.part


def _task(number: int, batch: list[Compared], options: Any) -> EntryTask:
    images = tuple(entry.index_row for entry, _ in batch)
    sources = tuple(source for _, source in batch)
    return EntryTask(number, batch[0][0].run, images, sources, options)
