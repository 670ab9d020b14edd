"""The compiled way from planes to picture: chroma brought to full size, and converted with the luma to colours."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.ycc.colours import BLUE, GREEN_U, GREEN_V, LUMA, RED, Colour
from tilepress.codecs.origins.ycc.conversion import clamped
from tilepress.codecs.origins.ycc.sampling import Lattice


@borrowing
def chroma_sum(plane: np.ndarray, y: Int, x: Int, lattice: Lattice) -> Int:
    """Return the chroma of a pixel before it is shifted.

    `plane` (rows, columns): samples, integers.
    `y`, `x`: row and column of the picture.
    `lattice`: the sampling.
    """
    rows, columns = plane.shape
    qy, qx = lattice.rows[y], lattice.columns[x]
    j, i = (qy + lattice.lead[0]) >> lattice.half[0], (qx + lattice.lead[1]) >> lattice.half[1]
    below, right = min(j + 1, rows - 1), min(i + 1, columns - 1)
    py, px = qy & 1, qx & 1
    upper = lattice.weights[1, px, 0] * plane[j, i] + lattice.weights[1, px, 1] * plane[j, right]
    lower = lattice.weights[1, px, 0] * plane[below, i] + lattice.weights[1, px, 1] * plane[below, right]
    return lattice.weights[0, py, 0] * upper + lattice.weights[0, py, 1] * lower + lattice.bias[py, px]


@borrowing
def _sum_rows(plane: np.ndarray, y: Int, lattice: Lattice, out: np.ndarray) -> None:
    """Fill `out` int64 (columns + 1,) with the weighted sums of the two rows of samples beside a row of the picture."""
    q = lattice.rows[y]
    j = (q + lattice.lead[0]) >> lattice.half[0]
    below, columns = min(j + 1, plane.shape[0] - 1), plane.shape[1]
    first, second = lattice.weights[0, q & 1, 0], lattice.weights[0, q & 1, 1]
    for i in range(columns):
        out[i] = first * plane[j, i] + second * plane[below, i]
    out[columns] = out[columns - 1]


def full_chroma(samples: np.ndarray, lattice: Lattice) -> np.ndarray:
    """Return chroma uint8 (h, w) of full size of samples uint8 (rows, columns)."""
    out = np.empty((len(lattice.rows), len(lattice.columns)), np.uint8)
    _upsample(samples, lattice, np.empty(samples.shape[1] + 1, np.int64), out)
    return out


def picture_of(luma: np.ndarray, u: np.ndarray, v: np.ndarray, colour: Colour, out: np.ndarray) -> None:
    """Fill the first three channels of `out` uint8 (h, w, 3 or more) from planes uint8 (h, w) of full size."""
    _make_colours(luma, u, v, colour.tables, colour.shift, out)


@borrowing_kernel
def _upsample(plane: np.ndarray, lattice: Lattice, sums: np.ndarray, out: np.ndarray) -> None:
    """Bring chroma to full size.

    `plane` uint8 (rows, columns): samples.
    `lattice`: the sampling.
    `sums` int64 (columns + 1,): room.
    `out` uint8 (h, w), filled.
    """
    for y in range(out.shape[0]):
        _sum_rows(plane, y, lattice, sums)
        for x in range(out.shape[1]):
            q = lattice.columns[x]
            i, odd = (q + lattice.lead[1]) >> lattice.half[1], q & 1
            total = lattice.weights[1, odd, 0] * sums[i] + lattice.weights[1, odd, 1] * sums[i + 1]
            out[y, x] = (total + lattice.bias[lattice.rows[y] & 1, odd]) >> lattice.shift[0]


@borrowing_kernel
def _make_colours(luma: np.ndarray, u: np.ndarray, v: np.ndarray, t: np.ndarray, shift: Int, out: np.ndarray) -> None:
    """Convert planes of full size to colours.

    `luma`, `u`, `v` uint8 (h, w).
    `t` int32 (5, 256), `shift`: the conversion.
    `out` uint8 (h, w, 3 or more), whose first three channels are filled.
    """
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            level = np.int64(t[LUMA, luma[y, x]])
            out[y, x, 0] = clamped((level + t[RED, v[y, x]]) >> shift)
            out[y, x, 1] = clamped((level + t[GREEN_U, u[y, x]] + t[GREEN_V, v[y, x]]) >> shift)
            out[y, x, 2] = clamped((level + t[BLUE, u[y, x]]) >> shift)
