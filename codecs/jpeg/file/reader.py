"""Reader of the JPEG files that `writer.py` writes. StreamError for any other file, before anything large is made."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.errors import StreamError
from tilepress.codecs.jpeg.file.block_grid import BlockGrid
from tilepress.codecs.jpeg.file.coefficients import SAMPLINGS, Coefficients, Sampling
from tilepress.codecs.jpeg.file.frame import BITS_A_SAMPLE, HEADER
from tilepress.codecs.jpeg.file.huffman_codes import HuffmanTable, read_tables
from tilepress.codecs.jpeg.file.huffman_walk import AC, DC, MOST_DC
from tilepress.codecs.jpeg.file.scan import Scan, read_scan
from tilepress.codecs.jpeg.file.segments import DHT, DQT, SOF0, SOS
from tilepress.codecs.jpeg.file.tables import read_steps
from tilepress.codecs.jpeg.file.writer import BEGIN, CLASSES, END, SCAN_END, frame_components, scan_components

_MARKER = re.compile(rb"\xff[^\x00]")


@dataclass(frozen=True)
class Header:
    """What stands before a file's scan. `scan`: the entropy-coded bytes. Tables are those of `Coefficients`."""

    width: int
    height: int
    sampling: Sampling
    tables: tuple[np.ndarray, ...]
    huffman: tuple[tuple[HuffmanTable, ...], tuple[HuffmanTable, ...]]  # of DC and of AC
    scan: bytes


class _Segments:
    """Walks the segments of a file from its begin."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, len(BEGIN)
        if not data.startswith(BEGIN) or not data.endswith(END):
            raise StreamError("JPEG file: it does not begin or end as one")

    def next_is(self, marker: int) -> bool:
        """Tell whether the next segment is one of `marker`."""
        return self._data[self._at : self._at + 2] == bytes((0xFF, marker))

    def take(self, marker: int) -> bytes:
        """Return the content of the next segment, which must be one of `marker`."""
        head = self._data[self._at : self._at + 4]
        if len(head) < 4 or head[:2] != bytes((0xFF, marker)):
            raise StreamError(f"JPEG file: no segment {marker:#x} where one belongs")
        (size,) = struct.unpack(">H", head[2:])
        content = self._data[self._at + 4 : self._at + 2 + size]
        if size < 2 or len(content) != size - 2:
            raise StreamError(f"JPEG file: segment {marker:#x} is truncated")
        self._at += 2 + size
        return content

    def rest(self) -> bytes:
        """Return what is left before EOI."""
        return self._data[self._at : -len(END)]


def read_header(data: bytes) -> Header:
    """Return the header of a file of one or three components. StreamError for what `write_file` never writes."""
    segments = _Segments(data)
    steps = [_steps(segments.take(DQT), 0)]
    if segments.next_is(DQT):
        steps.append(_steps(segments.take(DQT), 1))
    slots = len(steps)
    components = 3 if slots == 2 else 1
    width, height, sampling = _frame(segments.take(SOF0), components)
    dc, ac = (tuple(_huffman(segments.take(DHT), kind << 4 | slot) for slot in range(slots)) for kind in CLASSES)
    expected = bytes([components]) + scan_components(components) + SCAN_END
    if segments.take(SOS) != expected:
        raise StreamError("JPEG file: its scan is not a baseline scan of all components")
    tables = tuple(steps[min(component, slots - 1)] for component in range(components))
    return Header(width, height, sampling, tables, (dc, ac), segments.rest())


def _steps(content: bytes, slot: int) -> np.ndarray:
    if len(content) != 65 or content[0] != slot:
        raise StreamError("JPEG file: a quantisation table is not one of 64 steps of 8 bits")
    ((_, table),) = read_steps(content)
    return table


def _frame(content: bytes, components: int) -> tuple[int, int, Sampling]:
    if len(content) != HEADER.size + 3 * components:
        raise StreamError("JPEG file: its frame header has another length")
    bits, height, width, count = HEADER.unpack_from(content)
    factors = content[HEADER.size + 1]
    sampling = (factors >> 4, factors & 15)
    same = content[HEADER.size :] == frame_components(sampling, components)
    if bits != BITS_A_SAMPLE or count != components or not width or not height or not same:
        raise StreamError("JPEG file: its frame header is not that of a baseline file of the components expected")
    if sampling not in SAMPLINGS.values() or (components == 1 and sampling != (1, 1)):
        raise StreamError(f"JPEG file: chroma is sampled {sampling}")
    return width, height, sampling


def _huffman(content: bytes, slot: int) -> HuffmanTable:
    found = list(read_tables(content))
    if len(found) != 1 or found[0][0] != slot or not found[0][1].symbols:
        raise StreamError("JPEG file: a segment does not hold the one Huffman table that belongs there")
    return found[0][1]


def read_blocks_of(header: Header) -> Coefficients:
    """Return the coefficients of a file. StreamError for a scan that is damaged, too short or too long.

    Memory is that of the picture that the header names: check `width` and `height` first.
    """
    if _MARKER.search(header.scan) or header.scan.endswith(b"\xff"):
        raise StreamError("JPEG file: a marker within its scan")
    components = range(len(header.tables))
    factors = (header.sampling, (1, 1), (1, 1))[: len(header.tables)]
    grid = BlockGrid(header.width, header.height, factors)
    slots = [min(component, 1) for component in components]
    scan = Scan(tuple(components), tuple((header.huffman[DC][slot], header.huffman[AC][slot]) for slot in slots))
    scan.require_bytes(grid, len(header.scan))
    blocks = np.zeros((grid.blocks, 64), np.int16)
    read_scan(header.scan, scan, grid, blocks)
    if (np.abs(blocks[:, 0]) > MOST_DC).any():
        raise StreamError("JPEG file: a DC coefficient is too large")
    parts = tuple(grid.of_component(blocks, component) for component in components)
    return Coefficients(header.width, header.height, header.sampling, header.tables, parts)
