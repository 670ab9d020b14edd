"""A scan of a JPEG file: which components and which of their bits it codes, by which Huffman tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.errors import StreamError
from tilepress.codecs.jpeg.file.bit_reader import LEFT_OVER, OK, PADDING, TOO_SHORT, Codes, remove_stuffing
from tilepress.codecs.jpeg.file.block_grid import BlockGrid
from tilepress.codecs.jpeg.file.huffman_codes import SYMBOLS, HuffmanTable
from tilepress.codecs.jpeg.file.scan_walk import STATE, read_blocks

_WRONG = {
    TOO_SHORT: "a scan is too short for its blocks",
    LEFT_OVER: "a scan, or what lies between two restart markers, does not end where its blocks end",
}


@dataclass(frozen=True)
class Band:
    """Coefficients `first` to `last` in zigzag order, their bits from `low` on; `high`: from there on they are known.

    `high` is 0 where none are. Sequential scans code all bits of all coefficients.
    """

    first: int = 0
    last: int = 63
    high: int = 0
    low: int = 0
    progressive: bool = False

    @property
    def least_bits(self) -> int:
        """How many bits a scan takes for a block, at least: runs of blocks may have none."""
        return 0 if self.first else 1 if self.progressive else 2


SEQUENTIAL = Band()


@dataclass(frozen=True)
class Scan:
    """`components`: their numbers in the frame, in the scan's order; `tables`: the DC and the AC table of each.

    `interval`: MCUs between restart markers; 0: there are none.
    """

    components: tuple[int, ...]
    tables: tuple[tuple[HuffmanTable, HuffmanTable], ...]
    band: Band = SEQUENTIAL
    interval: int = 0

    def mcus(self, grid: BlockGrid) -> tuple[int, int]:
        """Return rows and columns of MCUs. A scan of one component has a block an MCU, and no more than it needs."""
        return (grid.rows, grid.columns) if len(self.components) > 1 else grid.areas[self.components[0]].coded

    def blocks(self, grid: BlockGrid) -> int:
        """Return how many blocks the scan codes."""
        rows, columns = self.mcus(grid)
        return rows * columns * sum(across * down for across, down in self._factors(grid))

    def require_bytes(self, grid: BlockGrid, size: int) -> None:
        """Raise StreamError where `size` bytes are too few for the scan's blocks, and for its restart markers."""
        rows, columns = self.mcus(grid)
        markers = (rows * columns - 1) // self.interval if self.interval else 0
        if self.band.least_bits * self.blocks(grid) > 8 * size or 2 * markers > size:
            raise StreamError(f"JPEG file: {_WRONG[TOO_SHORT]}")

    def _factors(self, grid: BlockGrid) -> list[tuple[int, int]]:
        alone = len(self.components) == 1
        return [(1, 1) if alone else grid.areas[component].factors for component in self.components]

    def layout(self, grid: BlockGrid) -> np.ndarray:
        """Return for `read_blocks` where components lie, int64 (components, 6); each has tables of its own."""
        areas = (grid.areas[component] for component in self.components)
        rows = [
            (area.offset, area.columns, *factors, slot, slot)
            for slot, (area, factors) in enumerate(zip(areas, self._factors(grid), strict=True))
        ]
        return np.array(rows, np.int64)


def read_scan(data: bytes, scan: Scan, grid: BlockGrid, blocks: np.ndarray) -> None:
    """Add to `blocks` int16 (grid.blocks, 64) what a scan tells. StreamError for one that is damaged in any way.

    `data`: its entropy-coded bytes as they are in the file. Memory is a small multiple of them.
    """
    scan.require_bytes(grid, len(data))
    rows, columns = scan.mcus(grid)
    interval = min(scan.interval or rows * columns, rows * columns)
    plain, ends = np.zeros(len(data) + PADDING, np.uint8), np.zeros(-(-rows * columns // interval), np.int64)
    wrong = remove_stuffing(np.frombuffer(data, np.uint8), plain, ends)
    if wrong == OK:
        band = scan.band
        coded = np.array([band.first, band.last, band.high, band.low, band.progressive], np.int64)
        state = np.zeros(STATE, np.int64)
        wrong = read_blocks(
            plain, ends, interval, rows, columns, scan.layout(grid), coded, _lookups(scan), state, blocks
        )
    if wrong != OK:
        raise StreamError(f"JPEG file: {_WRONG.get(wrong, 'a scan holds codes that mean nothing')}")


def _lookups(scan: Scan) -> Codes:
    """The arrays in which `read_blocks` finds codes."""
    kinds = list(zip(*scan.tables, strict=True))
    found = [[table.lookup() for table in tables] for tables in kinds]
    symbols = [[np.frombuffer(table.symbols.ljust(SYMBOLS, b"\0"), np.uint8) for table in tables] for tables in kinds]
    return (
        np.array([[quick for quick, _ in tables] for tables in found]),
        np.array([[limits for _, limits in tables] for tables in found]),
        np.array(symbols),
    )
