"""Baseline JPEG files of one shape: what the writer writes, the reader reads, and nothing else.

SOI | DQT for each table | SOF0 | DHT for each Huffman table | SOS | one interleaved scan | EOI

Luma uses table 0, chroma table 1; components are called 1, 2, 3, which decoders take for YCbCr. There are no restart
markers, and the tables have steps of 8 bits.
"""

from __future__ import annotations

import struct

import numpy as np

from tilepress.codecs.jpeg.file.coefficients import Coefficients, Sampling, scan_pattern, to_scan
from tilepress.codecs.jpeg.file.frame import BITS_A_SAMPLE, HEADER
from tilepress.codecs.jpeg.file.huffman_codes import SYMBOLS, HuffmanTable, best_table
from tilepress.codecs.jpeg.file.huffman_walk import AC, BITS, COUNT, DC, POSITION, write_blocks
from tilepress.codecs.jpeg.file.segments import DHT, DQT, EOI, SOF0, SOI, SOS
from tilepress.codecs.jpeg.file.tables import ZIGZAG

BEGIN, END = bytes((0xFF, SOI)), bytes((0xFF, EOI))
SCAN_END = b"\0\x3f\0"  # all coefficients, all bits
CLASSES = (DC, AC)


def write_file(image: Coefficients) -> bytes:
    """Return the JPEG file, with optimal Huffman tables, of coefficients within MOST_DC and MOST_AC."""
    scan = to_scan(image)
    pattern, slots = scan_pattern(image.sampling, image.components), min(image.components, 2)
    counts, codes = np.zeros((2, slots, SYMBOLS), np.int64), np.zeros((2, slots, SYMBOLS), np.int64)
    write_blocks(scan, pattern, table_of(), counts, codes, np.zeros(6, np.int64), np.zeros(0, np.uint8))
    huffman = [[best_table(counts[kind, slot]) for slot in range(slots)] for kind in CLASSES]
    for kind in CLASSES:
        for slot, table in enumerate(huffman[kind]):
            code, length = table.codes()
            codes[kind, slot] = code << 8 | length
    data = _entropy_coded(scan, pattern, counts, codes)
    return b"".join((BEGIN, _headers(image, huffman), data, END))


def _entropy_coded(scan: np.ndarray, pattern: np.ndarray, counts: np.ndarray, codes: np.ndarray) -> bytes:
    """The bits of all blocks, filled up with ones."""
    bits = (counts * ((codes & 255) + (np.arange(SYMBOLS) & 15))).sum()
    out, state = np.empty(2 * (int(bits) // 8 + 2), np.uint8), np.zeros(6, np.int64)
    write_blocks(scan, pattern, table_of(), counts, codes, state, out)
    data = out[: state[POSITION]].tobytes()
    left = int(state[COUNT])
    if left:
        last = (int(state[BITS]) << (8 - left) | (1 << (8 - left)) - 1) & 255
        data += bytes([last]) + (b"\0" if last == 255 else b"")
    return data


def _headers(image: Coefficients, huffman: list[list[HuffmanTable]]) -> bytes:
    """All segments between SOI and the scan."""
    slots = len(huffman[DC])
    frame = HEADER.pack(BITS_A_SAMPLE, image.height, image.width, image.components)
    steps = [bytes([slot]) + image.tables[slot][ZIGZAG].astype(np.uint8).tobytes() for slot in range(slots)]
    codes = [
        bytes([kind << 4 | slot, *table.counts]) + table.symbols
        for kind in CLASSES
        for slot, table in enumerate(huffman[kind])
    ]
    return b"".join(
        (
            *(_segment(DQT, content) for content in steps),
            _segment(SOF0, frame + frame_components(image.sampling, image.components)),
            *(_segment(DHT, content) for content in codes),
            _segment(SOS, bytes([image.components]) + scan_components(image.components) + SCAN_END),
        )
    )


def frame_components(sampling: Sampling, components: int) -> bytes:
    """Return what a frame header says of each component: its name, sampling factors and quantisation table."""
    across, down = sampling
    factors = (across << 4 | down, 0x11, 0x11)
    return b"".join(bytes([c + 1, factors[c], min(c, 1)]) for c in range(components))


def scan_components(components: int) -> bytes:
    """Return what a scan header says of each component: its name and its Huffman tables."""
    return b"".join(bytes([c + 1, min(c, 1) * 0x11]) for c in range(components))


def table_of() -> np.ndarray:
    """Return the number of the tables that each component uses, int64 (3,): luma 0, chroma 1."""
    return np.array([0, 1, 1], np.int64)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
