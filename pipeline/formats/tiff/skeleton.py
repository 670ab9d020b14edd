"""A TIFF file without its pixels, and putting pixels back into it."""

from __future__ import annotations

import mmap
from collections import deque
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from tilepress.pipeline.errors import IntegrityError, LimitExceeded
from tilepress.pipeline.formats.container import MAX_BYTES
from tilepress.pipeline.formats.tiff.directory import Directory, Tag
from tilepress.pipeline.formats.tiff.grid import TiffLayout
from tilepress.pipeline.formats.tiff.tables import table_codes

_CLASSIC_MAX = 1 << 32


@dataclass(frozen=True)
class CutFile:
    """A file with ranges cut out. Reading stops short at a cut, as it does at the end of a file."""

    edges: np.ndarray  # int64, ascending: begin and end of each kept range, alternately, then the file's size
    kept: bytes

    def __len__(self) -> int:
        return int(self.edges[-1])

    def __getitem__(self, span: slice) -> bytes:
        start, stop = span.start or 0, span.stop
        found = int(np.searchsorted(self.edges[:-1], start, side="right")) - 1
        if found < 0 or found % 2 or found + 1 >= len(self.edges) - 1:
            return b""
        at = start - int(self.edges[found]) + self._before(found)
        return self.kept[at : at + max(0, min(stop, int(self.edges[found + 1])) - start)]

    def _before(self, edge: int) -> int:
        return int((self.edges[1:edge:2] - self.edges[0:edge:2]).sum())

    def write(self, out: BinaryIO) -> None:
        """Write the kept ranges to their places."""
        at = 0
        for start, end in zip(self.edges[:-1:2].tolist(), self.edges[1:-1:2].tolist(), strict=True):
            out.seek(start)
            out.write(self.kept[at : at + end - start])
            at += end - start

    def to_blobs(self) -> tuple[bytes, bytes]:
        """For a container."""
        return np.diff(self.edges, prepend=0).astype("<i8").tobytes(), self.kept

    @staticmethod
    def from_blobs(edges: bytes, kept: bytes) -> CutFile:
        """From a container; IntegrityError if the ranges are not valid."""
        steps = np.frombuffer(edges, "<i8")
        if len(steps) % 2 == 0 or steps.min() < 0 or steps.max() > 1 << 48 or len(steps) > 1 << 26:
            raise IntegrityError("image container: its ranges are not valid")
        file = CutFile(np.cumsum(steps), kept)
        if int(steps[1::2].sum()) != len(kept):
            raise IntegrityError("image container: its ranges do not add up")
        return file


def cut_out(source: bytes | mmap.mmap, layout: TiffLayout) -> CutFile:
    """Return the file without its segments. LimitExceeded if what is left is large."""
    order = np.argsort(layout.offsets, kind="stable")
    starts = np.append(layout.offsets[order], len(source))
    ends = np.insert(layout.offsets[order] + layout.sizes[order], 0, 0)
    ranges = np.stack((ends, starts), axis=1)
    ranges = ranges[ranges[:, 0] < ranges[:, 1]]
    if (ranges[:, 1] - ranges[:, 0]).sum() > MAX_BYTES:
        raise LimitExceeded(f"TIFF with more than {MAX_BYTES >> 20} MB besides its pixels")
    kept = b"".join(source[start:end] for start, end in ranges.tolist())
    return CutFile(np.append(ranges.ravel(), len(source)), kept)


class Placement:
    """Where segments go in the new file: to their old places, as long as they have their old sizes.

    From the first that has not, segments are packed into what places are left, and then put at the end.
    """

    def __init__(self, directory: Directory, layout: TiffLayout, size: int, out: BinaryIO) -> None:
        self._directory = directory
        self._layout = layout
        self._out = out
        self._end = size
        self._offsets = layout.offsets.copy()
        self._sizes = layout.sizes.copy()
        self._left = np.ones(len(layout.offsets), bool)
        self._free: deque[tuple[int, int]] | None = None

    def put(self, number: int, stored: bytes) -> None:
        """Write one segment."""
        if self._free is None and len(stored) != self._sizes[number]:
            self._free = self._places_left()
        if self._free is not None:
            self._offsets[number] = self._allocate(len(stored))
            self._sizes[number] = len(stored)
        self._left[number] = False
        self._out.seek(int(self._offsets[number]))
        self._out.write(stored)

    def _places_left(self) -> deque[tuple[int, int]]:
        """(begin, end) of the ranges that only segments to come had occupied."""
        starts = self._layout.offsets[self._left]
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], (starts + self._layout.sizes[self._left])[order]
        breaks = np.flatnonzero(starts[1:] != ends[:-1])
        first, last = np.append(0, breaks + 1), np.append(breaks, len(starts) - 1)
        return deque(zip(starts[first].tolist(), ends[last].tolist(), strict=True))

    def _allocate(self, size: int) -> int:
        while self._free:
            start, end = self._free.popleft()
            if end - start >= size:
                self._free.appendleft((start + size, end))
                return start
        at = self._end + self._end % 2
        if not self._directory.big and at + size > _CLASSIC_MAX:
            raise LimitExceeded("the TIFF file would exceed 4 GB with these pixels")
        self._end = at + size
        return at

    def finish(self) -> None:
        """Make the tables say where the segments are, if any has changed."""
        if self._free is None:
            return
        offsets, counts = (self._directory.tags[code] for code in table_codes(self._directory, self._layout.tiled))
        self._patch(offsets, self._offsets)
        self._patch(counts, self._sizes)
        if self._out.seek(0, 2) < self._end:
            self._out.truncate(self._end)

    def _patch(self, tag: Tag, values: np.ndarray) -> None:
        directory = self._directory
        packed = directory.pack_values(tag.kind, values)
        if packed is not None:
            self._out.seek(tag.at)
            self._out.write(packed)
            return
        # a wider type: in the entry itself if it is one number, else behind everything
        kind = directory.offset_kind
        wide = directory.pack_values(kind, values)
        if wide is None:
            raise LimitExceeded("the TIFF file would exceed 4 GB with these pixels")
        at = int(values[0])
        if tag.count > 1:
            at = self._allocate(len(wide))
            self._out.seek(at)
            self._out.write(wide)
        self._out.seek(tag.entry)
        self._out.write(directory.pack_entry(tag, kind, at))
