"""Where in a picture the part is whose pixels a JPEG decoder made: the rectangle whose colours tell it best.

Of colours that are neither gray nor clipped, a decoder gives one in four. Each that is one of those tells for a
rectangle, each of the others against it, more strongly; grays are everybody's, and tell a little against it, so that
white margins stay outside. The rectangle of greatest sum is found in cells first, then its edges to the pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.jpeg.colour import JFIF
from tilepress.codecs.kernels.kernel import borrowing_kernel
from tilepress.codecs.origins.jpeg.search.colour_bounds import invert_colour
from tilepress.codecs.origins.rectangle import Rectangle, worthiest

_FOR, _AGAINST, _NEUTRAL = 10, -60, -1  # what a pixel is worth
_CELL, _MOST_CELLS = 8, 96  # least side of a cell in pixels; cells along a side of a picture, about
LEAST_AREA = 64 * 64  # pixels: a smaller JPEG is not worth looking for
_LEAST_WORTH = 2  # of a pixel, on average: below, colours do not tell
_ROUNDS = 2  # in which edges are found: each depends on the others
_WHOLE = 0.998  # of the picture: nothing is left around
_STRANGE = 0.001  # of the pixels around the rectangle are against it: fewer, and all of the picture may be one JPEG


@borrowing_kernel
def weigh_colours(picture: np.ndarray, worth: np.ndarray) -> None:
    """Fill `worth` int8 (h, w) with what each pixel of `picture` uint8 (h, w, 3) tells for a JPEG."""
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            r, g, b = np.int64(picture[i, j, 0]), np.int64(picture[i, j, 1]), np.int64(picture[i, j, 2])
            if r == g == b or min(r, g, b) == 0 or max(r, g, b) == 255:
                worth[i, j] = _NEUTRAL
                continue
            luma, _, _ = invert_colour(r, g, b, JFIF)
            worth[i, j] = _FOR if luma >= 0 else _AGAINST


@dataclass(frozen=True)
class Region:
    """A rectangle that a JPEG decoder made.

    `whole`: nothing is around it. `distinct`: colours around it tell that no such decoder made those.
    """

    part: Rectangle
    whole: bool
    distinct: bool


def find_region(picture: np.ndarray) -> Region | None:
    """Return the rectangle that a JPEG decoder made; None where there is none.

    Args:
        picture: (h, w, 3) uint8.
    """
    picture = np.require(picture, requirements=["C", "W"])  # kernels are compiled for writable arrays
    worth = np.empty(picture.shape[:2], np.int8)
    weigh_colours(picture, worth)
    part, most = fitted(worth, _CELL)
    if most < _LEAST_WORTH * LEAST_AREA or part.area < LEAST_AREA or worth[part.place].mean() < _LEAST_WORTH:
        return None
    strange = np.count_nonzero(worth == _AGAINST) - np.count_nonzero(worth[part.place] == _AGAINST)
    distinct = bool(strange > _STRANGE * (worth.size - part.area))
    return Region(part, part.area >= _WHOLE * worth.size, distinct)


def fitted(worth: np.ndarray, least_cell: int) -> tuple[Rectangle, int]:
    """Return the rectangle of greatest sum, about, of a map (h, w) of integers, and that of its cells.

    Args:
        worth: What each place is worth.
        least_cell: Side of the cells that are looked at first; larger ones if there are many.
    """
    cell = max(least_cell, -(-max(worth.shape) // _MOST_CELLS))
    cells, most = worthiest(_pooled(worth, cell))
    return _to_the_pixel(worth, cells, cell), most


def _pooled(worth: np.ndarray, cell: int) -> np.ndarray:
    """Sums over cells, int64 (rows, columns): those at the lower and right edges may be smaller."""
    rows, columns = (np.arange(0, side, cell) for side in worth.shape)
    sums: np.ndarray = np.add.reduceat(np.add.reduceat(worth, rows, axis=0, dtype=np.int64), columns, axis=1)
    return sums


def _to_the_pixel(worth: np.ndarray, cells: Rectangle, cell: int) -> Rectangle:
    """A rectangle of cells with its edges moved, by a cell at most each time, to where the sum is greatest."""
    (top, bottom), (left, right) = ((part.start * cell, part.stop * cell) for part in cells.place)
    bottom, right = min(bottom, worth.shape[0]), min(right, worth.shape[1])
    for _ in range(_ROUNDS):
        top, bottom = _edges(worth[:, left:right], top, bottom, cell)
        left, right = _edges(worth[top:bottom].T, left, right, cell)
    return Rectangle(top, left, bottom - top, right - left)


def _edges(worth: np.ndarray, first: int, end: int, reach: int) -> tuple[int, int]:
    """First row and end of the rows of greatest sum, neither further than `reach` from where they were."""
    start, middle = max(first - reach, 0), (first + end) // 2
    stop = min(end + reach, len(worth))
    before = worth[start:middle].sum(axis=1, dtype=np.int64)[::-1].cumsum()
    after = worth[middle:stop].sum(axis=1, dtype=np.int64).cumsum()
    nearest, furthest = max(middle - first - reach, 1), max(end - middle - reach, 1)
    grown = int(before[nearest - 1 :].argmax()) + nearest if len(before) else 0
    return middle - grown, middle + int(after[furthest - 1 :].argmax()) + furthest
