"""The index of a run: one row an image in path order, with everything needed to fetch it by byte ranges."""

from __future__ import annotations

import io
import math
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from tilepress.pipeline.archive.parquet.reading import check_schema, footer_metadata, open_parquet, read_group
from tilepress.pipeline.archive.part import ENCODINGS
from tilepress.pipeline.archive.plan import PlannedFile, Shard
from tilepress.pipeline.archive.schema import FILE, FORGOTTEN, GONE, INDEX_SCHEMA, NAMING_FACTS
from tilepress.pipeline.archive.sealed import REMADE_KEY, SealedWriter, check_footer, check_seal, footer_hash
from tilepress.pipeline.errors import AlreadyExists, IntegrityError
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile

FORMAT = "tilepress-index-1"
_ENCODINGS = {name: kind for name, kind in ENCODINGS.items() if name in INDEX_SCHEMA.names}
_UNIQUE = ("etag", "file_sha256", "pixels_sha256")
_GROUP_ROWS = 4096
_SMALL_GROUPS, _LARGE_GROUP_ROWS = 1 << 18, 1 << 14  # rows in small groups, and of a group behind them: small footers
_CACHED_GROUPS = 16
_AHEAD = 16 << 20  # bytes that are read at once where all rows are
_MARKS = {GONE: "the source no longer had it", FORGOTTEN: "it was to be forgotten"}
_PATH = INDEX_SCHEMA.names.index("path")  # no nested column comes before it


class IndexSpool:
    """Index rows of each shard as workers report them, in a nameless local file until the run is complete."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`, or with the process
        self._spans: dict[int, tuple[int, int]] = {}

    def put(self, shard: int, rows: bytes) -> None:
        """Keep a shard's rows (an Arrow IPC stream)."""
        self._spans[shard] = self._file.seek(0, io.SEEK_END), len(rows)
        self._file.write(rows)

    def get(self, shard: int) -> pa.Table:
        """Return a shard's rows."""
        start, length = self._spans[shard]
        self._file.seek(start)
        return pa.ipc.open_stream(self._file.read(length)).read_all()

    def close(self) -> None:
        """Free the disk space."""
        self._file.close()


def write_index(shards: Iterable[Shard], spool: IndexSpool, remade: str = "") -> tuple[BinaryIO, str]:
    """Return the index of a run as a sealed scratch file, and its seal; one shard in memory at a time.

    `remade`: the seal of the lost index that this one stands for.
    """
    out = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=16 << 20))  # noqa: SIM115
    writer = SealedWriter(
        out,
        INDEX_SCHEMA,
        compression="ZSTD",
        write_statistics=["path"],
        use_dictionary=_repeated(),
        column_encoding=_ENCODINGS,
    )
    pending, written = list[pa.Table](), 0
    for shard in shards:
        pending.append(_shard_rows(shard, spool))
        group = _GROUP_ROWS if written < _SMALL_GROUPS else _LARGE_GROUP_ROWS
        if (rows := sum(table.num_rows for table in pending)) >= group:
            writer.write(pa.concat_tables(pending), group)
            pending, written = [], written + rows
    if pending:
        writer.write(pa.concat_tables(pending), _LARGE_GROUP_ROWS if written >= _SMALL_GROUPS else _GROUP_ROWS)
    return out, writer.close({"tilepress.format": FORMAT} | ({REMADE_KEY: remade} if remade else {}))


def create_index(storage: Storage, name: str, shards: Iterable[Shard], spool: IndexSpool) -> tuple[str, str]:
    """Store the index of a run as `name`, or accept the same one that is there; return its seal and footer's hash."""
    file, seal = write_index(shards, spool)
    footer = footer_hash(file)
    file.seek(0)
    try:
        storage.create(name, file.read())
    except AlreadyExists:  # by another driver, or by this one before it was killed
        Index(storage.read(name), f"{storage.url}/{name}", seal)
    return seal, footer


def _repeated() -> list[str]:
    """Columns whose values are repeated in many rows: all of the images of a stack have those of the stack."""
    top = [f.name for f in INDEX_SCHEMA if not pa.types.is_nested(f.type) and f.name not in (*_ENCODINGS, *_UNIQUE)]
    nested = [
        f"{path}.{name}"
        for path, kind in (("stacked", _type("stacked")), ("tiles.list.element", _type("tiles").value_type))
        for name in (field.name for field in kind)
    ]
    return [*top, *nested]


def _type(column: str) -> pa.DataType:
    return INDEX_SCHEMA.field(column).type


def _shard_rows(shard: Shard, spool: IndexSpool) -> pa.Table:
    rows = spool.get(shard.number) if shard.additions else INDEX_SCHEMA.empty_table()
    return pa.concat_tables([rows, mark_rows(shard)]).sort_by("image") if shard.marks else rows


def mark_rows(shard: Shard) -> pa.Table:
    """Return index rows of the files of a shard that are gone from the source or forgotten; no part knows of them."""
    return pa.Table.from_pylist([_mark_row(file) for file in shard.marks], schema=INDEX_SCHEMA)


def _mark_row(file: PlannedFile) -> dict[str, Any]:
    return {
        "image": file.image,
        "path": file.path,
        "source_bytes": 0,
        "method": file.state,
        "reason": _MARKS.get(file.state, ""),
    }


def unread_rows(shard: Shard) -> pa.Table:
    """Return index rows of the files of a shard whose part and index cannot be read: as far as the plan knows them.

    They name the files that are damaged, and have no CRC; whoever reads one of these gets an IntegrityError.
    """
    return pa.Table.from_pylist([_unread_row(file) for file in shard.additions], schema=INDEX_SCHEMA)


