"""The header and first directory of a TIFF or BigTIFF file, read without trusting a number in it.

TIFF 6.0 (Adobe, 1992); BigTIFF as libtiff defines it. Every position is checked against the file, and every count
against a limit, before anything is read or allocated.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tilepress.pipeline.errors import DamagedPicture, LimitExceeded, PictureError, UnsupportedPicture

_MAX_TAGS = 4096
_MAX_VALUES = 1 << 24
_ESSENTIAL = frozenset({256, 257, 258, 273, 324})  # sides, bits, offsets: no reader does without them
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
LONG, LONG8 = 4, 16


class Readable(Protocol):
    """Bytes, a memory map, or a file with its pixels cut out."""

    def __len__(self) -> int: ...

    def __getitem__(self, span: slice, /) -> bytes: ...


@dataclass(frozen=True)
class Tag:
    """One entry of the directory. `entry`: its position; `at`: position of its values, inside the entry or not."""

    code: int
    kind: int
    count: int
    entry: int
    at: int
    nbytes: int

    def lies_in(self, source: Readable) -> bool:
        """Tell whether the file has all bytes of the values."""
        return self.at + self.nbytes <= len(source)


@dataclass(frozen=True)
class Directory:
    """The only directory of a file. `order` is "<" or ">"; `structures` are the ranges that it occupies.

    `describes_bytes`: something in it that fits these stored bytes alone, as in Picture; "" if there is nothing.
    """

    source: Readable
    order: str
    big: bool
    tags: dict[int, Tag]
    structures: tuple[tuple[int, int], ...]
    describes_bytes: str = ""

    def values(self, code: int, default: tuple[int, ...] | None = None) -> np.ndarray:
        """Return all integers of a tag as int64; `default` if it is absent.

        DamagedPicture if readers cannot do without the tag and it is missing or not integers; UnsupportedPicture if
        they can and it is not.
        """
        tag = self.tags.get(code)
        if tag is None:
            if default is None:
                raise _unreadable(code, "is missing")
            return np.array(default, np.int64)
        if tag.kind not in _INTEGERS or tag.count < 1:
            raise _unreadable(code, f"has {tag.count} values of type {tag.kind}")
        if tag.count > _MAX_VALUES:
            raise LimitExceeded(f"TIFF: tag {code} has {tag.count} values; the limit is {_MAX_VALUES}")
        if not tag.lies_in(self.source):
            raise _unreadable(code, "has its values beyond the end of the file")
        raw = np.frombuffer(self.source[tag.at : tag.at + tag.nbytes], self.order + _INTEGERS[tag.kind])
        if raw.min() < 0 or raw.max() >= 1 << 62:
            raise DamagedPicture(f"TIFF: tag {code} holds an impossible number")
        return raw.astype(np.int64)

    def value(self, code: int, default: int | None = None) -> int:
        """Return the integer of a tag, which some writers repeat for every sample of a pixel."""
        values = self.values(code, None if default is None else (default,))
        if (values != values[0]).any():
            raise UnsupportedPicture(f"TIFF whose tag {code} has {len(values)} values where one belongs")
        return int(values[0])

    @property
    def offset_kind(self) -> int:
        """Type of numbers that can hold any offset in this file."""
        return LONG8 if self.big else LONG

    def pack_values(self, kind: int, values: np.ndarray) -> bytes | None:
        """Return integers as a tag stores them; None if one does not fit the type."""
        dtype = np.dtype(self.order + _INTEGERS[kind])
        return values.astype(dtype).tobytes() if values.max() <= np.iinfo(dtype).max else None

    def pack_entry(self, tag: Tag, kind: int, at: int) -> bytes:
        """Return the directory entry of `tag` with values of another type at another place."""
        layout = "HHQQ" if self.big else "HHII"
        return struct.pack(self.order + layout, tag.code, kind, tag.count, at)


def read_directory(source: Readable) -> Directory:
    """Return header and directory. Raises DamagedPicture; UnsupportedPicture for files of several pages."""
    start = bytes(source[:16])
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 8:
        raise DamagedPicture("TIFF: no valid header")
    big = start[2:4] in (b"+\0", b"\0+")
    if big and (len(start) < 16 or struct.unpack(order + "HH", start[4:8]) != (8, 0)):
        raise DamagedPicture("BigTIFF: no valid header")
    pointer = order + ("Q" if big else "I")
    first = _number(source, 8 if big else 4, pointer)
    count = _number(source, first, order + ("Q" if big else "H"))
    if not 0 < count <= _MAX_TAGS:
        raise DamagedPicture(f"TIFF: a directory of {count} entries")
    size = 20 if big else 12
    entries = first + (8 if big else 2)
    after = entries + count * size
    end = after + struct.calcsize(pointer)
    if end <= len(source) and _number(source, after, pointer):
        raise UnsupportedPicture("TIFF of several pages is not supported yet")
    tags = [_tag(source, at, order, big) for at in range(entries, after, size)]
    outside = [(t.at, t.at + t.nbytes) for t in tags if t.lies_in(source) and not t.entry <= t.at < t.entry + size]
    structures = ((0, 16 if big else 8), (first, min(end, len(source))), *outside)
    by_code = {tag.code: tag for tag in reversed(tags)}  # of two with one code, readers take the first
    return Directory(source, order, big, by_code, structures, _oddity(tags, source, end))


def _oddity(tags: list[Tag], source: Readable, end: int) -> str:
    """What readers overlook in a directory, as long as no byte of the file moves; else ""."""
    if end > len(source):
        return "a directory without an end"
    codes = [tag.code for tag in tags]
    for tag in tags:
        if codes.count(tag.code) > 1:
            return f"a directory that has tag {tag.code} twice"
        if not tag.lies_in(source):
            return f"a directory whose tag {tag.code} points beyond the end of the file"
    return ""


def _unreadable(code: int, why: str) -> PictureError:
    if code in _ESSENTIAL:
        return DamagedPicture(f"TIFF: the required tag {code} {why}")
    return UnsupportedPicture(f"TIFF whose tag {code} {why}")


def _number(source: Readable, at: int, layout: str) -> int:
    data = bytes(source[at : at + struct.calcsize(layout)])
    if len(data) < struct.calcsize(layout):
        raise DamagedPicture(f"TIFF: truncated, it has no byte {at}")
    return int(struct.unpack(layout, data)[0])


def _tag(source: Readable, at: int, order: str, big: bool) -> Tag:
    layout, inline = (order + "HHQ", 8) if big else (order + "HHI", 4)
    code, kind, count = struct.unpack(layout, source[at : at + struct.calcsize(layout)])
    nbytes = _SIZES.get(kind, 0) * count
    place = at + struct.calcsize(layout)
    if nbytes > inline:
        place = _number(source, place, order + ("Q" if big else "I"))
    return Tag(code, kind, count, at, place, nbytes)
