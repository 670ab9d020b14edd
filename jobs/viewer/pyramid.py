"""Shown pixels at the image's own size, a half, a quarter and an eighth of it; an eighth is kept for the whole image.

A request is made from the level that is next larger, so its pixels do not depend on what was decoded before it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from tilepress.jobs.viewer.shared_cache import SharedCache
from tilepress.jobs.viewer.sources import Cell, TiledImage, WholeImage, cell_box, reduced, spread_cells
from tilepress.pipeline.coding.tiles import Box

COARSEST = 3  # level of an eighth of the sides
_CELL_BYTES = 1000  # of the facts of the tiles of a cell, about
_BATCH_PIXELS = 1 << 20  # decoded together: between two batches a request may be given up


class Wait(Protocol):
    """Whether anyone still waits."""

    def check(self) -> None:
        """Raise Abandoned if nobody does."""


class Pyramid(Protocol):
    """Gives areas of a shown image at a level, where 2^level pixels of the image are one."""

    width: int
    height: int

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps, beside those of the cache."""

    def area(self, level: int, box: Box, wait: Wait) -> np.ndarray:
        """Return an area (h, w, 1 to 4) uint8; `box` is in pixels of the level, and inside it."""

    def overview(self, wait: Wait) -> tuple[np.ndarray | None, float]:
        """Return an eighth of the image as far as it is known, None of nothing, and which share of it is known."""


