"""A mosaic as two planes that code well: green, and what is left of red and blue when green beside them is taken off.

JPEG XL takes less for these two than for the mosaic itself, or for four planes of half its sides.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.origins.demosaic.interpolation import Pattern


def split(mosaic: np.ndarray, pattern: Pattern, maximum: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the planes of a mosaic: green (h, w / 2, 1), and red and blue less green (h / 2, w / 2, 2).

    Green loses the places between its samples: rows of one parity lie half a step beside those of the other.

    Args:
        mosaic: (h, w), uint8 or uint16, both sides even.
        pattern: Of the mosaic.
        maximum: Of the samples, 2^bits - 1; differences are taken modulo one more, and half of it stands for 0.
    """
    green = np.empty((mosaic.shape[0], mosaic.shape[1] // 2, 1), mosaic.dtype)
    for parity, places in _green(mosaic, pattern):
        green[parity::2, :, 0] = places
    differences = [
        (places.astype(np.int32) - guess + (maximum + 1) // 2) & maximum for places, guess in _coloured(mosaic, pattern)
    ]
    return green, np.dstack(differences).astype(mosaic.dtype)


def joined(green: np.ndarray, differences: np.ndarray, pattern: Pattern, maximum: int) -> np.ndarray:
    """Return the mosaic (h, w) of what `split` made of it."""
    mosaic = np.zeros((green.shape[0], 2 * green.shape[1]), green.dtype)
    for parity, places in _green(mosaic, pattern):
        places[...] = green[parity::2, :, 0]
    for colour, (places, guess) in enumerate(_coloured(mosaic, pattern)):
        places[...] = (differences[..., colour].astype(np.int32) + guess - (maximum + 1) // 2) & maximum
    return mosaic


def _green(mosaic: np.ndarray, pattern: Pattern) -> list[tuple[int, np.ndarray]]:
    """Parity of rows, and a view of the green places in them."""
    first = (pattern.y + pattern.x + 1) % 2
    return [(0, mosaic[0::2, first::2]), (1, mosaic[1::2, 1 - first :: 2])]


def _coloured(mosaic: np.ndarray, pattern: Pattern) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of red, then blue: a view of its places, and the green that is likely there, int32."""
    around = np.pad(mosaic, 1, mode="reflect")  # which keeps green beside red and blue
    found = []
    for y, x in ((pattern.y, pattern.x), (1 - pattern.y, 1 - pattern.x)):
        places = mosaic[y::2, x::2]
        sides = [around[y + 1 + dy :: 2, x + 1 + dx :: 2] for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0))]
        found.append((places, _middle(*(side[: places.shape[0], : places.shape[1]] for side in sides))))
    return found


def _middle(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Mean of the two middle ones of four, halves up, int32: across an edge, of those on the side that has three."""
    least = np.maximum(np.minimum(a, b), np.minimum(c, d))
    most = np.minimum(np.maximum(a, b), np.maximum(c, d))
    middle: np.ndarray = (least.astype(np.int32) + most + 1) >> 1
    return middle
