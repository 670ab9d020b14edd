"""Interpolation of a Bayer mosaic, as OpenCV does it (cv2.COLOR_BayerBG2RGB, COLOR_BayerBG2RGB_EA ...), to the bit.

A sample stays at its own place. At red and blue places the other of the two is the mean of four diagonal neighbours; at
green places red and blue are means of two, along the row or the column. Green at red and blue places is, if bilinear,
the mean of four neighbours; if aware of edges, of the two that differ less, those of the row if none do. Means are
rounded, halves up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RED, GREEN, BLUE = 0, 1, 2
BILINEAR, EDGE_AWARE = 1, 2  # methods


@dataclass(frozen=True)
class Pattern:
    """Where a mosaic is red: in rows y with y % 2 == `y`, columns alike. Blue is diagonal to it, the rest is green."""

    y: int
    x: int

    def colour(self, y: int, x: int) -> int:
        """Return RED, GREEN or BLUE of a place."""
        if (y + x - self.y - self.x) % 2:
            return GREEN
        return RED if (y - self.y) % 2 == 0 else BLUE


def interpolated(mosaic: np.ndarray, pattern: Pattern, method: int) -> np.ndarray:
    """Return the colours of all places of a mosaic but the outermost: (h - 2, w - 2, 3) of its type.

    Args:
        mosaic: (h, w), uint8 or uint16, both sides at least 3.
        pattern: Of the mosaic.
        method: BILINEAR or EDGE_AWARE.
    """
    height, width = mosaic.shape
    wide = mosaic.astype(np.uint16 if mosaic.itemsize == 1 else np.uint32)  # a sum of four fits
    picture = np.empty((height - 2, width - 2, 3), mosaic.dtype)
    for y in (1, 2):
        for x in (1, 2):
            _fill(picture[y - 1 :: 2, x - 1 :: 2], wide, (y, x), pattern, method)
    return picture


def _fill(out: np.ndarray, mosaic: np.ndarray, first: tuple[int, int], pattern: Pattern, method: int) -> None:
    """Colours of every second place in every second row, from the first."""
    height, width = mosaic.shape

    def at(dy: int, dx: int) -> np.ndarray:
        y, x = first
        return mosaic[y + dy : height - 1 + dy : 2, x + dx : width - 1 + dx : 2]

    colour = pattern.colour(*first)
    out[..., colour] = at(0, 0)
    if colour == GREEN:
        in_row = pattern.colour(first[0], first[1] + 1)
        out[..., in_row] = (at(0, -1) + at(0, 1) + 1) >> 1
        out[..., RED + BLUE - in_row] = (at(-1, 0) + at(1, 0) + 1) >> 1
    else:
        out[..., GREEN] = green_between(at(0, -1), at(0, 1), at(-1, 0), at(1, 0), method)
        out[..., RED + BLUE - colour] = (at(-1, -1) + at(-1, 1) + at(1, -1) + at(1, 1) + 2) >> 2


def green_between(left: np.ndarray, right: np.ndarray, up: np.ndarray, down: np.ndarray, method: int) -> np.ndarray:
    """Return green in the middle of four green samples, whose type holds their sum."""
    mean: np.ndarray
    if method == BILINEAR:
        mean = (left + right + up + down + 2) >> 2
        return mean
    across = np.maximum(left, right) - np.minimum(left, right)
    along = np.maximum(up, down) - np.minimum(up, down)
    mean = np.where(across > along, (up + down + 1) >> 1, (left + right + 1) >> 1)
    return mean
