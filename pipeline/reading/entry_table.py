"""Entries as a sequence that travels: rows of the index in one Arrow table, a few hundred bytes an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, overload

import pyarrow as pa

from tilepress.pipeline.archive.index_row import index_row
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.schema import IMAGE_COLUMNS, INDEX_SCHEMA
from tilepress.pipeline.reading.image import Entry, entry_at
from tilepress.pipeline.reading.run_view import RunView
from tilepress.pipeline.storage.base import Location

Current = tuple[RunView, dict[str, Any], bool]  # the run that holds an image, its index row, whether it is gone
_BATCH_ROWS = 4096
_NAMED = pa.struct([INDEX_SCHEMA.field(name) for name in IMAGE_COLUMNS])  # see `content_of`
_SCHEMA = pa.schema([*INDEX_SCHEMA, ("run", pa.int32()), ("gone", pa.bool_()), ("named", _NAMED)])


@dataclass(frozen=True)
class EntryTable(Sequence[Entry]):
    """Entries of the archive at a location, by number. Pickles, and shares its memory with forked processes."""

    location: Location
    rows: pa.Table  # of the index, with the number of the run and whether the source no longer has the image

    @classmethod
    def of(cls, location: Location, current: Iterable[Current], wanted: Callable[[dict[str, Any]], bool]) -> EntryTable:
        """Return the current entries whose index rows are wanted, in their order; a batch of rows at a time."""
        rows = (row | {"run": view.run.number, "gone": gone} for view, row, gone in current if wanted(row))
        tables = [pa.Table.from_pylist(batch, schema=_SCHEMA) for batch in _batches(rows)]
        return cls(location.absolute(), pa.concat_tables([_SCHEMA.empty_table(), *tables]).combine_chunks())

    def slices(self, images: int, size: int) -> Iterator[EntryTable]:
        """Return all entries in tables of at most so many images, and of files of `size` bytes or one image."""
        start = held = 0
        sizes = self.rows.column("source_bytes").to_pylist()
        for at, each in enumerate(sizes):
            if at > start and (at - start == images or held + each > size):
                yield self._slice(start, at)
                start, held = at, 0
            held += each
        if start < len(sizes):
            yield self._slice(start, len(sizes))

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...

    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        (row,) = self.rows.slice(at, 1).to_pylist()
        return entry_at(self.location, Run(row["run"]), index_row(row), row["gone"])

    def _slice(self, start: int, end: int) -> EntryTable:
        # Copied: a slice of a table pickles with all of the table's memory.
        return EntryTable(self.location, self.rows.take(pa.array(range(start, end))))


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, _BATCH_ROWS)):
        yield batch
