"""Compiled conversions, forwards and back: a colour of luma and chroma, and luma and chroma of a colour.

`t` int32 (5, 256) are the tables of a conversion, `shift` its shift (colours.py). `hints` float64 (7,) only say where
searches begin: luma is about hints[0] + hints[1] R + hints[2] G + hints[3] B, and hints[4], hints[5], hints[6] are how
many levels of V, U and Y one unit of their tables is worth.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, borrowing_kernel
from tilepress.codecs.origins.ycc.colours import BLUE, GREEN_U, GREEN_V, LUMA, RED

NONE = -1


@borrowing
def clamped(value: Int) -> Int:
    """Return the nearest sample value."""
    return min(max(value, 0), 255)


@borrowing
def colour_of(y: Int, u: Int, v: Int, t: np.ndarray, shift: Int) -> Int:
    """Return the colour of luma and chroma as one number: 65536 R + 256 G + B."""
    luma = np.int64(t[LUMA, y])
    red = clamped((luma + t[RED, v]) >> shift)
    green = clamped((luma + t[GREEN_U, u] + t[GREEN_V, v]) >> shift)
    blue = clamped((luma + t[BLUE, u]) >> shift)
    return red << 16 | green << 8 | blue


@borrowing
def _first_from(row: np.ndarray, least: Int, slope: Float) -> Int:
    """Return the first index of a rising row (256,) whose entry is at least `least`; 256 if there is none."""
    at = clamped(128 + np.int64((least - row[128]) * slope))
    while at > 0 and row[at - 1] >= least:
        at -= 1
    while at < 256 and row[at] < least:
        at += 1
    return at


@borrowing
def preimage_of(red: Int, green: Int, blue: Int, t: np.ndarray, shift: Int, hints: np.ndarray) -> Int:
    """Return luma and chroma of a colour without 0 and 255 as 65536 Y + 256 U + V; NONE if it has none."""
    middle = np.int64(np.floor(hints[0] + hints[1] * red + hints[2] * green + hints[3] * blue + 0.5))
    for step in range(3):
        y = middle + (step + 1) // 2 * (2 * (step & 1) - 1)  # middle, one more, one less
        if y < 0 or y > 255:
            continue
        luma = np.int64(t[LUMA, y])
        v = _first_from(t[RED], (red << shift) - luma, hints[4])
        u = _first_from(t[BLUE], (blue << shift) - luma, hints[5])
        if u < 256 and v < 256 and colour_of(y, u, v, t, shift) == (red << 16 | green << 8 | blue):
            return y << 16 | u << 8 | v
    return NONE


@borrowing
def luma_bounds(red: Int, green: Int, blue: Int, u: Int, v: Int, t: np.ndarray, shift: Int) -> tuple[Int, Int]:
    """Return the least entry of the luma's table that makes a colour with this chroma, and the one above the greatest.

    They are in the wrong order where no luma could, and may lie between two entries.
    """
    least, above = np.int64(-(1 << 40)), np.int64(1 << 40)
    for channel in range(3):
        if channel == 0:
            value, term = red, np.int64(t[RED, v])
        elif channel == 1:
            value, term = green, np.int64(t[GREEN_U, u]) + t[GREEN_V, v]
        else:
            value, term = blue, np.int64(t[BLUE, u])
        if value > 0:
            least = max(least, (value << shift) - term)
        if value < 255:
            above = min(above, ((value + 1) << shift) - term)
    return least, above


@borrowing
def luma_range(least: Int, above: Int, t: np.ndarray, luma_slope: Float) -> Int:
    """Return 256 times the first luma within bounds, plus the last one; NONE if there is none."""
    first = _first_from(t[LUMA], least, luma_slope)
    last = _first_from(t[LUMA], above, luma_slope) - 1
    return first << 8 | last if first <= last else NONE


@borrowing_kernel
def find_preimages(
    picture: np.ndarray, t: np.ndarray, shift: Int, hints: np.ndarray, planes: np.ndarray, known: np.ndarray
) -> None:
    """Find luma and chroma of every colour that has just one.

    `picture` uint8 (h, w, 3 or more).
    `t`, `shift`, `hints`: the conversion, see above.
    `planes` uint8 (3, h, w), filled where known: Y, U, V.
    `known` uint8 (h, w), filled: 1 found, 0 none, 2 a channel is 0 or 255: there may be none, one or many.
    """
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            red, green, blue = np.int64(picture[y, x, 0]), np.int64(picture[y, x, 1]), np.int64(picture[y, x, 2])
            if min(red, green, blue) == 0 or max(red, green, blue) == 255:
                known[y, x] = 2
                continue
            found = preimage_of(red, green, blue, t, shift, hints)
            known[y, x] = found >= 0
            if found >= 0:
                planes[0, y, x], planes[1, y, x], planes[2, y, x] = found >> 16, (found >> 8) & 255, found & 255
