"""What the run under way has committed: a later shard's copies of these files refer to them.

Of copies in two shards that are coded at the same time, both are stored.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from posixpath import basename
from typing import Any

import numpy as np
import pyarrow as pa

from tilepress.pipeline.archive.index import IndexSpool
from tilepress.pipeline.archive.index_row import IndexRow, index_row
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.plan import Plan, PlannedFile
from tilepress.pipeline.archive.schema import NO_FILES, SAME, UNTRUSTED
from tilepress.pipeline.compress.known import MOST_NEAR, MOST_OF_A_SIZE, content_keys, planned_sizes

_COLUMNS = ["image", "path", "source_bytes", "modified_ns", "method", "reason_code", "file_sha256"]
_MOST = 1 << 20  # stored files that are remembered: about 200 MB
_CACHED_SHARDS = 8  # whose rows are at hand: copies of a folder's files come in its order
_CACHED_ROWS = 1 << 12  # all files of one size have the same few candidates by their size
_SHARD_BITS = 32
_Key = tuple[str, int]


class CommittedContent:
    """Finds candidates for a planned file among those that the run has committed: of its size and name, time, or size.

    Only sizes are looked at that several files of the plan have.
    """

    def __init__(self, run: Run, plan: Plan, spool: IndexSpool) -> None:
        """`spool`: has the index rows of a shard by the time that `add` is told of it."""
        self._run, self._spool = run, spool
        sizes, counts = planned_sizes(plan)
        self._repeated = frozenset(sizes[counts > 1].tolist())
        self._places: dict[_Key, array[int]] = {}  # by what is alike: where the first few are
        self._count = 0
        self._rows = lru_cache(maxsize=_CACHED_SHARDS)(spool.get)
        self._row = lru_cache(maxsize=_CACHED_ROWS)(self._read_row)

    def add(self, shard: int) -> None:
        """Take note of the files of a shard that was committed."""
        if not self._repeated:
            return
        for row in self._spool.get(shard).select(_COLUMNS).to_pylist():
            if self._count < _MOST and self._is_worth_noting(row):
                self._note(shard, row)

    def candidates(self, file: PlannedFile) -> tuple[tuple[Run, IndexRow], ...]:
        """Return the rows that may have the content of a file, each with the run."""
        if not file.bytes or file.kind:
            return ()
        places = chain(*map(self._at, _keys(file.bytes, file.path, file.modified_ns)))
        return tuple((self._run, self._row(at)) for at in dict.fromkeys(places))

    def _is_worth_noting(self, row: dict[str, Any]) -> bool:
        plain = row["method"] not in (*NO_FILES, SAME)
        return plain and row["source_bytes"] in self._repeated and row["reason_code"] != UNTRUSTED

    def _note(self, shard: int, row: dict[str, Any]) -> None:
        self._count += 1
        keys = _keys(row["source_bytes"], row["path"], row["modified_ns"])
        # A row of a small image in a stack has no SHA-256: its file has to be made again to be compared. Thousands of
        # small images that were written at once have one time, and some hundred sizes: only the name makes it likely.
        telling = len(keys) if row["file_sha256"] else 1
        for key, most in zip(keys[:telling], (MOST_NEAR, MOST_NEAR, MOST_OF_A_SIZE), strict=False):
            places = self._places.setdefault(key, array("q"))
            if len(places) < most:
                places.append(shard << _SHARD_BITS | row["image"])

    def _at(self, key: _Key) -> Sequence[int]:
        return self._places.get(key, ())

    def _read_row(self, at: int) -> IndexRow:
        table: pa.Table = self._rows(at >> _SHARD_BITS)
        images = table.column("image").to_numpy()
        where = int(np.searchsorted(images, at & ((1 << _SHARD_BITS) - 1)))
        return index_row(table.slice(where, 1).to_pylist()[0])


def _keys(size: int, path: str, modified_ns: int | None) -> list[_Key]:
    """What copies have in common, nearest first: a copy has another path, and most often the name or the time."""
    of_size, of_name, of_time = content_keys(size, basename(path), modified_ns)
    return [("name", of_name), ("time", of_time), ("size", of_size)]