class WholePyramid:
    """Of an image that is decoded in one piece, and kept so in the cache."""

    def __init__(self, source: WholeImage, width: int, height: int, cache: SharedCache, key: str) -> None:
        self.width, self.height = width, height
        self._source, self._cache, self._key = source, cache, key

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps: none."""
        return 0

    def area(self, level: int, box: Box, wait: Wait) -> np.ndarray:
        """Return an area: see Pyramid."""
        wait.check()
        if level == COARSEST:
            return _cut(self._eighth(), box)
        scale = 1 << level
        outer = Box(box.x * scale, box.y * scale, box.w * scale, box.h * scale)
        return reduced(_cut(self._whole(), outer), level)

    def overview(self, wait: Wait) -> tuple[np.ndarray | None, float]:
        """Return an eighth of the image, and that all of it is known."""
        wait.check()
        return self._eighth(), 1.0

    def _whole(self) -> np.ndarray:
        return self._cache.get([(self._key, "whole")], lambda _: [self._source.decode()])[0]

    def _eighth(self) -> np.ndarray:
        return self._cache.get([(self._key, "eighth")], lambda _: [self._make_eighth()])[0]

    def _make_eighth(self) -> np.ndarray:
        eighth = self._source.eighth
        return reduced(self._whole(), COARSEST) if eighth is None else eighth


class TiledPyramid:
    """Of an image of cells, which are kept in the cache; an eighth of all that were decoded stays here."""

    def __init__(self, source: TiledImage, cache: SharedCache, key: str) -> None:
        self.width, self.height, self.side = source.width, source.height, source.side
        self._source, self._cache, self._key = source, cache, key
        self._order = spread_cells(source)
        self._known = np.zeros((-(-self.height // self.side), -(-self.width // self.side)), bool)
        self._eighth: np.ndarray | None = None
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps: an eighth of the sides, and where the tiles lie."""
        return len(self._order) * _CELL_BYTES + (0 if self._eighth is None else self._eighth.nbytes)

    def area(self, level: int, box: Box, wait: Wait) -> np.ndarray:
        """Return an area: see Pyramid."""
        if level == COARSEST:
            self.learn([cell for cell in self._cells(level, box) if not self._known[cell[1], cell[0]]], wait)
            assert self._eighth is not None
            return _cut(self._eighth, box)
        out: np.ndarray | None = None
        for cell, pixels in self._decoded(self._cells(level, box), wait):
            small = reduced(pixels, level)
            if out is None:
                out = np.empty((box.h, box.w, small.shape[2]), np.uint8)
            self._put(out, box, cell, level, small)
        assert out is not None
        return out

    def overview(self, wait: Wait) -> tuple[np.ndarray | None, float]:
        """Return an eighth of the image as far as it is known: cells that are not are of the colour of one beside."""
        with self._lock:
            if self._eighth is None or self._known.all():
                return self._eighth, float(self._known.mean())
            picture, known = self._eighth.copy(), self._known.copy()
        colours: dict[Cell, np.ndarray] = {}
        for column, row in self._order:
            if not known[row, column]:
                near = _nearest(known, column, row)
                if near not in colours:
                    colours[near] = self._small(picture, near).mean(axis=(0, 1)).astype(np.uint8)
                self._small(picture, (column, row))[:] = colours[near]
        return picture, float(known.mean())

    def _small(self, picture: np.ndarray, cell: Cell) -> np.ndarray:
        """The place of a cell in an overview."""
        side = self.side >> COARSEST
        return picture[cell[1] * side : (cell[1] + 1) * side, cell[0] * side : (cell[0] + 1) * side]

    @property
    def known(self) -> float:
        """Which share of the overview is known."""
        return float(self._known.mean())

    def unknown(self, at_most: int) -> list[Cell]:
        """Return the next cells that the overview lacks, coarse to fine."""
        cells = (cell for cell in self._order if not self._known[cell[1], cell[0]])
        return [cell for cell, _ in zip(cells, range(at_most), strict=False)]

    def learn(self, cells: Sequence[Cell], wait: Wait) -> None:
        """Decode cells for the overview."""
        for _ in self._decoded(cells, wait):
            pass

    def _decoded(self, cells: Sequence[Cell], wait: Wait) -> Iterator[tuple[Cell, np.ndarray]]:
        size = max(1, _BATCH_PIXELS // self.side**2)
        for start in range(0, len(cells), size):
            wait.check()
            batch = cells[start : start + size]
            decoded = self._cache.get([(self._key, cell) for cell in batch], self._decode)
            for cell, pixels in zip(batch, decoded, strict=True):
                if not self._known[cell[1], cell[0]]:  # another pyramid of this image, dropped since, may have made it
                    self._remember(cell, reduced(pixels, COARSEST))
                yield cell, pixels

    def _decode(self, keys: list[tuple[str, Cell]]) -> list[np.ndarray]:
        return self._source.decode([cell for _, cell in keys])

    def _remember(self, cell: Cell, small: np.ndarray) -> None:
        with self._lock:
            if self._eighth is None:
                shape = (-(-self.height // 8), -(-self.width // 8), small.shape[2])
                self._eighth = np.zeros(shape, np.uint8)
            x, y = (each * self.side >> COARSEST for each in cell)
            self._eighth[y : y + small.shape[0], x : x + small.shape[1]] = small
            self._known[cell[1], cell[0]] = True

    def _cells(self, level: int, box: Box) -> list[Cell]:
        side = self.side >> level
        columns = range(box.x // side, -(-(box.x + box.w) // side))
        rows = range(box.y // side, -(-(box.y + box.h) // side))
        return [(column, row) for row in rows for column in columns]

    def _put(self, out: np.ndarray, box: Box, cell: Cell, level: int, small: np.ndarray) -> None:
        place = cell_box(self._source, cell)
        here = Box(place.x >> level, place.y >> level, small.shape[1], small.shape[0])
        common = here.intersect(box)
        if common is not None:
            top, left = common.y - here.y, common.x - here.x
            piece = small[top : top + common.h, left : left + common.w]
            y, x = common.y - box.y, common.x - box.x
            out[y : y + common.h, x : x + common.w] = piece


def pyramid_of(source: TiledImage | WholeImage, cache: SharedCache, key: str) -> TiledPyramid | WholePyramid:
    """Return the pyramid of an image; `key` names its content, and the variant of it, in the cache."""
    if isinstance(source, TiledImage):
        return TiledPyramid(source, cache, key)
    facts = source.entry.index_row.facts
    return WholePyramid(source, facts.width, facts.height, cache, key)


def _cut(pixels: np.ndarray, box: Box) -> np.ndarray:
    return pixels[box.y : box.y + box.h, box.x : box.x + box.w]


def _nearest(known: np.ndarray, column: int, row: int) -> Cell:
    """The cell, known to the overview, of the finest pass in whose square a cell lies; else the first one."""
    stride = 1
    while stride < max(known.shape) * 2:
        x, y = column - column % stride, row - row % stride
        if known[y, x]:
            return x, y
        stride *= 2
    return 0, 0
