"""Blocks of a plane whose samples are known within bounds: back to quantised coefficients."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.file.huffman_walk import MOST_AC
from tilepress.codecs.jpeg.transform import centre_of
from tilepress.codecs.kernels.kernel import Float, Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.jpeg.search.climb import (
    COEFFICIENTS,
    FLOAT_ROOMS,
    HIGH,
    INT_ROOMS,
    LEAST,
    LOW,
    MOST,
    SAMPLES,
    SCRATCH,
    SPREAD,
    TARGET,
    misses,
    search,
)
from tilepress.codecs.origins.jpeg.search.dct import forward, inverse
from tilepress.codecs.origins.jpeg.search.rule import SearchRule

_FAR = np.float32(1e6)  # no bound
_HALF = np.float32(0.47)  # of a level, and less: what just fits may not do so exactly
_ROUNDS = 24  # of projecting, at most
_DEAD, _DECAY = np.float32(1.5), np.float32(0.9)  # what is taken for 0 at first, in steps, and how fast less is


@borrowing
def _load(
    lows: np.ndarray,
    highs: np.ndarray,
    guesses: np.ndarray,
    y: Int,
    x: Int,
    centre: Float,
    floats: np.ndarray,
    integers: np.ndarray,
) -> Int:
    """Fill the rooms with the block at (y, x), SPREAD with its guesses; return how many samples are not known.

    `centre`: what a block without coefficients decodes to, before it is rounded.
    """
    free = np.int64(0)
    for i in range(64):
        low, high = np.int64(lows[y + (i >> 3), x + (i & 7)]), np.int64(highs[y + (i >> 3), x + (i & 7)])
        integers[LEAST, i], integers[MOST, i] = low, high
        floats[LOW, i] = np.float32(low) - centre - _HALF if low > 0 else -_FAR
        floats[HIGH, i] = np.float32(high) - centre + _HALF if high < 255 else _FAR
        guess = min(max(guesses[y + (i >> 3), x + (i & 7)], np.float32(low)), np.float32(high))
        floats[SPREAD, i] = guess - centre
        free += low == 0 or high == 255 or low < high
    return free


@borrowing
def _round(steps: np.ndarray, dead: Float, floats: np.ndarray, quantised: np.ndarray) -> bool:
    """Round the coefficients of TARGET to `quantised`; return whether any changes.

    `dead`: what is smaller, in steps, becomes 0.
    """
    changed = False
    for k in range(64):
        quotient = floats[TARGET, k] / steps[k]
        nearest = np.int64(np.rint(quotient)) if abs(quotient) > dead else 0
        nearest = min(max(nearest, -MOST_AC), MOST_AC)
        changed |= nearest != quantised[k]
        quantised[k] = nearest
    return changed


@borrowing
def _project(
    steps: np.ndarray, free: Int, dead: Float, floats: np.ndarray, integers: np.ndarray, quantised: np.ndarray
) -> None:
    """Round SPREAD, put what is known of the samples back, and round again, until nothing changes.

    `free`: how many samples are not known. `dead`: what is taken for 0 at first, in steps; a half in the end.
    """
    forward(floats[SPREAD], floats[SCRATCH], floats[TARGET])
    _round(steps, dead, floats, quantised)
    for _ in range(_ROUNDS if free else 0):
        for k in range(64):
            floats[COEFFICIENTS, k] = np.float32(quantised[k]) * steps[k]
        inverse(floats[COEFFICIENTS], floats[SCRATCH], floats[SAMPLES])
        for i in range(64):
            low, high = integers[LEAST, i], integers[MOST, i]
            if low == 0 or high == 255 or low < high:
                floats[SPREAD, i] = min(max(floats[SAMPLES, i], floats[LOW, i]), floats[HIGH, i])
        dead = max(dead * _DECAY, np.float32(0.5))
        forward(floats[SPREAD], floats[SCRATCH], floats[TARGET])
        if not _round(steps, dead, floats, quantised) and dead == np.float32(0.5):
            return


@borrowing_kernel
def solve_blocks(
    lows: np.ndarray,
    highs: np.ndarray,
    guesses: np.ndarray,
    rule: SearchRule,
    effort: np.ndarray,
    floats: np.ndarray,
    integers: np.ndarray,
    trials: np.ndarray,
    decoded: np.ndarray,
    blocks: np.ndarray,
    missed: np.ndarray,
) -> None:
    """Find the coefficients of every block for which `missed` is not 0.

    `lows`, `highs` uint8 (8 * rows, 8 * columns): bounds of samples, equal where one is known.
    `guesses` float32, of the same shape: of samples that are not known.
    `rule`: how the decoder makes blocks. `effort` int64 (4,): see `search`; zeros: round, and do not search.
    `floats`, `integers`, `trials` int16 (3, 64), `decoded` int64 (64,): room, from `rooms`.
    `blocks` int16 (rows, columns, 64): filled. `missed` int64 (rows, columns): filled with how many samples of each
    block are out of their bounds.
    """
    centre = centre_of(rule[2])
    for i in range(blocks.shape[0]):
        for j in range(blocks.shape[1]):
            if missed[i, j] == 0:
                continue
            free = _load(lows, highs, guesses, 8 * i, 8 * j, centre, floats, integers)
            missed[i, j] = _solve(rule, free, effort, floats, integers, trials, decoded)
            for k in range(64):
                blocks[i, j, k] = trials[0, k]


@borrowing
def _solve(
    rule: SearchRule,
    free: Int,
    effort: np.ndarray,
    floats: np.ndarray,
    integers: np.ndarray,
    trials: np.ndarray,
    decoded: np.ndarray,
) -> Int:
    """Find the coefficients of the block that is loaded, the first of `trials`; return how many samples miss bounds."""
    least = 65
    for attempt in range(2 if free else 1):
        _project(rule[1], free, _DEAD if attempt else np.float32(0.5), floats, integers, trials[1])
        count = misses(trials[1], rule, integers, decoded)
        if count < least:
            least = count
            for k in range(64):
                trials[0, k] = trials[1, k]
        if count and effort[0] and search(trials[1], trials[2], rule, effort, floats, integers, decoded):
            least = 0
            for k in range(64):
                trials[0, k] = trials[2, k]
        if least == 0:
            break
    return least


def rooms() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the arrays that `solve_blocks` works in."""
    floats, integers = np.zeros((FLOAT_ROOMS, 64), np.float32), np.zeros((INT_ROOMS, 64), np.int64)
    return floats, integers, np.zeros((3, 64), np.int16), np.zeros(64, np.int64)
