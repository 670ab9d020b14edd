"""Parquet footers taken apart into values, changed, and put together again; and files that have them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tilepress.pipeline.archive.parquet.thrift import BINARY, BYTE, DOUBLE, FALSE, LIST, STRUCT, TRUE

Struct = dict[int, tuple[int, Any]]  # by field number: type, and value; a list is its items' type, and those

COLUMNS, FACTS, STATISTICS, SIZES = 1, 3, 12, 16  # of RowGroup, ColumnChunk, and twice of ColumnMetaData
SCHEMA, GROUPS = 2, 4  # of FileMetaData
TEXT, NUMBER, LONG, REAL, FLAG, HASH, X = range(7)  # columns of `small_file`


def small_file(**options: Any) -> bytes:
    """Return a Parquet file with a column of each type that matters, among them nested ones, in two row groups."""
    rows: Mapping[str, Any] = {
        "text": pa.array(["a", None, "ccc", "d"]),
        "number": pa.array([1, 2, None, 4], pa.int32()),
        "long": pa.array([1, 2, 3, 1 << 40], pa.int64()),
        "real": pa.array([0.5, 1.5, None, -1], pa.float64()),
        "flag": pa.array([True, False, None, True]),
        "hash": pa.array([b"1234", None, b"5678", b"9abc"], pa.binary(4)),
        "tiles": pa.array([[{"x": 1, "name": "t"}], [], None, [{"x": 2, "name": None}] * 2]),
    }
    out = io.BytesIO()
    pq.write_table(pa.table(rows), out, row_group_size=2, store_schema=False, **options)
    return out.getvalue()


def split(file: bytes) -> tuple[bytes, bytes]:
    """Return what a Parquet file has before its footer, and the footer."""
    size = int.from_bytes(file[-8:-4], "little")
    return file[: -8 - size], file[-8 - size : -8]


def joined(body: bytes, footer: bytes) -> bytes:
    """Return the Parquet file of a body and a footer."""
    return body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def changed(file: bytes, change: Callable[[Struct], object]) -> bytes:
    """Return a Parquet file whose footer was changed in place by a function."""
    body, footer = split(file)
    facts = read_struct(footer, 0)[0]
    change(facts)
    return joined(body, write_struct(facts))


def chunk(facts: Struct, column: int, group: int = 0) -> Struct:
    """Return the ColumnChunk of a column in FileMetaData."""
    found: Struct = facts[GROUPS][1][1][group][COLUMNS][1][1][column]
    return found


def chunk_facts(facts: Struct, column: int, group: int = 0) -> Struct:
    """Return the ColumnMetaData of a column in FileMetaData."""
    found: Struct = chunk(facts, column, group)[FACTS][1]
    return found


def read_struct(data: bytes, at: int) -> tuple[Struct, int]:
    """Return the struct that begins at a byte, and where it ends."""
    fields: Struct = {}
    field = 0
    while head := data[at]:
        field += head >> 4
        assert head >> 4, "pyarrow writes no other form"
        value, at = _read(data, at + 1, head & 15)
        fields[field] = head & 15, value
    return fields, at + 1


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def _read(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (TRUE, FALSE):
        return None, at
    if kind in (BYTE, DOUBLE):
        size = 1 if kind == BYTE else 8
        return data[at : at + size], at + size
    if kind == BINARY:
        size, at = _number(data, at)
        return data[at : at + size], at + size
    if kind == STRUCT:
        return read_struct(data, at)
    if kind == LIST:
        count, item = data[at] >> 4, data[at] & 15
        count, at = _number(data, at + 1) if count == 15 else (count, at + 1)
        items = []
        for _ in range(count):
            value, at = _read(data, at, item)
            items.append(value)
        return (item, items), at
    value, at = _number(data, at)
    return (value >> 1) ^ -(value & 1), at


def unsigned(value: int) -> bytes:
    """Return a number as the protocol writes it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def write_struct(fields: Struct) -> bytes:
    """Return the bytes of a struct; its fields in the order of the dictionary."""
    out, last = b"", 0
    for field, (kind, value) in fields.items():
        near = 0 < field - last < 16
        out += bytes([(field - last) << 4 | kind]) if near else bytes([kind]) + write(5, field)
        out += write(kind, value)
        last = field
    return out + b"\0"


def write(kind: int, value: Any) -> bytes:
    """Return the bytes of a value; a value that is bytes already, where its type has other ones, as it is."""
    if kind in (TRUE, FALSE):
        return b""
    if kind in (BYTE, DOUBLE):
        return bytes(value)
    if kind == BINARY:
        return unsigned(len(value)) + value
    if kind == STRUCT:
        return write_struct(value)
    if kind == LIST:
        item, items = value
        head = bytes([len(items) << 4 | item]) if len(items) < 15 else bytes([0xF0 | item]) + unsigned(len(items))
        return head + b"".join(write(item, each) for each in items)
    return unsigned((value << 1) ^ (value >> 127))
