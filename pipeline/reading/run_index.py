"""The index of a complete run as readers use it: a small one is checked whole, a large one where it is read.

That of ten million images is 800 MB. Its footer names every group of rows, the manifest has the footer's hash, and
every page has a checksum: a reader fetches the footer, and the groups that it looks into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from threading import Lock
from typing import Any

from tilepress.pipeline.archive.index import DerivedIndex, Index
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.manifest import Manifest
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile

_LARGE = 16 << 20  # bytes

Derive = Callable[[str], DerivedIndex]  # from what is wrong with the index to the rows of the parts


class LargeIndex:
    """An index of which only the footer was checked; where rows turn out to be damaged, those of the parts are used."""

    def __init__(self, index: Index, derive: Derive) -> None:
        self._index: Index | DerivedIndex = index
        self._derive, self._deriving = derive, Lock()
        self.rows = index.rows

    def find(self, path: str) -> Mapping[str, Any] | None:
        """Return the row of a path."""
        try:
            return self._index.find(path)
        except IntegrityError as exc:
            return self._derived(exc).find(path)

    def at(self, image: int) -> Mapping[str, Any] | None:
        """Return the row of the image of a number."""
        try:
            return self._index.at(image)
        except IntegrityError as exc:
            return self._derived(exc).at(image)

    def walk(self, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield all rows in path order."""
        last, rows = dict[str, Any](), 0
        try:
            for row in self._index.walk(columns):
                yield row
                last, rows = row, rows + 1
        except IntegrityError as exc:
            yield from _behind(last, rows, self._derived(exc).walk(columns))

    def _derived(self, damage: IntegrityError) -> DerivedIndex:
        with self._deriving:  # once, whatever thread comes first: it reads all parts
            if not isinstance(self._index, DerivedIndex):
                self._index = self._derive(str(damage))
            return self._index


def _behind(last: Mapping[str, Any], rows: int, walk: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows behind the last one; parts may have more rows than an index, or fewer: then only their order counts."""
    if not rows:
        return walk
    if last.get("image") is not None:
        return (row for row in walk if row["image"] > last["image"])
    if "path" in last:
        return (row for row in walk if row["path"].encode() > last["path"].encode())
    return islice(walk, rows, None)


def open_index(storage: Storage, run: Run, manifest: Manifest, derive: Derive, *, checked: bool) -> Index | LargeIndex:
    """Open the index that a manifest names; IntegrityError where it is damaged, as far as that shows.

    Args:
        storage: The archive's.
        run: Which run.
        manifest: That of the run.
        derive: Gives the rows of the parts, where a large index turns out to be damaged later.
        checked: Check a large one whole, too, by reading all of it.
    """
    if manifest.index_footer and not checked and storage.size(run.index) > _LARGE:
        file = RangeFile(storage, run.index)
        return LargeIndex(Index(file, run.index, footer=manifest.index_footer), derive)
    return Index(storage.read(run.index), run.index, manifest.index_seal)