def _unread_row(file: PlannedFile) -> dict[str, Any]:
    naming = {name: getattr(file, name) for name in NAMING_FACTS}
    content = {"source_bytes": file.bytes, "method": file.kind or FILE, "file_sha256": b""}
    return {"image": file.image, "part": file.shard} | naming | content


class Index:
    """A stored index: looks up a path, or walks all rows in path order; holds a few row groups at a time."""

    def __init__(self, file: Any, name: str, expected_seal: str | None = None, footer: str = "") -> None:
        """IntegrityError if the file is damaged or not the one `expected_seal` names.

        With the hash of its footer only that is read and checked; what else is damaged is told when it is read.
        """
        if isinstance(file, bytes):
            file = io.BytesIO(file)
        self._ranges = file if isinstance(file, RangeFile) else None
        if footer:
            check_footer(file, name, footer)
        else:
            check_seal(file, name, expected_seal, or_remade=True)
        self._parquet = open_parquet(file, name)
        if footer_metadata(self._parquet).get("tilepress.format") != FORMAT:
            raise IntegrityError(f"{name}: not an index that this tilepress reads")
        check_schema(self._parquet, INDEX_SCHEMA, name)
        self._name = name
        self.rows = self._parquet.metadata.num_rows
        self._first = [self._first_path(group) for group in range(self._parquet.num_row_groups)]
        rows = (self._parquet.metadata.row_group(group).num_rows for group in range(self._parquet.num_row_groups))
        self._starts = [0, *accumulate(rows)][:-1]
        self._first_number = lru_cache(maxsize=None)(self._read_first_number)
        self._group = lru_cache(maxsize=_CACHED_GROUPS)(self._read_group)

    def find(self, path: str) -> Mapping[str, Any] | None:
        """Return the row of a path."""
        group = bisect_right(self._first, path.encode(errors="surrogatepass")) - 1
        if group < 0:
            return None
        table, positions = self._group(group)
        at = positions.get(path)
        return None if at is None else cast(dict[str, Any], table.slice(at, 1).to_pylist()[0])

    def at(self, image: int) -> Mapping[str, Any] | None:
        """Return the row of the image of a number."""
        group = bisect_right(self._starts, image) - 1  # rows are numbered from 0, unless some are missing
        if group >= 0 and not self._first_number(group) <= image < self._first_of_next(group):
            group = bisect_right(range(self._parquet.num_row_groups), image, key=self._first_number) - 1
        if group < 0:
            return None
        table, _ = self._group(group)
        found = pc.index(table.column("image"), image).as_py()
        return None if found < 0 else cast(dict[str, Any], table.slice(found, 1).to_pylist()[0])

    def walk(self, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield all rows in path order."""
        for group in range(self._parquet.num_row_groups):
            for batch in self._read(group, columns, _AHEAD).to_batches(_GROUP_ROWS):
                yield from batch.to_pylist()

    def _first_of_next(self, group: int) -> float:
        return self._first_number(group + 1) if group + 1 < self._parquet.num_row_groups else math.inf

    def _read_first_number(self, group: int) -> int:
        """Number of the first image of a row group."""
        column = self._read(group, ["image"]).column("image")
        number = column[0].as_py() if len(column) else -1
        if number is None:
            raise IntegrityError(f"{self._name}: a row has no number")
        return cast(int, number)

    def _first_path(self, group: int) -> bytes:
        """Path of the first row of a group, which is the least: the footer has it, unless it is very long."""
        column = self._parquet.metadata.row_group(group).column(_PATH)
        if column.is_stats_set and column.statistics.has_min_max:
            return cast(bytes, column.statistics.min_raw)
        rows = self._read(group, ["path"])
        return cast(str, rows.column("path")[0].as_py()).encode() if rows.num_rows else b""

    def _read(self, group: int, columns: list[str] | None = None, ahead: int = 0) -> pa.Table:
        """Rows of a group; from a store the whole group by one request, or as much as `ahead`."""
        if self._ranges is not None:
            facts = self._parquet.metadata.row_group(group)
            chunks = [facts.column(at) for at in range(facts.num_columns)]
            start = min(chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks)
            self._ranges.hold(start, max(ahead, sum(chunk.total_compressed_size for chunk in chunks)))
        return self._named(read_group(self._parquet, self._name, group, columns))

    def _named(self, rows: pa.Table) -> pa.Table:
        for column in ("path", "method"):
            if column in rows.schema.names and rows.column(column).null_count:
                raise IntegrityError(f"{self._name}: a row has no {column}")
        return rows

    def _read_group(self, group: int) -> tuple[pa.Table, dict[str, int]]:
        table = self._read(group)
        return table, {path: at for at, path in enumerate(table.column("path").to_pylist())}


class DerivedIndex:
    """Index rows of parts, for a run whose index is damaged or not there yet."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        """`tables` in any order."""
        tables = list(tables)
        table = pa.concat_tables(tables) if tables else INDEX_SCHEMA.empty_table()
        self._table = table.sort_by("image")
        self._positions = {path: at for at, path in enumerate(self._table.column("path").to_pylist())}
        self.rows = self._table.num_rows

    def find(self, path: str) -> Mapping[str, Any] | None:
        """Return the row of a path."""
        at = self._positions.get(path)
        return None if at is None else cast(dict[str, Any], self._table.slice(at, 1).to_pylist()[0])

    def at(self, image: int) -> Mapping[str, Any] | None:
        """Return the row of the image of a number."""
        found = pc.index(self._table.column("image"), image).as_py()
        return None if found < 0 else cast(dict[str, Any], self._table.slice(found, 1).to_pylist()[0])

    def walk(self, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield all rows in path order."""
        table = self._table.select(columns) if columns else self._table
        for batch in table.to_batches(_GROUP_ROWS):
            yield from batch.to_pylist()
