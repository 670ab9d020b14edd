"""Where the grid of 8 x 8 blocks begins: at the one of 64 places where coefficients avoid the neighbourhood of 0.

On the grid a coefficient is near 0 or a step away; rounding spreads both by 0.29. Off the grid there is no gap. No
kernel is loaded for this: first looks look for a grid.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from tilepress.codecs.origins.sample import scattered

_SIDE = 15  # of a window: a block at each of 64 places
WINDOWS = 64  # that are taken, of four times as many that are looked at
_TOGETHER = 24  # windows that are transformed at a time: what comes of them stays in a processor's cache
_NEAR, _FAR = np.float32(0.7), np.float32(1.3)  # the gap
_FIRST = 2  # the least sum of frequencies that counts
_DEPTH = 0.5  # of the gap on the grid against that elsewhere, at most
_LEAST_IN_GAP = 24  # coefficients, elsewhere: from fewer, nothing follows


def find_grid(plane: np.ndarray, windows: int = WINDOWS) -> tuple[int, int, float] | None:
    """Return row and column, 0 to 7, at which blocks begin, and how sure that is, 0 to 1; None where nothing tells.

    Args:
        plane: uint8 (h, w). Where samples are 0 or 255, nothing is looked at.
        windows: How many places are.
    """
    lively = _lively_windows(plane, windows)
    near, small = np.zeros((2, 64), np.int64)
    for first in range(0, len(lively), _TOGETHER):
        some, transform = lively[first : first + _TOGETHER].astype(np.float32), _transform()
        coefficients = np.abs(transform @ (some @ transform.T))
        near, small = near + _count_below(_NEAR, coefficients), small + _count_below(_FAR, coefficients)
    in_gap = small - near
    gaps = in_gap / np.maximum(small, 1)
    best = int(gaps.argmin())
    usual = float(np.median(gaps))
    if np.median(in_gap) < _LEAST_IN_GAP or gaps[best] > _DEPTH * usual:
        return None
    return best >> 3, best & 7, 1 - float(gaps[best]) / usual


def _count_below(size: np.float32, coefficients: np.ndarray) -> np.ndarray:
    """Count coefficients (n, 64, 64) of windows below a size, for each place where a grid may begin: int64 (64,)."""
    there = np.add.reduce((coefficients < size).view(np.uint8), axis=0, dtype=np.uint8)  # n is below 256
    there = there.reshape(8, 8, 8, 8)  # by row of the place, vertical frequency, column of the place, horizontal one
    for v in range(_FIRST):
        there[:, v, :, : _FIRST - v] = 0
    counts: np.ndarray = there.sum(axis=(1, 3), dtype=np.int64).ravel()
    return counts


@cache
def _transform() -> np.ndarray:
    """The transform of a line of a window: float32 (64, 15), by the place where a block begins, and the frequency."""
    frequency, x = np.mgrid[:8, :8]
    rows = np.where(frequency == 0, np.sqrt(1 / 8), 0.5) * np.cos((2 * x + 1) * frequency * np.pi / 16)
    transform = np.zeros((8, 8, _SIDE), np.float32)
    for begin in range(8):
        transform[begin, :, begin : begin + 8] = rows
    return transform.reshape(64, _SIDE)


def _lively_windows(plane: np.ndarray, count: int) -> np.ndarray:
    """Windows, uint8 (n, 15, 15), scattered over a plane, of which no sample is clipped: the liveliest."""
    rows, columns = plane.shape[0] - _SIDE + 1, plane.shape[1] - _SIDE + 1
    if min(rows, columns) < 1:
        return np.empty((0, _SIDE, _SIDE), np.uint8)
    at = scattered(rows * columns, 4 * count)
    y, x = at // columns & ~7, at % columns & ~7  # so that each window's places are the same ones
    windows = np.lib.stride_tricks.sliding_window_view(plane, (_SIDE, _SIDE))[y, x]
    flat = windows.reshape(len(windows), -1)
    inside = (flat.min(axis=1) > 0) & (flat.max(axis=1) < 255)
    lively = flat.astype(np.float32).std(axis=1) * inside
    chosen = np.argsort(-lively, kind="stable")[:count]
    return np.ascontiguousarray(windows[chosen[lively[chosen] > 0]])
