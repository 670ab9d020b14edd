"""Chroma planes, known within bounds at full size, back to blocks: of interpolated, replicated and whole chroma."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.origins.jpeg.file.coefficients import BLOCK, Sampling
from tilepress.codecs.origins.jpeg.islow import islow_plane
from tilepress.codecs.origins.jpeg.search.blocks import rooms, solve_blocks
from tilepress.codecs.origins.jpeg.search.mend import mend_blocks, mending_room
from tilepress.codecs.origins.jpeg.search.shrink import axis_parts, fit_small, settle_small, spread_known, start_small

EFFORT = np.array([8, 6, 24, 12], np.int64)  # of the search in a block, see `search`
_NO_EFFORT = np.zeros(4, np.int64)
_SWEEPS, _SETTLES, _PASSES = 2, 6, 4
_MEND_STEPS, _MENDS = 24, 2


@dataclass
class Component:
    """What is known of the samples of a component at its own size, and the blocks found for them.

    `low`, `high` uint8, `guess` float32 (8 * rows, 8 * columns): whole blocks; beyond the component nothing is known.
    `blocks` int16 (rows, columns, 64). `missed` int64 (rows, columns): 0 where a block fits, or does without a search.
    """

    low: np.ndarray
    high: np.ndarray
    guess: np.ndarray
    blocks: np.ndarray
    missed: np.ndarray

    def solve(self, table: np.ndarray, effort: np.ndarray = EFFORT) -> None:
        """Look for the blocks whose `missed` is not 0."""
        solve_blocks(self.low, self.high, self.guess, table, effort, *rooms(), self.blocks, self.missed)

    def samples(self, table: np.ndarray) -> np.ndarray:
        """Return what the blocks decode to: uint8, whole blocks."""
        plane = np.empty(self.low.shape, np.uint8)
        islow_plane(self.blocks, table, np.empty(64, np.int64), np.empty(64, np.int32), plane)
        return plane


def component_of(low: np.ndarray, high: np.ndarray, guess: np.ndarray) -> Component:
    """Return the component of bounds and guesses (h, w): no block is solved."""
    pad = [(0, -side % BLOCK) for side in low.shape]
    rows, columns = (-(-side // BLOCK) for side in low.shape)
    return Component(
        np.pad(low, pad),
        np.pad(high, pad, constant_values=255),
        np.pad(guess.astype(np.float32, copy=False), pad, mode="edge"),
        np.zeros((rows, columns, 64), np.int16),
        np.ones((rows, columns), np.int64),
    )


class Whole:
    """A chroma component that is not interpolated: each of its samples stands for `across` by `down` equal ones."""

    def __init__(self, low: np.ndarray, high: np.ndarray, sampling: Sampling) -> None:
        """`low`, `high`: uint8 (h, w), bounds at full size; seen again whenever they were narrowed."""
        self._large, self._sampling = (low, high), sampling
        low, high = self._bounds()
        known = (low == high).astype(np.uint8)
        guess = (low.astype(np.float32) + high) / np.float32(2)
        spread_known(guess, known, _PASSES)
        self.component = component_of(low, high, guess)

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds at the component's own size: the narrowest of the samples that it stands for."""
        low, high = self._large
        across, down = self._sampling
        if self._sampling == (1, 1):
            return low, high
        pad = ((0, -low.shape[0] % down), (0, -low.shape[1] % across))
        low, high = np.pad(low, pad), np.pad(high, pad, constant_values=255)
        shape = (low.shape[0] // down, down, low.shape[1] // across, across)
        least, most = low.reshape(shape).max(axis=(1, 3)), high.reshape(shape).min(axis=(1, 3))
        unlike = least > most
        least[unlike], most[unlike] = 0, 255
        return least, most

    def refresh(self, table: np.ndarray) -> None:
        """Look at the bounds again, and count what the blocks miss now."""
        low, high = self._bounds()
        samples = self.samples(table)
        new = component_of(low, high, samples[: low.shape[0], : low.shape[1]])
        missed = (samples < new.low) | (samples > new.high)
        rows, columns = self.component.missed.shape
        new.missed = missed.reshape(rows, BLOCK, columns, BLOCK).sum(axis=(1, 3), dtype=np.int64)
        new.blocks = self.component.blocks
        self.component = new

    def solve(self, table: np.ndarray) -> None:
        """Look for the blocks that miss bounds."""
        self.component.solve(table)

    def samples(self, table: np.ndarray) -> np.ndarray:
        """Return what the blocks decode to: uint8, whole blocks."""
        return self.component.samples(table)


class Interpolated:
    """A chroma component whose samples were interpolated to the large plane that is known."""

    def __init__(self, low: np.ndarray, high: np.ndarray, sampling: Sampling) -> None:
        """`low`, `high`: uint8 (h, w), bounds at full size; seen again whenever they were narrowed."""
        across, down = sampling
        self._low, self._high, self._sampling = low, high, sampling
        rows, columns = -(-low.shape[0] // down), -(-low.shape[1] // across)
        self._size = rows, columns
        self._axes = axis_parts(rows, down, low.shape[0]), axis_parts(columns, across, low.shape[1])
        small, known = np.empty((rows, columns), np.float32), np.empty((rows, columns), np.uint8)
        start_small(low, high, sampling, small, known)
        spread_known(small, known, _PASSES)
        self.component = component_of(np.zeros_like(known), np.full_like(known, 255), small)
        self._shrink(small)

    def _shrink(self, small: np.ndarray) -> None:
        """Find the samples of the blocks that are missed, from `small` float32 on, and bound those that are sure."""
        missed = self.component.missed
        fit_small(self._low, self._high, *self._axes, missed, _SWEEPS, small, np.empty(self._low.shape, np.float32))
        whole = np.clip(np.rint(small), 0, 255).astype(np.int16)
        sure, sums = np.empty(self._size, np.uint8), np.empty(self._low.shape, np.int16)
        settle_small(self._low, self._high, self._sampling, *self._axes, missed, _SETTLES, whole, sums, sure)
        whole = np.clip(whole, 0, 255).astype(np.uint8)
        new = component_of(np.where(sure, whole, 0), np.where(sure, whole, 255), whole)
        new.blocks, new.missed = self.component.blocks, missed
        self.component = new

    def refresh(self, table: np.ndarray) -> None:
        """Look at the bounds again, and shrink what the blocks miss now."""
        samples = self.samples(table)
        self._mend(table, samples, 0)
        small = samples[: self._size[0], : self._size[1]].astype(np.float32)
        self._shrink(small)

    def solve(self, table: np.ndarray) -> None:
        """Look for the blocks that miss bounds: rounded, then mended, neighbour by neighbour."""
        self.component.solve(table, _NO_EFFORT)
        samples = self.samples(table)
        for _ in range(_MENDS):
            if not self._mend(table, samples, _MEND_STEPS):
                break

    def _mend(self, table: np.ndarray, samples: np.ndarray, steps: int) -> int:
        """Mend, or count alone; return how many blocks still miss bounds."""
        plane = (self._low, self._high, *self._axes, self._sampling)
        component = self.component
        component.missed[:] = 0
        return int(mend_blocks(plane, table, steps, mending_room(), samples, component.blocks, component.missed))

    def samples(self, table: np.ndarray) -> np.ndarray:
        """Return what the blocks decode to: uint8, whole blocks."""
        return self.component.samples(table)


Chroma = Whole | Interpolated
