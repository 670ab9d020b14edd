"""Thrift's compact protocol, as far as a Parquet footer has it: where each value ends, with nothing made of them.

(Apache Thrift, doc/specs/thrift-compact-protocol.md.) A struct is walked with a reader for each field that matters;
the others are stepped over, whatever they are. No length is trusted: whatever leads beyond the bytes is an IndexError,
and everything else that no writer of the format writes is a ValueError.

The readers of Thrift in C++ take the last of several fields of one number, or a mixture of them, and ignore what type
a list says its items have. So fields that do not ascend are refused here, and lists of another type than the format's
(`list_of`): what is checked is then what they read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_INTEGERS = frozenset({I16, I32, I64})
_SIZES = {BYTE: 1, DOUBLE: 8}
_MOST_BITS = 64
_MOST_FIELD = (1 << 15) - 1
_DEPTH = 16  # of values in values; a footer has 6

Fields = dict[int, tuple[int, int]]  # of a struct: number -> type, and where the value begins
Reader = Callable[[bytes, int, int], int]  # bytes, where a value begins and its type -> where it ends


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the unsigned number that begins at a byte, and where it ends."""
    value = data[at] & 127
    shift = 7
    while data[at] > 127:
        at += 1
        value |= (data[at] & 127) << shift
        shift += 7
        if shift > _MOST_BITS + 7:
            raise ValueError("a number has more bytes than the protocol gives it")
    return value, at + 1


def integer(data: bytes, at: int) -> tuple[int, int]:
    """Return the signed number (I16, I32 or I64) that begins at a byte, and where it ends."""
    value, at = varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def binary(data: bytes, at: int, kind: int) -> bytes:
    """Return the bytes of a value that must be a string."""
    if kind != BINARY:
        raise ValueError(f"a value of type {kind} in the place of a text")
    length, at = varint(data, at)
    return data[at : at + length]


def list_of(item: int, data: bytes, at: int, kind: int) -> tuple[int, int]:
    """Return the number of items of a value that must be a list of that type, and where the first one begins."""
    if kind != LIST or data[at] & 15 != item:
        raise ValueError(f"a value of type {kind} in the place of a list of type {item}")
    count = data[at] >> 4
    return (count, at + 1) if count < 15 else varint(data, at + 1)


def walk(data: bytes, at: int, readers: Mapping[int, Reader], depth: int = _DEPTH, found: Fields | None = None) -> int:
    """Walk through the struct that begins at a byte, and return where it ends.

    Args:
        data: The bytes.
        at: Where the struct begins.
        readers: By field number, for fields that are looked into on the way.
        depth: How many values in values the other fields may be.
        found: Gets the fields that the struct has, if it is given.
    """
    field, head = 0, data[at]
    while head:
        at += 1
        last, kind = field, head & 15
        if head > 15:
            field += head >> 4
        else:
            field, at = integer(data, at)
        if not last < field <= _MOST_FIELD:
            raise ValueError(f"field {field} of a struct comes after field {last}")
        if found is not None:
            found[field] = kind, at
        if field in readers:
            at = readers[field](data, at, kind)
        elif kind in _INTEGERS:  # here and not in skip, being most of them
            while data[at] > 127:
                at += 1
            at += 1
        elif kind == BINARY and data[at] < 128:
            at += 1 + data[at]
        else:
            at = skip(data, at, kind, depth)
        head = data[at]
    return at + 1


def skip(data: bytes, at: int, kind: int, depth: int = _DEPTH) -> int:
    """Return where the value ends that begins at a byte and has a type, one that a field of a struct may have."""
    if depth == 0:
        raise ValueError("values are nested too deep")
    if kind in (TRUE, FALSE):  # the type of a field is its value
        return at
    if kind in _SIZES:
        return at + _SIZES[kind]
    if kind in _INTEGERS:
        return varint(data, at)[1]
    if kind == BINARY:
        length, at = varint(data, at)
        return at + length
    if kind == STRUCT:
        return walk(data, at, {}, depth - 1)
    if kind in (LIST, SET):
        item = data[at] & 15
        count, at = list_of(item, data, at, LIST)
        return _skip_items(data, at, count, (item,), depth - 1)
    if kind == MAP:
        count, at = varint(data, at)
        return _skip_items(data, at + 1, count, (data[at] >> 4, data[at] & 15), depth - 1) if count else at
    raise ValueError(f"there is no type {kind}")


def _skip_items(data: bytes, at: int, count: int, kinds: tuple[int, ...], depth: int) -> int:
    """Step over items, of which each takes a byte at least: a count that is too large ends where the bytes do."""
    for _ in range(count):
        for kind in kinds:
            at = at + 1 if kind in (TRUE, FALSE) else skip(data, at, kind, depth)
            if at > len(data):
                raise IndexError("a list is longer than what is there")
    return at
