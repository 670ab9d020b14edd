"""Blocks of a group as they are stored now, damaged or not, by the rows of its stripes.

A window of stripes is hundreds of short ranges of many files. From a store they are read many at a time, or each would
wait for the answer to the one before; from a local disk one after the other, which is faster there.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np
import numpy.typing as npt

from tilepress.pipeline.errors import MissingError
from tilepress.pipeline.monitoring.scope import carried
from tilepress.pipeline.parity.group import Group
from tilepress.pipeline.storage.base import Buffer, Storage

WINDOW_BYTES = 32 << 20  # of data rows; three times as much is in memory, and pieces on the way
_PIECE_BYTES = 1 << 20  # of a range that is longer, so that one long range is read as fast as many short ones
_PIECES = 16  # on the way at a time: at most 16 MB

Bytes = npt.NDArray[np.uint8]


def crcs(data: Buffer, block: int) -> npt.NDArray[np.uint32]:
    """Return CRC-32 of every block of bytes, at least one, the last one filled up with zeros."""
    with memoryview(data) as view:
        found = [zlib.crc32(view[at : at + block]) for at in range(0, len(view), block)] or [0]
        filling = bytes(block * len(found) - len(view))
    found[-1] = zlib.crc32(filling, found[-1])
    return np.array(found, np.uint32)


class Blocks:
    """Reads blocks of a group's files and of its parity. What is missing or cut off reads as zeros."""

    def __init__(self, storage: Storage, group: Group) -> None:
        """Nothing is read yet."""
        self._storage, self._group = storage, group

    @property
    def window(self) -> int:
        """How many stripes to read at a time."""
        return max(1, WINDOW_BYTES // (self._group.data * self._group.block))

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Bytes that there are of each file; 0 of one that is missing."""
        names = [*(file.name for file in self._group.files), *map(self._group.row, range(self._group.parity))]
        with ThreadPoolExecutor(_PIECES) as threads:
            return dict(zip(names, threads.map(carried(self._size), names), strict=True))

    def _size(self, name: str) -> int:
        try:
            return self._storage.size(name)
        except MissingError:
            return 0

    def data(self, stripe: int, count: int) -> bytearray:
        """Return the data rows of consecutive stripes, one row after the other."""
        group, width = self._group, count * self._group.block
        rows, wanted = bytearray(group.data * width), list[_Range]()
        for row in range(group.data):
            for number, offset, length, place in group.spans(row * group.stripes + stripe, count):
                wanted.append(_Range(group.files[number].name, offset, length, row * width + place))
        self._read(wanted, rows)
        return rows

    def parity(self, stripe: int, count: int) -> bytearray:
        """Return the parity rows of consecutive stripes, one row after the other."""
        group, width = self._group, count * self._group.block
        rows = bytearray(group.parity * width)
        offset = stripe * group.block
        self._read([_Range(group.row(row), offset, width, row * width) for row in range(group.parity)], rows)
        return rows

    def of_file(self, number: int) -> Iterator[tuple[int, bytearray]]:
        """Yield number and bytes of consecutive blocks of a file, a few megabytes at a time; whole blocks each."""
        group = self._group
        step, name = max(1, (WINDOW_BYTES // 4) // group.block), group.files[number].name
        for first in range(group.starts[number], group.starts[number + 1], step):
            count = min(step, group.starts[number + 1] - first)
            data = bytearray(count * group.block)
            self._read([_Range(name, *span) for _, *span in group.spans(first, count)], data)
            yield first, data

    def _read(self, wanted: Iterable[_Range], out: bytearray) -> None:
        """Read ranges to their places in `out`, as far as there are bytes."""
        there = [each for each in (each.within(self._sizes[each.name]) for each in wanted) if each.length]
        local = all(self._storage.local_path(name) is not None for name in {each.name for each in there})
        with memoryview(out) as view:

            def read(ranges: Sequence[_Range]) -> None:
                found = self._storage.read_ranges(ranges[0].name, [(each.offset, each.length) for each in ranges])
                for data, each in zip(found, ranges, strict=True):
                    view[each.place : each.place + each.length] = data

            if local:
                for _, ranges in groupby(sorted(there, key=lambda each: each.name), key=lambda each: each.name):
                    read(list(ranges))
            else:
                with ThreadPoolExecutor(_PIECES) as threads:
                    list(threads.map(carried(read), ([piece] for each in there for piece in each.pieces())))


@dataclass(frozen=True)
class _Range:
    """Bytes of a file, and where they are to be."""

    name: str
    offset: int
    length: int
    place: int

    def within(self, size: int) -> _Range:
        """As much of it as a file of this size has."""
        return replace(self, length=max(0, min(self.length, size - self.offset)))

    def pieces(self) -> Iterator[_Range]:
        """Yield it in pieces of at most `_PIECE_BYTES`."""
        for start in range(0, self.length, _PIECE_BYTES):
            length = min(_PIECE_BYTES, self.length - start)
            yield _Range(self.name, self.offset + start, length, self.place + start)


def as_rows(data: bytes | bytearray, rows: int) -> Bytes:
    """Return rows of equally many bytes, one after the other, as an array (rows, bytes)."""
    return np.frombuffer(data, np.uint8).reshape(rows, -1)


def sums_by_row(group: Group, data_crc: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return CRC-32 of every data block as (data, stripes), those of zeros where a stripe lacks a block."""
    filled = np.full(group.data * group.stripes, zlib.crc32(bytes(group.block)), np.uint32)
    filled[: group.blocks] = data_crc
    return filled.reshape(group.data, group.stripes)
