"""Blocks of a group as they are stored now, damaged or not, by the rows of its stripes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tilepress.pipeline.errors import MissingError
from tilepress.pipeline.parity.group import Group
from tilepress.pipeline.storage.base import Buffer, Storage

WINDOW_BYTES = 32 << 20  # of data rows; three times as much is in memory

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
        names = [file.name for file in self._group.files]
        return {name: self._size(name) for name in (*names, *map(self._group.row, range(self._group.parity)))}

    def _size(self, name: str) -> int:
        try:
            return self._storage.size(name)
        except MissingError:
            return 0

    def data(self, stripe: int, count: int) -> bytearray:
        """Return the data rows of consecutive stripes, one row after the other."""
        group, width = self._group, count * self._group.block
        rows = bytearray(group.data * width)
        wanted: dict[str, list[tuple[int, int, int]]] = {}
        for row in range(group.data):
            for number, offset, length, place in group.spans(row * group.stripes + stripe, count):
                span = (offset, length, row * width + place)
                wanted.setdefault(group.files[number].name, []).append(span)
        for name, spans in wanted.items():
            self._read(name, spans, rows)
        return rows

    def parity(self, stripe: int, count: int) -> bytearray:
        """Return the parity rows of consecutive stripes, one row after the other."""
        group, width = self._group, count * self._group.block
        rows = bytearray(group.parity * width)
        for row in range(group.parity):
            self._read(group.row(row), [(stripe * group.block, width, row * width)], rows)
        return rows

    def of_file(self, number: int) -> Iterator[tuple[int, bytearray]]:
        """Yield number and bytes of consecutive blocks of a file, a few megabytes at a time; whole blocks each."""
        group = self._group
        step = max(1, (WINDOW_BYTES // 4) // group.block)
        for first in range(group.starts[number], group.starts[number + 1], step):
            count = min(step, group.starts[number + 1] - first)
            data = bytearray(count * group.block)
            spans = [(offset, length, place) for _, offset, length, place in group.spans(first, count)]
            self._read(group.files[number].name, spans, data)
            yield first, data

    def _read(self, name: str, spans: Iterable[tuple[int, int, int]], out: bytearray) -> None:
        """Read (offset, length, place in `out`), as far as there are bytes."""
        size = self._sizes[name]
        there = [(offset, min(length, size - offset), place) for offset, length, place in spans if offset < size]
        if not there:
            return
        found = self._storage.read_ranges(name, [(offset, length) for offset, length, _ in there])
        for data, (_, length, place) in zip(found, there, strict=True):
            out[place : place + length] = data


def as_rows(data: bytes | bytearray, rows: int) -> Bytes:
    """Return rows of equally many bytes, one after the other, as an array (rows, bytes)."""
    return np.frombuffer(data, np.uint8).reshape(rows, -1)


def sums_by_row(group: Group, data_crc: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return CRC-32 of every data block as (data, stripes), those of zeros where a stripe lacks a block."""
    filled = np.full(group.data * group.stripes, zlib.crc32(bytes(group.block)), np.uint32)
    filled[: group.blocks] = data_crc
    return filled.reshape(group.data, group.stripes)
