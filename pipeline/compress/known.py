"""What an archive holds of the sizes of a plan's files: where a file may be that is stored already.

A row of numbers is kept of each stored file whose size a planned file has, and nothing of all others.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Collection, Hashable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from tilepress.pipeline.archive.fidelity import Fidelity
from tilepress.pipeline.archive.index_row import IndexRow, index_row_or_damage
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.plan import ADD, Plan, PlannedFile
from tilepress.pipeline.archive.schema import NO_FILES, PIXEL_METHODS, SAME, UNTRUSTED
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.contents import key_of
from tilepress.pipeline.reading.history import has_content

_COLUMNS = ["image", "source_bytes", "modified_ns", "fidelity", "reason_code"]
MOST_NEAR, MOST_OF_A_SIZE = 4, 16  # candidates of a file: those of its path or time, and any others of its size
_CACHED_ROWS = 1 << 12  # all files of one size have the same few candidates by their size


class KnownContent:
    """Finds candidates for a planned file: of its size and path, of its size and time, of its size."""

    def __init__(self, archive: Archive, plan: Plan, wanted: Fidelity, again: Collection[str] = ()) -> None:
        """Walk the index of the archive once.

        Args:
            archive: Without the run that is planned.
            plan: Its files are those that candidates are found for.
            wanted: Content that is held less exactly is no candidate.
            again: Reason codes of content that is to be stored again.
        """
        self._archive = archive
        sizes = set(planned_sizes(plan)[0].tolist())
        columns = [array("q") for _ in range(5)]  # run, image, size, path, time
        for run, row in _stored(archive, wanted, {UNTRUSTED, *again}):
            if row["source_bytes"] in sizes:
                keys = content_keys(row["source_bytes"], row["path"], row["modified_ns"])
                for column, value in zip(columns, (run, row["image"], *keys), strict=True):
                    column.append(value)
        self._runs, self._images, *keys_of_rows = (np.frombuffer(c, np.int64) for c in columns)
        self._by_size, self._by_path, self._by_time = map(_Sorted, keys_of_rows)
        self._views = {view.run.number: view for view in archive.runs}
        self._held = lru_cache(maxsize=_CACHED_ROWS)(self._read)

    def candidates(self, file: PlannedFile) -> tuple[tuple[Run, IndexRow], ...]:
        """Return the rows that may have the content of a file, each with its run; what is held most exactly first."""
        if not file.bytes or file.kind:
            return ()
        size, path, time = content_keys(file.bytes, file.path, file.modified_ns)
        near = [*self._by_path.find(path, MOST_NEAR), *self._by_time.find(time, MOST_NEAR)]
        others = self._by_size.find(size, MOST_OF_A_SIZE)
        found: dict[Hashable, tuple[Run, IndexRow]] = {}
        for at in dict.fromkeys([*near, *others]):
            if (held := self._held(at)) is None:
                continue
            key, run, image = held
            likely = at in near or image.file.file_sha256  # others of unknown hash would all have to be decoded
            if likely and not image.damage and image.facts.source_bytes == file.bytes:
                found.setdefault(key, (run, image))
        return tuple(sorted(found.values(), key=lambda each: _looseness(each[1])))

    def _read(self, at: int) -> tuple[Hashable, Run, IndexRow] | None:
        """The content of a stored file: what is the same for files that refer to it, its run, and its row."""
        view = self._views[int(self._runs[at])]
        row = view.index.at(int(self._images[at]))
        if row is None:
            return None
        held, content = version = self._archive.content((view, dict(row)))
        return key_of(version), held.run, index_row_or_damage(content)


def _stored(archive: Archive, wanted: Fidelity, again: Collection[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows that may be referred to, with the number of their run."""
    for history in archive.histories(_COLUMNS):
        for version in filter(has_content, history):
            view, row = version
            pixels = row["method"] in (*PIXEL_METHODS, SAME)
            looser = pixels and Fidelity.parse(row["fidelity"]).looser_than(wanted)
            plain = row["method"] not in NO_FILES
            if plain and row["source_bytes"] and row["reason_code"] not in again and not looser:
                yield view.run.number, row


def _looseness(image: IndexRow) -> float:
    """How far from the source an image may be, in levels."""
    bound = image.facts.promised.bound if image.facts.method in PIXEL_METHODS else 0
    return math.inf if bound is None else bound


def planned_sizes(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Return the sizes of the files of a plan, int64 (n,) ascending, and how many files have each, int64 (n,)."""
    sizes = array("q", (file.bytes for file in plan.files() if file.state == ADD and file.bytes))
    return np.unique(np.frombuffer(sizes, np.int64), return_counts=True)


def content_keys(size: int, name: str, modified_ns: int | None) -> tuple[int, int, int]:
    """Return what files of one size, of one size and name, and of one size and time have in common."""
    high = (size & 0x7FFFFFFF) << 32
    return size, high | zlib.crc32(name.encode(errors="surrogatepass")), high | zlib.crc32(str(modified_ns).encode())


class _Sorted:
    """Numbers that are found by their value."""

    def __init__(self, values: np.ndarray) -> None:
        self._order = np.argsort(values, kind="stable")
        self._sorted = values[self._order]

    def find(self, value: int, most: int) -> list[int]:
        """The places of the first few that have a value."""
        start, end = np.searchsorted(self._sorted, [value, value + 1])
        return [int(at) for at in self._order[start : min(end, start + most)]]
