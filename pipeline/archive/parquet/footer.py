"""A Parquet footer from elsewhere, looked at before pyarrow is: what pyarrow does not survive is refused.

Arrow throws C++ exceptions where a footer contradicts itself. pyarrow catches them when it opens a file, but not in
`RowGroupMetaData.column` and what that returns: there the process ends (seen with pyarrow 26.0.1). Where a chunk says
another type than its column, values are even taken for pointers. So every chunk must fit the schema: there are as many
as columns, each with facts, not encrypted, of the column's type and path, with statistics that are values of that type
and with histograms of its levels. No writer of the format writes anything else.

Numbers of fields are those of parquet.thrift (apache/parquet-format).
"""

from __future__ import annotations

import io
from functools import partial
from typing import BinaryIO, NoReturn

from tilepress.pipeline.archive.parquet.schema import BYTE_ARRAY, Column, read_schema
from tilepress.pipeline.archive.parquet.thrift import (
    BINARY,
    I32,
    I64,
    LIST,
    STRUCT,
    Reader,
    list_of,
    varint,
    walk,
)
from tilepress.pipeline.errors import IntegrityError

MAX_FOOTER = 64 << 20
MOST_CHUNKS = 1 << 20  # pyarrow takes a kilobyte for each; an index of 10 million images has 39,000
_MAGIC, _MAGIC_ENCRYPTED = b"PAR1", b"PARE"
_CODECS = bytes(range(0, 16, 2))  # from UNCOMPRESSED to LZ4_RAW, as numbers are written: doubled
_END = 8  # bytes: the length of the footer, and the magic


def read_footer(file: BinaryIO, name: str) -> bytes:
    """Return the footer of a Parquet file, FileMetaData alone; IntegrityError unless pyarrow may have it."""
    try:
        data = _footer_of(file)
        _File().walk(data)
    except (ValueError, IndexError, OSError) as exc:
        raise IntegrityError(f"{name}: not a readable Parquet file ({exc})") from exc
    return data


def file_of(footer: bytes) -> bytes:
    """Return a Parquet file that has a footer, and nothing else."""
    return b"".join((_MAGIC, footer, len(footer).to_bytes(4, "little"), _MAGIC))


def _footer_of(file: BinaryIO) -> bytes:
    size = file.seek(0, io.SEEK_END)
    if size < len(_MAGIC) + _END:
        raise ValueError(f"it has {size} bytes")
    file.seek(size - _END)
    end = file.read(_END)
    length, magic = int.from_bytes(end[:4], "little"), end[4:]
    if magic == _MAGIC_ENCRYPTED:
        raise ValueError("its footer is encrypted")
    if magic != _MAGIC or not 0 < length <= min(size - len(_MAGIC) - _END, MAX_FOOTER):
        raise ValueError("it does not end as a Parquet file does")
    file.seek(size - _END - length)
    data = file.read(length)
    if len(data) != length:
        raise ValueError("it is shorter than it was a moment ago")
    return data


class _File:
    """Walks through FileMetaData."""

    def __init__(self) -> None:
        self._chunks: list[_Chunks] = []
        self._group: dict[int, Reader] = {1: self._columns, 4: _structs}  # RowGroup: columns, sorting_columns
        self._number = 0

    def walk(self, data: bytes) -> None:
        """ValueError or IndexError unless pyarrow survives the footer."""
        readers: dict[int, Reader] = {2: self._schema, 4: self._groups, 5: _structs, 7: _structs}
        walk(data, 0, {**readers, 8: _encrypted, 9: _encrypted})  # key_value_metadata, column_orders

    def _schema(self, data: bytes, at: int, kind: int) -> int:
        columns, at = read_schema(data, at, kind)
        self._chunks = [_Chunks(column) for column in columns]
        return at

    def _groups(self, data: bytes, at: int, kind: int) -> int:
        count, at = list_of(STRUCT, data, at, kind)
        if count * len(self._chunks) > MOST_CHUNKS:
            raise ValueError(f"it has {count} row groups of {len(self._chunks)} columns")
        for self._number in range(count):
            at = walk(data, at, self._group)
        return at

    def _columns(self, data: bytes, at: int, kind: int) -> int:
        count, at = list_of(STRUCT, data, at, kind)
        if count != len(self._chunks):
            raise ValueError(f"row group {self._number} has {count} chunks for {len(self._chunks)} columns")
        for chunks in self._chunks:
            try:
                at = chunks.walk(data, at)
            except ValueError as exc:
                raise ValueError(f"column {chunks.column} of row group {self._number}: {exc}") from exc
        return at


