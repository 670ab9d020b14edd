"""Chroma planes that an inverse DCT made as large as the picture, known within bounds, back to blocks.

Each block stands for 16 samples along a side that was doubled, and is told by these alone: its 64 coefficients are
known better than those of luma, since up to four samples tell each.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.decoders import Decoder
from tilepress.codecs.jpeg.file.coefficients import BLOCK, Sampling
from tilepress.codecs.jpeg.file.huffman_walk import MOST_AC
from tilepress.codecs.jpeg.scaled import scaled_plane
from tilepress.codecs.origins.jpeg.search.component import Component
from tilepress.codecs.origins.jpeg.search.dct import BASIS
from tilepress.codecs.origins.jpeg.search.shrink import spread_known

_PASSES = 4
_LOOK = 256  # blocks, about, that tell how well steps explain them
_CENTRE = np.float32(128)
_ROUNDS = 24  # of projecting, at most
_MOVES = 16  # of single coefficients, of a block that projecting does not mend
_STIFFNESS = np.float32(0.4)  # of a step: bounds hide a part of what samples are off by


def coarse(factor: int) -> np.ndarray:
    """Return what turns the samples of a side into eight coefficients: float32 (8, 8 * factor).

    Rows are orthogonal, and scaled so that coefficients are those of eight samples.
    """
    points = BLOCK * factor
    k, x = np.mgrid[:BLOCK, :points]
    rows = np.where(k == 0, np.sqrt(1 / points), np.sqrt(2 / points)) * np.cos((2 * x + 1) * k * np.pi / (2 * points))
    matrix: np.ndarray = (rows / np.sqrt(factor)).astype(np.float32)
    return matrix


def blocked(plane: np.ndarray, sampling: Sampling, outside: int) -> np.ndarray:
    """Return a plane (h, w) as its blocks (rows, columns, 8 * down, 8 * across), filled up with `outside`."""
    across, down = (BLOCK * factor for factor in sampling)
    pad = ((0, -plane.shape[0] % down), (0, -plane.shape[1] % across))
    plane = np.pad(plane, pad, constant_values=outside)
    shape = (plane.shape[0] // down, down, plane.shape[1] // across, across)
    return np.ascontiguousarray(plane.reshape(shape).swapaxes(1, 2))


class Scaled:
    """A chroma component that was made as large as the picture by its inverse DCT."""

    def __init__(self, low: np.ndarray, high: np.ndarray, sampling: Sampling, decoder: Decoder) -> None:
        """`low`, `high`: uint8 (h, w), bounds at full size; seen again whenever they were narrowed."""
        self._large, self._sampling = (low, high), sampling
        self._across, self._down = (coarse(factor) for factor in sampling)
        guess = (low.astype(np.float32) + high) / np.float32(2)
        spread_known(guess, (low == high).astype(np.uint8), _PASSES)
        self._guess = blocked(np.asarray(guess), sampling, 128)
        self.component = Component(*self._small(), decoder.transform)

    def _small(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bounds and guesses at the component's own size; known are blocks of which all samples are."""
        low, high = self._bounds()
        known = (low == high).all(axis=(2, 3))[:, :, None]
        samples = self._forward(self._guess - _CENTRE) @ BASIS + _CENTRE
        rounded = np.clip(np.rint(samples), 0, 255).astype(np.uint8)
        planes = np.where(known, rounded, np.uint8(0)), np.where(known, rounded, np.uint8(255)), samples
        rows, columns = samples.shape[:2]
        small = (each.reshape(rows, columns, BLOCK, BLOCK).swapaxes(1, 2) for each in planes)
        low, high, samples = (each.reshape(BLOCK * rows, BLOCK * columns) for each in small)
        return low, high, samples

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return blocked(self._large[0], self._sampling, 0), blocked(self._large[1], self._sampling, 255)

    def _forward(self, samples: np.ndarray) -> np.ndarray:
        """Coefficients float32 (..., 64) of blocks of samples float32 (..., 8 * down, 8 * across)."""
        found: np.ndarray = self._down @ samples @ self._across.T
        return found.reshape(*samples.shape[:-2], 64)

    def _decoded(self, blocks: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Samples float32 (n, 8 * down, 8 * across) of blocks int16 (n, 64)."""
        across, down = (BLOCK * factor for factor in self._sampling)
        plane = scaled_plane(blocks[:, None], table, self._sampling)
        return plane.reshape(-1, down, across).astype(np.float32)

    def share(self, table: np.ndarray) -> float:
        """Return the share of samples that a table's steps make again, in some blocks of which all is known."""
        low, high = self._bounds()
        known = np.flatnonzero((low == high).all(axis=(2, 3)))
        chosen = known[:: max(1, len(known) // _LOOK)]
        if not len(chosen):
            return 0.0
        samples = low.reshape(-1, *low.shape[2:])[chosen].astype(np.float32)
        decoded = self._decoded(self._rounded(self._forward(samples - _CENTRE), table), table)
        return float((decoded == samples).mean())

    def refresh(self, table: np.ndarray) -> None:
        """Look at the bounds again."""
        blocks = self.component.blocks
        self._guess = self._decoded(blocks.reshape(-1, 64), table).reshape(self._guess.shape)

    def solve(self, table: np.ndarray) -> None:
        """Look for the blocks whose guesses, rounded, miss bounds."""
        low, high = (bounds.reshape(-1, *bounds.shape[2:]).astype(np.float32) for bounds in self._bounds())
        guess = np.clip(self._guess.reshape(low.shape), low, high)
        blocks = self._rounded(self._forward(guess - _CENTRE), table)
        todo = np.arange(len(blocks))
        for _ in range(_ROUNDS):
            decoded = self._decoded(blocks[todo], table)
            off = np.clip(decoded, low[todo], high[todo]) - decoded
            missing = off.any(axis=(1, 2))
            todo = todo[missing]
            again = self._rounded(self._forward(decoded[missing] + off[missing] - _CENTRE), table)
            changed = (again != blocks[todo]).any(axis=1)
            blocks[todo] = again
            todo = todo[changed]
            if not len(todo):
                break
        self._mend(low, high, table, blocks)
        shape = self.component.blocks.shape
        self.component.blocks = blocks.reshape(shape)
        decoded = self._decoded(blocks, table)
        self.component.missed = ((decoded < low) | (decoded > high)).sum(axis=(1, 2)).reshape(shape[:2])

    def _mend(self, low: np.ndarray, high: np.ndarray, table: np.ndarray, blocks: np.ndarray) -> None:
        """Move single coefficients of the blocks that miss bounds, each the one that promises most, while it helps."""
        decoded = self._decoded(blocks, table)
        off = np.clip(decoded, low, high) - decoded
        todo = np.flatnonzero(off.any(axis=(1, 2)))
        off, trials, steps = off[todo], blocks[todo], table.astype(np.float32)
        costs = (off**2).sum(axis=(1, 2))
        resting = np.zeros(trials.shape, bool)
        for _ in range(_MOVES if len(todo) else 0):
            pull = self._forward(off)
            promise = np.where(resting, -np.inf, (2 * np.abs(pull) - _STIFFNESS * steps) * steps)
            at = (np.arange(len(todo)), promise.argmax(axis=1))
            resting[at] = True
            trials[at] = np.clip(trials[at] + np.where(pull[at] > 0, 1, -1), -MOST_AC, MOST_AC)
            decoded = self._decoded(trials, table)
            off = np.clip(decoded, low[todo], high[todo]) - decoded
            now = (off**2).sum(axis=(1, 2))
            better = now < costs
            blocks[todo[better]], costs[better] = trials[better], now[better]

    def _rounded(self, coefficients: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Coefficients (n, 64), quantised: int16."""
        quantised: np.ndarray = np.clip(np.rint(coefficients / table), -MOST_AC, MOST_AC).astype(np.int16)
        return quantised

    def full(self, table: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return what the blocks decode to at full size: uint8 (height, width), contiguous."""
        plane = scaled_plane(self.component.blocks, table, self._sampling)
        return np.ascontiguousarray(plane[:height, :width])
