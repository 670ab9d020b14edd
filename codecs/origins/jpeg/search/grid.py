"""Where the grid of 8 x 8 blocks begins: at the one of 64 places where coefficients avoid the neighbourhood of 0.

On the grid a coefficient is near 0 or a step away; rounding spreads both by 0.29. Off the grid there is no gap.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import borrowing_kernel
from tilepress.codecs.origins.jpeg.search.dct import forward
from tilepress.codecs.origins.sample import scattered

_SIDE = 15  # of a window: a block at each of 64 places
WINDOWS = 64  # that are taken, of four times as many that are looked at
_NEAR, _FAR = np.float32(0.7), np.float32(1.3)  # the gap
_FIRST = 2  # the least sum of frequencies that counts
_DEPTH = 0.5  # of the gap on the grid against that elsewhere, at most
_LEAST_IN_GAP = 24  # coefficients, elsewhere: from fewer, nothing follows


@borrowing_kernel
def count_gaps(windows: np.ndarray, room: np.ndarray, counts: np.ndarray) -> None:
    """Count coefficients near 0 and in the gap, for each place where a grid may begin.

    `windows` uint8 (n, 15, 15). `room` float32 (3, 64). `counts` int64 (64, 2): zeros, filled.
    """
    for n in range(windows.shape[0]):
        for phase in range(64):
            top, left = phase >> 3, phase & 7
            for i in range(64):
                room[0, i] = np.float32(windows[n, top + (i >> 3), left + (i & 7)])
            forward(room[0], room[1], room[2])
            for i in range(64):
                size = abs(room[2, i])
                if (i >> 3) + (i & 7) >= _FIRST:
                    counts[phase, 0] += size < _NEAR
                    counts[phase, 1] += _NEAR <= size < _FAR


def find_grid(plane: np.ndarray, windows: int = WINDOWS) -> tuple[int, int, float] | None:
    """Return row and column, 0 to 7, at which blocks begin, and how sure that is, 0 to 1; None where nothing tells.

    Args:
        plane: uint8 (h, w). Where samples are 0 or 255, nothing is looked at.
        windows: How many places are.
    """
    lively = _lively_windows(plane, windows)
    counts = np.zeros((64, 2), np.int64)
    count_gaps(lively, np.empty((3, 64), np.float32), counts)
    gaps = counts[:, 1] / np.maximum(counts.sum(axis=1), 1)
    best = int(gaps.argmin())
    usual = float(np.median(gaps))
    if np.median(counts[:, 1]) < _LEAST_IN_GAP or gaps[best] > _DEPTH * usual:
        return None
    return best >> 3, best & 7, 1 - float(gaps[best]) / usual


def _lively_windows(plane: np.ndarray, count: int) -> np.ndarray:
    """Windows, uint8 (n, 15, 15), scattered over a plane, of which no sample is clipped: the liveliest."""
    rows, columns = plane.shape[0] - _SIDE + 1, plane.shape[1] - _SIDE + 1
    if min(rows, columns) < 1:
        return np.empty((0, _SIDE, _SIDE), np.uint8)
    at = scattered(rows * columns, 4 * count)
    y, x = at // columns & ~7, at % columns & ~7  # so that each window's places are the same ones
    reach = np.arange(_SIDE)
    windows = plane[y[:, None, None] + reach[:, None], x[:, None, None] + reach]
    flat = windows.reshape(len(windows), -1)
    inside = (flat.min(axis=1) > 0) & (flat.max(axis=1) < 255)
    lively = flat.astype(np.float32).std(axis=1) * inside
    chosen = np.argsort(-lively, kind="stable")[:count]
    return np.ascontiguousarray(windows[chosen[lively[chosen] > 0]])