class _Chunks:
    """Walks through the chunks of one column: ColumnChunk, and the structs in it."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self._path = _encoded(column.path)
        self._known = False  # whether the facts of a chunk were met
        self._chunk: dict[int, Reader] = {3: self._meta_data, 8: _encrypted, 9: _encrypted}
        self._facts: dict[int, Reader] = {
            1: self._type,
            2: _Again(_numbers),  # encodings
            3: self._path_in_schema,
            4: _codec,
            8: _structs,  # key_value_metadata
            12: self._statistics,
            13: _Again(_structs),  # encoding_stats
            16: self._size_statistics,
            17: _geospatial,
        }
        self._values: dict[int, Reader] = dict.fromkeys((1, 2, 5, 6), self._value)  # max, min, max_value, min_value
        self._sizes: dict[int, Reader] = {
            1: self._unencoded_bytes,
            2: partial(_histogram, column.repetition),
            3: partial(_histogram, column.definition),
        }

    def walk(self, data: bytes, at: int) -> int:
        """Return where the ColumnChunk ends that begins at a byte; ValueError unless it fits the column."""
        self._known = False
        at = walk(data, at, self._chunk)
        if not self._known:
            raise ValueError("its chunk has no facts")
        return at

    def _meta_data(self, data: bytes, at: int, kind: int) -> int:
        self._known = True
        return walk(data, _struct(at, kind), self._facts)

    def _type(self, data: bytes, at: int, kind: int) -> int:
        if kind != I32 or data[at] != 2 * self.column.kind:  # a small number is its double, in one byte
            raise ValueError("its chunk is of another type")
        return at + 1

    def _path_in_schema(self, data: bytes, at: int, kind: int) -> int:
        if kind != LIST or not data.startswith(self._path, at):
            raise ValueError("its chunk is of another column")
        return at + len(self._path)

    def _statistics(self, data: bytes, at: int, kind: int) -> int:
        return walk(data, _struct(at, kind), self._values)

    def _value(self, data: bytes, at: int, kind: int) -> int:
        length, at = varint(data, at)
        if kind != BINARY or self.column.width not in (0, length):
            raise ValueError(f"its statistics have a value of {length} bytes")
        return at + length

    def _size_statistics(self, data: bytes, at: int, kind: int) -> int:
        return walk(data, _struct(at, kind), self._sizes)

    def _unencoded_bytes(self, data: bytes, at: int, kind: int) -> int:
        if kind != I64 or self.column.kind != BYTE_ARRAY:
            raise ValueError("its size statistics are those of texts")
        return varint(data, at)[1]


class _Again:
    """A reader that knows the last value again: no value is the beginning of another, so equal bytes are equal."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._last = 0, b""

    def __call__(self, data: bytes, at: int, kind: int) -> int:
        """Return where the value ends."""
        last, known = self._last
        if kind == last and data.startswith(known, at):
            return at + len(known)
        end = self._reader(data, at, kind)
        self._last = kind, data[at:end]
        return end


def _encoded(path: tuple[bytes, ...]) -> bytes:
    """A path as a chunk has it: a list of texts."""
    texts = (_unsigned(len(name)) + name for name in path)
    short = len(path) < 15
    head = bytes([len(path) << 4 | BINARY]) if short else bytes([0xF0 | BINARY]) + _unsigned(len(path))
    return head + b"".join(texts)


def _unsigned(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _struct(at: int, kind: int) -> int:
    if kind != STRUCT:
        raise ValueError(f"a value of type {kind} in the place of a struct")
    return at


def _structs(data: bytes, at: int, kind: int) -> int:
    count, at = list_of(STRUCT, data, at, kind)
    for _ in range(count):
        at = walk(data, at, {})
    return at


def _numbers(data: bytes, at: int, kind: int) -> int:
    count, at = list_of(I32, data, at, kind)
    for _ in range(count):
        at = varint(data, at)[1]
    return at


def _histogram(highest: int, data: bytes, at: int, kind: int) -> int:
    count, at = list_of(I64, data, at, kind)
    if count not in (0, highest + 1):
        raise ValueError(f"its size statistics have a histogram of {count} levels, and not {highest + 1}")
    for _ in range(count):
        while data[at] > 127:
            at += 1
        at += 1
    return at


def _codec(data: bytes, at: int, kind: int) -> int:
    if kind != I32 or data[at] not in _CODECS:
        raise ValueError("its chunk is compressed by no known codec")
    return at + 1


def _encrypted(data: bytes, at: int, kind: int) -> NoReturn:
    raise ValueError("it is encrypted, or part of it")


def _geospatial(data: bytes, at: int, kind: int) -> NoReturn:
    raise ValueError("its statistics are those of places on a map")
