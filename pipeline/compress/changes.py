"""What a new run has to do: the difference between a source and what the archive holds of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from tilepress.pipeline.archive.fidelity import Fidelity
from tilepress.pipeline.archive.plan import PlannedFile
from tilepress.pipeline.archive.schema import CONTENTLESS, FORGOTTEN, GONE, PIXEL_METHODS, SAME, kind_of
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.storage.base import ListedFile
from tilepress.pipeline.storage.ordered import merge_join

_COLUMNS = ["path", "method", "fidelity", "reason_code", "source_bytes", "modified_ns", "etag", "permissions"]


def planned_files(
    entries: Iterable[ListedFile],
    archive: Archive | None,
    wanted: Fidelity,
    *,
    is_gone: Callable[[str], bool],
    again: Collection[str] = (),
) -> Iterator[PlannedFile]:
    """Yield new, changed and failed files to add, and files to mark as gone, in path order.

    `is_gone` is asked of each file that the archive has and the entries lack, when the entries are past its name:
    whether it is gone from the source, and not merely left out or unreadable.

    With reason codes in `again`, those files alone are yielded of which the archive has one of these to say.

    Both sides are walked once in the same order, so memory does not grow with them. A file is unchanged if its kind
    (file, link or folder), its size, its permissions and its etag (or, where there is none, its modification time) are
    those of the newest row about it, and it is stored at least as exactly as is wanted.
    """
    known = _newest(archive) if archive is not None else iter(())
    for entry, row in merge_join(entries, known, lambda entry: entry.name, lambda row: str(row["path"])):
        if again:
            if entry is not None and row is not None and row["reason_code"] in again:
                yield _addition(entry)
        elif entry is not None and (row is None or not _unchanged(row, entry) or _looser(row, wanted)):
            yield _addition(entry)
        elif entry is None and row is not None and row["method"] not in (GONE, FORGOTTEN) and is_gone(row["path"]):
            yield PlannedFile(0, 0, GONE, row["path"])


def _addition(entry: ListedFile) -> PlannedFile:
    return PlannedFile.of(entry)


def _newest(archive: Archive) -> Iterator[dict[str, Any]]:
    return (history.newest[1] for history in archive.histories(_COLUMNS))


def _unchanged(row: dict[str, Any], entry: ListedFile) -> bool:
    if row["method"] in CONTENTLESS or kind_of(row["method"]) != entry.kind or row["source_bytes"] != entry.size:
        return False
    if None not in (row["permissions"], entry.permissions) and row["permissions"] != entry.permissions:
        return False
    if entry.etag:
        return bool(row["etag"] == entry.etag)
    return bool(row["modified_ns"] == entry.modified_ns)


def _looser(row: dict[str, Any], wanted: Fidelity) -> bool:
    """Whether an image is stored less exactly than is wanted now; whatever is not pixels is bytes of the file."""
    return row["method"] in (*PIXEL_METHODS, SAME) and Fidelity.parse(row["fidelity"]).looser_than(wanted)
