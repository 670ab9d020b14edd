"""Chroma planes, known within bounds at full size, back to blocks: of interpolated, replicated and whole chroma."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.decoders import Decoder
from tilepress.codecs.jpeg.file.coefficients import Sampling
from tilepress.codecs.jpeg.upsampling import Upsampling, interpolates, interpolation, upsample
from tilepress.codecs.origins.jpeg.search.component import NO_EFFORT, Component
from tilepress.codecs.origins.jpeg.search.mend import mend_blocks, mending_room
from tilepress.codecs.origins.jpeg.search.rule import search_rule
from tilepress.codecs.origins.jpeg.search.scaled import Scaled
from tilepress.codecs.origins.jpeg.search.shrink import (
    axis_parts,
    fit_small,
    settle_small,
    spread_known,
    start_small,
)

_SWEEPS, _SETTLES, _PASSES = 2, 6, 4
_MEND_STEPS, _MENDS = 24, 2
_SPARSE = 0.02  # of the blocks


class Whole:
    """A chroma component that is not interpolated: each of its samples stands for `across` by `down` equal ones."""

    def __init__(self, low: np.ndarray, high: np.ndarray, sampling: Sampling, decoder: Decoder) -> None:
        """`low`, `high`: uint8 (h, w), bounds at full size; seen again whenever they were narrowed."""
        self._large, self._sampling = (low, high), sampling
        low, high = self._bounds()
        known = (low == high).astype(np.uint8)
        guess = (low.astype(np.float32) + high) / np.float32(2)
        spread_known(guess, known, _PASSES)
        self.component = Component(low, high, guess, decoder.transform)

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
        """Look at the bounds again."""
        self.component.rebound(*self._bounds(), table)

    def solve(self, table: np.ndarray) -> None:
        """Look for the blocks that miss bounds."""
        self.component.solve(table)

    def full(self, table: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return what the blocks decode to at full size: uint8 (height, width), contiguous."""
        across, down = self._sampling
        samples = self.component.own_samples(table).repeat(down, axis=0).repeat(across, axis=1)
        return np.ascontiguousarray(samples[:height, :width])


class Interpolated:
    """A chroma component whose samples were interpolated to the large plane that is known."""

    def __init__(self, low: np.ndarray, high: np.ndarray, sampling: Sampling, decoder: Decoder) -> None:
        """`low`, `high`: uint8 (h, w), bounds at full size; seen again whenever they were narrowed."""
        across, down = self._sampling = sampling
        self._upsampling = decoder.upsampling
        self._low, self._high, self._way = low, high, interpolation(sampling, decoder.upsampling)
        rows, columns = -(-low.shape[0] // down), -(-low.shape[1] // across)
        self._axes = axis_parts(rows, down, low.shape[0]), axis_parts(columns, across, low.shape[1])
        small, known = np.empty((rows, columns), np.float32), np.empty((rows, columns), np.uint8)
        start_small(low, high, self._way, small, known)
        spread_known(small, known, _PASSES)
        todo = np.ones((-(-rows // 8), -(-columns // 8)), np.int64)
        self.component = Component(*self._shrunk(small, todo), decoder.transform)
        self._costs = np.zeros_like(todo)  # of blocks that a climb did not mend

    def _shrunk(self, small: np.ndarray, todo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bounds and guesses at the component's own size, found from `small` float32 on, in the blocks `todo`."""
        sure, whole = np.empty(small.shape, np.uint8), np.empty(small.shape, np.int16)
        sums, errors = np.empty(self._low.shape, np.int16), np.empty(self._low.shape, np.float32)
        line = np.empty(small.shape[1] + 2, np.int64)
        fit_small(self._low, self._high, *self._axes, todo, _SWEEPS, small, errors)
        np.clip(np.rint(small), 0, 255, out=whole, casting="unsafe")
        settle_small(self._low, self._high, self._way, *self._axes, todo, _SETTLES, whole, sums, line, sure)
        guess = np.clip(whole, 0, 255).astype(np.uint8)
        return np.where(sure, guess, np.uint8(0)), np.where(sure, guess, np.uint8(255)), guess

    def refresh(self, table: np.ndarray) -> None:
        """Look at the bounds again; where many blocks miss them now, shrink these again, while few are but mended."""
        costs = np.zeros_like(self._costs)
        self._mend(table, self.component.samples(table), 0, costs)
        todo = ((costs > 0) & (costs != self._costs)).astype(np.int64)
        if todo.mean() < _SPARSE:
            return
        small = self.component.own_samples(table).astype(np.float32)
        low, high, guess = self._shrunk(small, todo)
        self.component.rebound(low, high, table)
        self.component.only(todo > 0, guess)

    def solve(self, table: np.ndarray) -> None:
        """Look for the blocks that miss bounds: rounded, then mended, neighbour by neighbour."""
        self.component.solve(table, NO_EFFORT)
        samples = self.component.samples(table)
        for _ in range(_MENDS):
            if not self._mend(table, samples, _MEND_STEPS, self._costs):
                break

    def _mend(self, table: np.ndarray, samples: np.ndarray, steps: int, costs: np.ndarray) -> int:
        """Mend blocks that cost something else than `costs` says; return how many do."""
        plane = (self._low, self._high, *self._axes, self._way)
        rule = search_rule(self.component.transform, table)
        return int(mend_blocks(plane, rule, steps, mending_room(), samples, self.component.blocks, costs))

    def full(self, table: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return what the blocks decode to at full size: uint8 (height, width), contiguous."""
        samples = self.component.own_samples(table)
        return np.ascontiguousarray(upsample(samples, self._sampling, self._upsampling, height, width))


Chroma = Whole | Interpolated | Scaled


def chroma_of(low: np.ndarray, high: np.ndarray, sampling: Sampling, decoder: Decoder) -> Chroma:
    """Return a chroma component whose bounds at full size, uint8 (h, w), are seen again whenever they were narrowed."""
    if decoder.upsampling is Upsampling.SCALED and sampling != (1, 1):
        return Scaled(low, high, sampling, decoder)
    if interpolates(sampling, decoder.upsampling, -(-low.shape[1] // sampling[0])):
        return Interpolated(low, high, sampling, decoder)
    return Whole(low, high, sampling, decoder)
