"""A mosaic as two planes that code well: green, and what is left of red and blue when green beside them is taken off.

JPEG XL takes less for these two than for the mosaic itself, or for four planes of half its sides. How much of green is
taken off, and whether green of odd rows is foretold by that of even ones, is chosen for each mosaic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.origins.demosaic.interpolation import Pattern

EIGHTHS = 8  # a weight of as many takes off all of green


@dataclass(frozen=True)
class Layout:
    """How a mosaic was split.

    `rows_apart`: green is two channels, even rows and what is left of odd ones; otherwise all rows follow each other.
    `weights`: eighths of green that are taken off red and blue, 0 to EIGHTHS.
    """

    rows_apart: bool
    weights: tuple[int, int]

    def shapes(self, height: int, width: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Return the shapes of the two planes of a mosaic of even sides."""
        halves = height // 2, width // 2, 2
        return (halves if self.rows_apart else (height, width // 2, 1)), halves


def split(mosaic: np.ndarray, pattern: Pattern, layout: Layout, maximum: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the planes of a mosaic: green, and red and blue less green.

    Args:
        mosaic: (h, w), uint8 or uint16, both sides even.
        pattern: Of the mosaic.
        layout: Shapes of the planes, and what they hold.
        maximum: Of the samples, 2^bits - 1; what is left is taken modulo one more.
    """
    even, odd = _green(mosaic, pattern)
    if layout.rows_apart:
        green = np.dstack([even, (odd - _part(_between_rows(even, pattern), EIGHTHS, maximum)) & maximum])
    else:
        green = np.stack([even, odd], axis=1).reshape(len(mosaic), -1, 1)
    coloured = zip(_coloured(mosaic, pattern), layout.weights, strict=True)
    left = [(places - _part(guess, weight, maximum)) & maximum for (places, guess), weight in coloured]
    return green.astype(mosaic.dtype), np.dstack(left).astype(mosaic.dtype)


def joined(green: np.ndarray, left: np.ndarray, pattern: Pattern, layout: Layout, maximum: int) -> np.ndarray:
    """Return the mosaic (h, w) of what `split` made of it."""
    mosaic = np.zeros((2 * left.shape[0], 2 * left.shape[1]), green.dtype)
    even, odd = _green(mosaic, pattern)
    if layout.rows_apart:
        even[...] = green[..., 0]
        odd[...] = (green[..., 1] + _part(_between_rows(even, pattern), EIGHTHS, maximum)) & maximum
    else:
        even[...], odd[...] = green[0::2, :, 0], green[1::2, :, 0]
    for channel, (places, guess) in enumerate(_coloured(mosaic, pattern)):
        places[...] = (left[..., channel] + _part(guess, layout.weights[channel], maximum)) & maximum
    return mosaic


def _part(guess: np.ndarray, weight: int, maximum: int) -> np.ndarray:
    """What is taken off where so much green is likely, int32: of all of it, middling numbers are left, of none, all."""
    part: np.ndarray = guess * weight // EIGHTHS - (maximum + 1) // 2 * weight // EIGHTHS
    return part


def _green(mosaic: np.ndarray, pattern: Pattern) -> tuple[np.ndarray, np.ndarray]:
    """Views of the green places in even and in odd rows, (h / 2, w / 2) each."""
    first = _first_green(pattern)
    return mosaic[0::2, first::2], mosaic[1::2, 1 - first :: 2]


def _first_green(pattern: Pattern) -> int:
    return (pattern.y + pattern.x + 1) % 2


def _between_rows(even: np.ndarray, pattern: Pattern) -> np.ndarray:
    """The green that is likely in odd rows, int32 (h / 2, w / 2), in the middle of four of even rows."""
    around = np.pad(even, ((0, 1), (1, 1)), mode="edge")
    first = 1 - _first_green(pattern)  # odd rows begin to the left of even ones, or to the right
    upper, lower = around[:-1], around[1:]
    left, right = slice(first, first + even.shape[1]), slice(first + 1, first + 1 + even.shape[1])
    return _middle(upper[:, left], upper[:, right], lower[:, left], lower[:, right])


def _coloured(mosaic: np.ndarray, pattern: Pattern) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of red, then blue: a view of its places, and the green that is likely there, int32."""
    around = np.pad(mosaic, 1, mode="reflect")  # which keeps green beside red and blue
    for y, x in ((pattern.y, pattern.x), (1 - pattern.y, 1 - pattern.x)):
        places = mosaic[y::2, x::2]
        sides = [around[y + 1 + dy :: 2, x + 1 + dx :: 2] for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0))]
        yield places, _middle(*(side[: places.shape[0], : places.shape[1]] for side in sides))


def _middle(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Mean of the two middle ones of four, halves up, int32: across an edge, of those on the side that has three."""
    least = np.maximum(np.minimum(a, b), np.minimum(c, d))
    most = np.minimum(np.maximum(a, b), np.maximum(c, d))
    middle: np.ndarray = (least.astype(np.int32) + most + 1) >> 1
    return middle
