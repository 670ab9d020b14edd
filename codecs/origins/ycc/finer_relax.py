"""Compiled turns towards the samples of interpolated chroma: what is left at its own pixels moves each of them."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Float, borrowing_kernel
from tilepress.codecs.origins.ycc.finer_filters import Filter


@borrowing_kernel
def begin_fine(
    plane: np.ndarray,
    known: np.ndarray,
    own_rows: np.ndarray,
    own_columns: np.ndarray,
    out: np.ndarray,
    count: np.ndarray,
) -> None:
    """Begin with the mean of each sample's own pixels.

    `plane` float32 (h, w): chroma, right where `known` bool (h, w) says so.
    `own_rows` int64 (h,), `own_columns` int64 (w,): the sample that each pixel belongs to.
    `out` float64 (rows, columns): zeros, filled with samples, where known pixels are their own.
    `count` float64 (rows, columns): zeros, filled with the number of those.
    """
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            if known[y, x]:
                out[own_rows[y], own_columns[x]] += plane[y, x]
                count[own_rows[y], own_columns[x]] += 1.0
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[j, i] /= max(count[j, i], 1.0)


@borrowing_kernel
def relax_fine(
    plane: np.ndarray,
    known: np.ndarray,
    vertical: Filter,
    horizontal: Filter,
    own_rows: np.ndarray,
    own_columns: np.ndarray,
    out: np.ndarray,
    count: np.ndarray,
    wide: np.ndarray,
    total: np.ndarray,
) -> Float:
    """Take one turn; return the sum of the squares of what was left before it.

    `plane` float32 (h, w): chroma, right where `known` bool (h, w) says so.
    `vertical`, `horizontal`: filters of rows and columns (finer_filters.py).
    `own_rows` int64 (h,), `own_columns` int64 (w,): the sample that each pixel belongs to.
    `out` float64 (rows, columns): samples, changed.
    `count` float64 (rows, columns): known own pixels, times the weight that samples have there.
    `wide` float64 (rows, w), `total` float64 (rows, columns): room.
    """
    for j in range(out.shape[0]):
        for x in range(wide.shape[1]):
            wide[j, x] = 0.0
            for k in range(4):
                wide[j, x] += horizontal.weights[x, k] * out[j, horizontal.samples[x, k]] / 16384
        for i in range(out.shape[1]):
            total[j, i] = 0.0
    left = 0.0
    for y in range(plane.shape[0]):
        a, b, c, d = vertical.weights[y, 0], vertical.weights[y, 1], vertical.weights[y, 2], vertical.weights[y, 3]
        j0, j1, j2, j3 = vertical.samples[y, 0], vertical.samples[y, 1], vertical.samples[y, 2], vertical.samples[y, 3]
        for x in range(plane.shape[1]):
            if known[y, x]:
                made = (a * wide[j0, x] + b * wide[j1, x] + c * wide[j2, x] + d * wide[j3, x]) / 4096
                wrong = plane[y, x] - made
                left += wrong * wrong
                total[own_rows[y], own_columns[x]] += wrong
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            if count[j, i] > 0:
                out[j, i] += total[j, i] / count[j, i]
    return left
