"""What a new run has to do: the difference between a source and what the archive holds of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tilepress.pipeline.plan import ADD, GONE, PlannedFile
from tilepress.pipeline.reader import Archive
from tilepress.pipeline.storage import Entry

_COLUMNS = ["path", "method", "source_bytes", "modified_ns", "etag"]


def planned_files(entries: Iterable[Entry], archive: Archive | None, *, mark_gone: bool) -> Iterator[PlannedFile]:
    """New, changed and failed files to add, and files to mark as gone, in path order.

    Both sides are walked once in the same order, so memory does not grow with them. A file is unchanged if its size
    and its etag (or, where there is none, its modification time) are those of the newest row about it.
    """
    known = _newest(archive) if archive else iter(())
    row = next(known, None)
    for entry in entries:
        key = entry.name.encode()
        while row is not None and row["path"].encode() < key:
            yield from _gone(row, mark_gone)
            row = next(known, None)
        same = row is not None and row["path"] == entry.name
        if not same or not _unchanged(row, entry):
            yield _addition(entry)
        if same:
            row = next(known, None)
    while row is not None:
        yield from _gone(row, mark_gone)
        row = next(known, None)


def _newest(archive: Archive) -> Iterator[dict[str, Any]]:
    return (versions[-1][1] for versions in archive.histories(_COLUMNS))


def _unchanged(row: dict[str, Any] | None, entry: Entry) -> bool:
    if row is None or row["method"] in ("none", "gone") or row["source_bytes"] != entry.size:
        return False
    if entry.etag:
        return bool(row["etag"] == entry.etag)
    return bool(row["modified_ns"] == entry.modified_ns)


def _gone(row: dict[str, Any], mark_gone: bool) -> Iterator[PlannedFile]:
    if mark_gone and row["method"] != "gone":
        yield PlannedFile(0, 0, GONE, row["path"])


def _addition(entry: Entry) -> PlannedFile:
    return PlannedFile(0, 0, ADD, entry.name, entry.locator, entry.size, entry.modified_ns, entry.etag)
