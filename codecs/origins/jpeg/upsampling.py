"""Chroma at full size, as libjpeg's "fancy" upsampling interpolates it, or replicated.

Fancy: a sample lies at a quarter between two of half size, and weighs the nearer one three times as much. Edges are
repeated. A component of at most two columns is replicated across, and then down too.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.jpeg.file.coefficients import Sampling

_LEAST_COLUMNS = 3  # for interpolation across


def upsample(plane: np.ndarray, sampling: Sampling, fancy: bool, height: int, width: int) -> np.ndarray:
    """Return a chroma plane at full size: uint8 (height, width).

    Args:
        plane: uint8 (rows, columns), without what fills the last MCUs.
        sampling: Factors across and down.
        fancy: Interpolate; otherwise replicate.
        height: At most rows * down.
        width: At most columns * across.
    """
    across, down = sampling
    if sampling == (1, 1):
        return plane[:height, :width]
    if not interpolates(sampling, fancy, plane.shape[1]):
        return plane.repeat(down, axis=0).repeat(across, axis=1)[:height, :width]
    out = np.empty((height, width), np.uint8)
    line = np.empty(plane.shape[1] + 2, np.int64)
    interpolate(plane, across, down, line, out)
    return out


def interpolates(sampling: Sampling, fancy: bool, columns: int) -> bool:
    """Tell whether a component of so many columns is interpolated, rather than replicated."""
    return fancy and sampling != (1, 1) and (sampling[0] == 1 or columns >= _LEAST_COLUMNS)


@borrowing
def weigh_rows(plane: np.ndarray, down: Int, y: Int, line: np.ndarray) -> None:
    """Fill `line` int64 (columns + 2,) with row `y` of full height, four times as large if `down` is 2."""
    columns = plane.shape[1]
    near = y // down
    far = min(max(near + 2 * (y % 2) - 1, 0), plane.shape[0] - 1)
    for x in range(columns):
        line[x + 1] = 3 * np.int64(plane[near, x]) + plane[far, x] if down == 2 else np.int64(plane[near, x])
    line[0], line[columns + 1] = line[1], line[columns]


@borrowing
def weigh_columns(line: np.ndarray, across: Int, down: Int, y: Int, x: Int) -> Int:
    """Return the sample at column `x` of full width, of a `line` from `weigh_rows`."""
    if across == 1:
        return (line[x + 1] + 1 + (y & 1)) >> 2
    total = 3 * line[(x >> 1) + 1] + line[(x >> 1) + 2 * (x & 1)]
    return (total + 8 - (x & 1)) >> 4 if down == 2 else (total + 1 + (x & 1)) >> 2


@borrowing_kernel
def interpolate(plane: np.ndarray, across: Int, down: Int, line: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` uint8 (h, w) with `plane` uint8 (rows, columns), interpolated; `line` int64 (columns + 2,): room."""
    for y in range(out.shape[0]):
        weigh_rows(plane, down, y, line)
        for x in range(out.shape[1]):
            out[y, x] = weigh_columns(line, across, down, y, x)
