"""A part of a picture: a rectangle of pixels, and the one that is worth most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.codec import TileSpec


@dataclass(frozen=True)
class Rectangle:
    """First row and column, height and width, in pixels."""

    y: int
    x: int
    height: int
    width: int

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns, to index arrays with."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    def common(self, other: Rectangle) -> int:
        """Return the number of pixels that are also another one's."""
        rows = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        columns = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        return max(rows, 0) * max(columns, 0)

    def within(self, spec: TileSpec) -> bool:
        """Tell whether the rectangle has pixels, all of them inside the picture."""
        fits = self.y + self.height <= spec.height and self.x + self.width <= spec.width
        return fits and min(self.height, self.width) > 0


def around(there: np.ndarray) -> Rectangle:
    """Return the rectangle around all places that are marked; `there`: bool (h, w), one marked at least."""
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    y, x = int(rows[0]), int(columns[0])
    return Rectangle(y, x, int(rows[-1]) + 1 - y, int(columns[-1]) + 1 - x)


def worthiest(worth: np.ndarray) -> tuple[Rectangle, int]:
    """Return the rectangle of greatest sum, and the sum; `worth`: int64 (rows, columns).

    Of every top row, all bottom rows are tried at once, and of those the best run of columns is the greatest rise of
    the running sum above its least value before. The time grows as rows * rows * columns.
    """
    rows, columns = worth.shape
    above = np.zeros((rows + 1, columns), np.int64)
    np.cumsum(worth, axis=0, out=above[1:])
    best, most = Rectangle(0, 0, 1, 1), int(worth[0, 0])
    for top in range(rows):
        ahead = np.zeros((rows - top, columns + 1), np.int64)
        np.cumsum(above[top + 1 :] - above[top], axis=1, out=ahead[:, 1:])
        rise = ahead[:, 1:] - np.minimum.accumulate(ahead[:, :-1], axis=1)
        bottom, right = divmod(int(rise.argmax()), columns)
        if rise[bottom, right] > most:
            most, left = int(rise[bottom, right]), int(ahead[bottom, : right + 1].argmin())
            best = Rectangle(top, left, bottom + 1, right + 1 - left)
    return best, most
