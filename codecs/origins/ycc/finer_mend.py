"""The last steps of interpolated chroma: samples beside wrong pixels are moved for as long as more of them come right.

Most are pixels with a clipped channel, whose chroma is not known; but little chroma has a luma there that is right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.ycc.finer import heighten, luma_bounds, widen
from tilepress.codecs.origins.ycc.finer_filters import Filter
from tilepress.codecs.origins.ycc.sampling import Axis, Sampling

_WRONG, _FAR = 2, 6  # costs: of a wrong pixel, and the most that the luma lacking there adds


class Fine(NamedTuple):
    """A picture and its chroma while samples are moved.

    `picture` uint8 (h, w, 3 or more).
    `samples` uint8 (2, rows, columns): U, V.
    `wide` int32 (2, rows, w), `sums` int64 (2, h, w): the same interpolated along rows, and both ways before the shift.
    `row_begin`, `row_end`, `column_begin`, `column_end` int64: rows and columns that each sample has a weight at.
    `parameters` int64 (6,): of the conversion (finer_filters.py).
    """

    picture: np.ndarray
    samples: np.ndarray
    wide: np.ndarray
    sums: np.ndarray
    row_begin: np.ndarray
    row_end: np.ndarray
    column_begin: np.ndarray
    column_end: np.ndarray
    parameters: np.ndarray


def fine_of(
    picture: np.ndarray, samples: np.ndarray, p: np.ndarray, sampling: Sampling, vertical: Filter, horizontal: Filter
) -> Fine:
    """Return samples uint8 (2, rows, columns) of a picture with all that they interpolate to."""
    height, width = picture.shape[:2]
    wide = np.empty((*samples.shape[:2], width), np.int32)
    sums = np.empty((2, height, width), np.int64)
    for channel in range(2):
        widen(samples[channel], horizontal, wide[channel])
        heighten(wide[channel], vertical, sums[channel])
    rows = _reach(sampling.vertical, height, samples.shape[1])
    columns = _reach(sampling.horizontal, width, samples.shape[2])
    return Fine(picture, samples, wide, sums, *rows, *columns, p)


def _reach(axis: Axis, side: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows or columns from which on, and before which, each sample has a weight."""
    j, q = np.arange(count), axis.positions(side)
    first, end = (2 * j - 3, 2 * j + 5) if axis.half else (j, j + 1)
    return np.searchsorted(q, first), np.searchsorted(q, end)


@borrowing
def _cost_at(y: Int, x: Int, u: Int, v: Int, fine: Fine) -> Int:
    """Return the cost of a pixel whose chroma has these sums."""
    red, green, blue = fine.picture[y, x, 0], fine.picture[y, x, 1], fine.picture[y, x, 2]
    colour = np.int64(red), np.int64(green), np.int64(blue)
    first, last = luma_bounds(colour[0], colour[1], colour[2], u >> 10, v >> 10, fine.parameters)
    return 0 if first <= last else _WRONG + min(first - last, _FAR)


@borrowing
def _step_along_row(j: Int, i: Int, x: Int, channel: Int, value: Int, fine: Fine, horizontal: Filter) -> Int:
    """Return by how much a row of samples, interpolated at a column, changes if a sample becomes `value`."""
    total = np.int64(0)
    for k in range(4):
        at = horizontal.samples[x, k]
        total += horizontal.weights[x, k] * (value if at == i else np.int64(fine.samples[channel, j, at]))
    return min(total >> 7, 32767) - fine.wide[channel, j, x]


@borrowing
def _weight(y: Int, j: Int, vertical: Filter) -> Int:
    total = np.int64(0)
    for k in range(4):
        total += vertical.weights[y, k] if vertical.samples[y, k] == j else 0
    return total


@borrowing
def _cost(j: Int, i: Int, u: Int, v: Int, limit: Int, fine: Fine, vertical: Filter, horizontal: Filter) -> Int:
    """Return the cost of all pixels of a sample if it becomes `u`, `v`; or `limit` at least."""
    total = 0
    for x in range(fine.column_begin[i], fine.column_end[i]):
        step_u = _step_along_row(j, i, x, 0, u, fine, horizontal)
        step_v = _step_along_row(j, i, x, 1, v, fine, horizontal)
        for y in range(fine.row_begin[j], fine.row_end[j]):
            weight = _weight(y, j, vertical)
            total += _cost_at(y, x, fine.sums[0, y, x] + weight * step_u, fine.sums[1, y, x] + weight * step_v, fine)
            if total >= limit:
                return total
    return total


@borrowing
def _move(j: Int, i: Int, u: Int, v: Int, fine: Fine, vertical: Filter, horizontal: Filter) -> None:
    """Make a sample `u`, `v`, and all that is interpolated from it follow."""
    for channel in range(2):
        value = u if channel == 0 else v
        for x in range(fine.column_begin[i], fine.column_end[i]):
            step = _step_along_row(j, i, x, channel, value, fine, horizontal)
            fine.wide[channel, j, x] += step
            for y in range(fine.row_begin[j], fine.row_end[j]):
                fine.sums[channel, y, x] += _weight(y, j, vertical) * step
        fine.samples[channel, j, i] = value


@borrowing
def _touches(j: Int, i: Int, wrong: np.ndarray, fine: Fine) -> Int:
    """Tell whether a pixel of a sample is wrong, the outermost left out."""
    for y in range(fine.row_begin[j] + 2, fine.row_end[j] - 2):
        for x in range(fine.column_begin[i] + 2, fine.column_end[i] - 2):
            if wrong[y, x]:
                return 1
    return 0


@borrowing_kernel
def mend(fine: Fine, wrong: np.ndarray, steps: np.ndarray, vertical: Filter, horizontal: Filter) -> Int:
    """Move every sample beside wrong pixels to the best place near; return how many were moved.

    `wrong` uint8 (h, w): 1 where no luma makes the colour.
    `steps` int64 (n, 3): of U and V, which are tried (growth.py).
    """
    moved = 0
    for j in range(fine.samples.shape[1]):
        for i in range(fine.samples.shape[2]):
            if not _touches(j, i, wrong, fine):
                continue
            u, v = np.int64(fine.samples[0, j, i]), np.int64(fine.samples[1, j, i])
            least, best = _cost(j, i, u, v, 1 << 40, fine, vertical, horizontal), 0
            for step in range(1, steps.shape[0]):
                if least == 0:
                    break
                new_u, new_v = min(max(u + steps[step, 0], 0), 255), min(max(v + steps[step, 1], 0), 255)
                cost = _cost(j, i, new_u, new_v, least, fine, vertical, horizontal)
                if cost < least:
                    least, best = cost, step
            if best > 0:
                new_u, new_v = min(max(u + steps[best, 0], 0), 255), min(max(v + steps[best, 1], 0), 255)
                _move(j, i, new_u, new_v, fine, vertical, horizontal)
                moved += 1
    return moved


@borrowing_kernel
def find_wrong_colours(fine: Fine, wrong: np.ndarray) -> Int:
    """Fill `wrong` uint8 (h, w) with 1 where no luma makes the colour; return how many pixels that are."""
    count = 0
    for y in range(wrong.shape[0]):
        for x in range(wrong.shape[1]):
            wrong[y, x] = _cost_at(y, x, fine.sums[0, y, x], fine.sums[1, y, x], fine) > 0
            count += wrong[y, x]
    return count
