"""swscale with full chroma: chroma of half size interpolated with 9 more bits, four samples along each axis.

Along columns, position q of the lattice lies a quarter of a sample from sample q >> 1. Along rows it does, too, or
even q lie on samples, and odd ones in the middle of two. Beyond the plane its edges are repeated.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.ycc.conversion import clamped
from tilepress.codecs.origins.ycc.finer_filters import Filter

FINE_BITS = 9  # bits more than samples have
ROUND = (1 << 9) - (128 << 19)


def fine_chroma(samples: np.ndarray, vertical: Filter, horizontal: Filter) -> np.ndarray:
    """Return chroma int32 (h, w), less 128, with FINE_BITS fractional bits, of samples uint8 (rows, columns)."""
    wide = np.empty((samples.shape[0], len(horizontal.samples)), np.int32)
    widen(samples, horizontal, wide)
    out = np.empty((len(vertical.samples), wide.shape[1]), np.int64)
    heighten(wide, vertical, out)
    return (out >> 10).astype(np.int32)


@borrowing_kernel
def widen(samples: np.ndarray, horizontal: Filter, out: np.ndarray) -> None:
    """Interpolate along rows: `samples` uint8 (rows, columns) to `out` int32 (rows, w), 15 bits."""
    for j in range(out.shape[0]):
        for x in range(out.shape[1]):
            total = np.int64(0)
            for k in range(4):
                total += horizontal.weights[x, k] * samples[j, horizontal.samples[x, k]]
            out[j, x] = min(total >> 7, 32767)


@borrowing_kernel
def heighten(wide: np.ndarray, vertical: Filter, out: np.ndarray) -> None:
    """Interpolate along columns: `wide` int32 (rows, w) to `out` int64 (h, w), 10 bits more than those."""
    for y in range(out.shape[0]):
        a, b, c, d = vertical.weights[y, 0], vertical.weights[y, 1], vertical.weights[y, 2], vertical.weights[y, 3]
        j0, j1, j2, j3 = vertical.samples[y, 0], vertical.samples[y, 1], vertical.samples[y, 2], vertical.samples[y, 3]
        for x in range(out.shape[1]):
            total = a * wide[j0, x] + b * wide[j1, x] + c * wide[j2, x] + d * wide[j3, x]
            out[y, x] = total + ROUND


@borrowing_kernel
def make_fine_colours(luma: np.ndarray, u: np.ndarray, v: np.ndarray, p: np.ndarray, out: np.ndarray) -> None:
    """Convert luma uint8 (h, w) and chroma int32 (h, w), from `fine_chroma`, to colours.

    `p` int64 (6,): from `parameters`.
    `out` uint8 (h, w, 3 or more), whose first three channels are filled.
    """
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            level = ((luma[y, x] - p[0]) << FINE_BITS) * p[1] + (1 << 21)
            out[y, x, 0] = clamped((level + p[2] * v[y, x]) >> 22)
            out[y, x, 1] = clamped((level + p[3] * u[y, x] + p[4] * v[y, x]) >> 22)
            out[y, x, 2] = clamped((level + p[5] * u[y, x]) >> 22)


@borrowing
def luma_bounds(red: Int, green: Int, blue: Int, u: Int, v: Int, p: np.ndarray) -> tuple[Int, Int]:
    """Return the first and the last luma that make a colour with this chroma; none if they are in the wrong order."""
    least, above = np.int64(-(1 << 40)), np.int64(1 << 40)
    for channel in range(3):
        if channel == 0:
            value, term = red, p[2] * v
        elif channel == 1:
            value, term = green, p[3] * u + p[4] * v
        else:
            value, term = blue, p[5] * u
        if value > 0:
            least = max(least, (value << 22) - term)
        if value < 255:
            above = min(above, ((value + 1) << 22) - term)
    step, base = p[1] << FINE_BITS, (1 << 21) - ((p[0] * p[1]) << FINE_BITS)
    return max(-((base - least) // step), 0), min((above - base - 1) // step, 255)


@borrowing_kernel
def settle_fine_luma(
    picture: np.ndarray, u: np.ndarray, v: np.ndarray, p: np.ndarray, luma: np.ndarray, right: np.ndarray
) -> None:
    """Find the luma of every pixel under settled chroma; where there are several, the nearest to those around.

    `picture` uint8 (h, w, 3 or more).
    `u`, `v` int32 (h, w): chroma, from `fine_chroma`.
    `p` int64 (6,): from `parameters`.
    `luma` uint8 (h, w), filled.
    `right` uint8 (h, w), filled: 1 where the colour comes out right.
    """
    for y in range(luma.shape[0]):
        for x in range(luma.shape[1]):
            west = np.int64(luma[y, x - 1]) if x > 0 else np.int64(luma[max(y - 1, 0), x])
            north = np.int64(luma[y - 1, x]) if y > 0 else west
            corner = np.int64(luma[y - 1, x - 1]) if x > 0 and y > 0 else north
            likely = max(min(west, north), min(max(west, north), west + north - corner))
            red, green, blue = np.int64(picture[y, x, 0]), np.int64(picture[y, x, 1]), np.int64(picture[y, x, 2])
            first, last = luma_bounds(red, green, blue, np.int64(u[y, x]), np.int64(v[y, x]), p)
            right[y, x] = first <= last
            if first <= last:
                luma[y, x] = min(max(likely, first), last)
            else:
                luma[y, x] = min(max((first + last) >> 1, 0), 255) if first < 256 and last >= 0 else likely
