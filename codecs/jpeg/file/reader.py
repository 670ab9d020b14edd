"""Reader of the JPEG files that `file_format` writes. StreamError for any other file, before anything large is made."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.errors import StreamError
from tilepress.codecs.jpeg.file.coefficients import (
    SAMPLINGS,
    Coefficients,
    Sampling,
    block_shapes,
    from_scan,
    scan_pattern,
)
from tilepress.codecs.jpeg.file.huffman_codes import SYMBOLS, HuffmanTable
from tilepress.codecs.jpeg.file.huffman_walk import PADDING, read_blocks
from tilepress.codecs.jpeg.file.tables import ZIGZAG
from tilepress.codecs.jpeg.file.writer import (
    BITS_A_SAMPLE,
    CLASSES,
    DHT,
    DQT,
    EOI,
    FRAME,
    SCAN_END,
    SOF0,
    SOI,
    SOS,
    frame_components,
    scan_components,
    table_of,
)

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
        self._data, self._at = data, len(SOI)
        if not data.startswith(SOI) or not data.endswith(EOI):
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
        return self._data[self._at : -len(EOI)]


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
    if len(content) != 65 or content[0] != slot or 0 in content[1:]:
        raise StreamError("JPEG file: a quantisation table is not one of 64 steps of 8 bits")
    table = np.empty(64, np.int32)
    table[ZIGZAG] = np.frombuffer(content, np.uint8, 64, 1)
    return table


def _frame(content: bytes, components: int) -> tuple[int, int, Sampling]:
    if len(content) != FRAME.size + 3 * components:
        raise StreamError("JPEG file: its frame header has another length")
    bits, height, width, count = FRAME.unpack_from(content)
    factors = content[FRAME.size + 1]
    sampling = (factors >> 4, factors & 15)
    same = content[FRAME.size :] == frame_components(sampling, components)
    if bits != BITS_A_SAMPLE or count != components or not width or not height or not same:
        raise StreamError("JPEG file: its frame header is not that of a baseline file of the components expected")
    if sampling not in SAMPLINGS.values() or (components == 1 and sampling != (1, 1)):
        raise StreamError(f"JPEG file: chroma is sampled {sampling}")
    return width, height, sampling


def _huffman(content: bytes, slot: int) -> HuffmanTable:
    counts, symbols = tuple(content[1:17]), content[17:]
    if len(content) < 18 or content[0] != slot or sum(counts) != len(symbols) or len(set(symbols)) != len(symbols):
        raise StreamError("JPEG file: a Huffman table does not hold the codes that it counts")
    return HuffmanTable(counts, symbols)


def read_blocks_of(header: Header) -> Coefficients:
    """Return the coefficients of a file. StreamError for a scan that is damaged, too short or too long.

    Memory is that of the picture that the header names: check `width` and `height` first.
    """
    pattern = scan_pattern(header.sampling, len(header.tables))
    rows, columns = block_shapes(header.width, header.height, header.sampling, len(header.tables))[-1]
    if _MARKER.search(header.scan) or header.scan.endswith(b"\xff"):
        raise StreamError("JPEG file: a marker within its scan")
    plain = header.scan.replace(b"\xff\0", b"\xff")
    if rows * columns * len(pattern) > 4 * len(plain):  # a block takes two bits at least
        raise StreamError("JPEG file: its scan is too short for its blocks")
    scan, last = np.zeros((rows * columns * len(pattern), 64), np.int16), np.zeros(3, np.int64)
    data = np.frombuffer(plain + bytes(PADDING), np.uint8)
    found = read_blocks(data, 8 * len(plain), pattern, table_of(), *_lookups(header), last, scan)
    if found < 0 or 8 * len(plain) - found >= 8:
        raise StreamError("JPEG file: its scan is damaged")
    return from_scan(scan, header.width, header.height, header.sampling, header.tables)


def _lookups(header: Header) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arrays in which `read_blocks` finds codes."""
    found = [[table.lookup() for table in tables] for tables in header.huffman]
    symbols = [[table.symbols.ljust(SYMBOLS, b"\0") for table in tables] for tables in header.huffman]
    return (
        np.array([[quick for quick, _ in tables] for tables in found]),
        np.array([[limits for _, limits in tables] for tables in found]),
        np.array([[np.frombuffer(some, np.uint8) for some in tables] for tables in symbols]),
    )
