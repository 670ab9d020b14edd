"""A component of a JPEG while it is looked for: bounds of its samples, and the blocks found so far."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.file.coefficients import BLOCK
from tilepress.codecs.jpeg.transform import Transform, centre_of, plane_of
from tilepress.codecs.origins.jpeg.search.blocks import rooms, solve_blocks
from tilepress.codecs.origins.jpeg.search.lattice import nearest_points
from tilepress.codecs.origins.jpeg.search.rule import search_rule

EFFORT = np.array([8, 6, 24, 12], np.int64)  # of the search in a block, see `search`
_MOST = 255  # of samples
_ONES = np.uint64(0x0101010101010101)
_POINTS = 32  # of the lattice that are followed; 256 mend a tenth of the blocks that are left, in thrice the time
_TOGETHER = 64  # blocks whose points are looked for at a time
NO_EFFORT = np.zeros(4, np.int64)


class Component:
    """Bounds at the component's own size, in whole blocks: beyond the component nothing is known.

    `low`, `high` uint8, `guess` float32 (8 * rows, 8 * columns). `blocks` int16 (rows, columns, 64).
    `missed` int64 (rows, columns): how many samples of each block are out of their bounds.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, guess: np.ndarray, transform: Transform) -> None:
        """Take bounds uint8 and guesses (h, w) of samples, and how they were decoded; no block is looked for yet."""
        self.transform = transform
        rows, columns = (-(-side // BLOCK) for side in low.shape)
        self._size = low.shape
        self.low, self.high = _padded(low, high)
        self.guess = np.pad(guess.astype(np.float32, copy=False), _padding(low), mode="edge")
        self.blocks = np.zeros((rows, columns, 64), np.int16)
        self.missed = np.ones((rows, columns), np.int64)
        self._todo = np.ones((rows, columns), bool)

    def rebound(self, low: np.ndarray, high: np.ndarray, table: np.ndarray) -> None:
        """Take other bounds (h, w): blocks that miss them are looked for again, unless theirs are as before."""
        low, high = _padded(low, high)
        changed = blocks_with((low != self.low) | (high != self.high)) > 0
        self.low, self.high = low, high
        if self._todo.all():  # never looked for
            return
        samples = self.samples(table)
        self.missed = blocks_with((samples < low) | (samples > high))
        self._todo = changed & (self.missed > 0)
        self.guess = samples.astype(np.float32)

    def only(self, todo: np.ndarray, guess: np.ndarray) -> None:
        """Look for these blocks alone next time, from guesses (h, w) on; `todo`: bool (rows, columns)."""
        self._todo = todo
        self.guess = np.pad(guess.astype(np.float32, copy=False), _padding(guess), mode="edge")

    def solve(self, table: np.ndarray, effort: np.ndarray = EFFORT) -> None:
        """Look for the blocks that are to be looked for."""
        missed = self._todo.astype(np.int64)
        rule = search_rule(self.transform, table)
        solve_blocks(self.low, self.high, self.guess, rule, effort, *rooms(), self.blocks, missed)
        self.missed = np.where(self._todo, missed, self.missed)
        self._solve_cut(table)
        self._todo = np.zeros_like(self._todo)

    def _solve_cut(self, table: np.ndarray) -> None:
        """Look again for blocks that miss bounds and are cut by an edge: see lattice.py."""
        unknown: np.ndarray = (self.low == 0) & (self.high == _MOST)
        rows: np.ndarray = ~unknown.all(axis=1).reshape(-1, BLOCK)
        columns: np.ndarray = ~unknown.all(axis=0).reshape(-1, BLOCK)
        cut = ~np.logical_and.outer(rows.all(axis=1), columns.all(axis=1))
        cut &= np.logical_and.outer(rows.any(axis=1), columns.any(axis=1)) & self._todo & (self.missed > 0)
        groups: dict[bytes, list[tuple[int, int]]] = {}
        for i, j in np.argwhere(cut):
            mask = np.logical_and.outer(rows[i], columns[j])
            groups.setdefault(mask.tobytes(), []).append((int(i), int(j)))
        for packed, places in groups.items():
            for first in range(0, len(places), _TOGETHER):
                self._take_nearest(places[first : first + _TOGETHER], np.frombuffer(packed, bool), table)

    def _take_nearest(self, places: list[tuple[int, int]], known: np.ndarray, table: np.ndarray) -> None:
        """Put the points that miss least in the place of those blocks that miss more."""
        at = tuple(np.array(places).T)
        low, high, guess = (_blocks(plane)[at] for plane in (self.low, self.high, self.guess))
        samples = np.clip(guess, low, high) - centre_of(self.transform.rule)
        points = nearest_points(samples, known, self.transform.steps(table), _POINTS)
        decoded = plane_of(points.reshape(-1, 1, BLOCK * BLOCK), self.transform, table).reshape(points.shape)
        missed = ((decoded < low[:, None]) | (decoded > high[:, None])).sum(axis=2)
        best = np.argmin(missed, axis=1)
        for place, choice, counts, block in zip(places, best, missed, points, strict=True):
            if counts[choice] < self.missed[place]:
                self.blocks[place], self.missed[place] = block[choice], counts[choice]

    def samples(self, table: np.ndarray) -> np.ndarray:
        """Return what the blocks decode to: uint8, whole blocks."""
        return plane_of(self.blocks, self.transform, table)

    def own_samples(self, table: np.ndarray) -> np.ndarray:
        """Return what the blocks decode to, as large as the bounds were: uint8 (h, w), contiguous."""
        return np.ascontiguousarray(self.samples(table)[: self._size[0], : self._size[1]])


def _blocks(plane: np.ndarray) -> np.ndarray:
    """A plane of whole blocks as (rows, columns, 64)."""
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    blocks: np.ndarray = plane.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(rows, columns, -1)
    return blocks


def blocks_with(marked: np.ndarray) -> np.ndarray:
    """Return how many samples of each block are marked, int64 (rows, columns); `marked`: bool, whole blocks."""
    lines = marked.view(np.uint64).reshape(-1, BLOCK, marked.shape[1] // BLOCK)  # eight samples each, a byte a sample
    counts: np.ndarray = (np.add.reduce(lines, axis=1) * _ONES >> np.uint64(56)).astype(np.int64)  # the sum of bytes
    return counts


def _padding(plane: np.ndarray) -> list[tuple[int, int]]:
    return [(0, -side % BLOCK) for side in plane.shape]


def _padded(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds, filled up to whole blocks."""
    return np.pad(low, _padding(low)), np.pad(high, _padding(high), constant_values=255)
