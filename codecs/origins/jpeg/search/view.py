"""A picture on the grid of its JPEG, as it is or turned: what is searched."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tilepress.codecs.jpeg.colour import Conversion
from tilepress.codecs.jpeg.file.coefficients import BLOCK
from tilepress.codecs.origins.jpeg.facts import FLIPPED, MIRRORED, TRANSPOSED
from tilepress.codecs.origins.jpeg.search.colour_bounds import colour_bounds, likely_conversion
from tilepress.codecs.origins.jpeg.search.grid import find_grid

_WINDOWS = 128  # that are looked at to find the grid


@dataclass(frozen=True)
class View:
    """A picture, and bounds of its components.

    `picture`: (h, w, 1 or 3) uint8. `lows`, `highs`: uint8 (1 or 3, h, w), of gray, or of Y, Cb and Cr.
    `top`, `left`: rows and columns, 0 to 15, from the begin of the grid to the picture.
    `turn`: what `facts.turned` has to do to make the picture as it was given.
    `conversion`: how its colours were made; None for gray.
    """

    picture: np.ndarray
    lows: np.ndarray
    highs: np.ndarray
    top: int = 0
    left: int = 0
    turn: int = 0
    conversion: Conversion | None = None

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.picture.shape[:2]))

    @property
    def gray(self) -> bool:
        """Whether there is one component."""
        return len(self.lows) == 1

    def padded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds from the begin of the grid on: nothing is known of what lies before the picture."""
        pad = ((0, 0), (self.top, 0), (self.left, 0))
        return np.pad(self.lows, pad), np.pad(self.highs, pad, constant_values=255)

    def shifted(self, down: int, right: int) -> View:
        """Return the view on a grid that begins so much earlier."""
        return replace(self, top=self.top + down, left=self.left + right)

    def transposed(self) -> View:
        """Return the view of the transposed picture; this one must not be turned."""
        planes = self.picture.transpose(1, 0, 2), self.lows.transpose(0, 2, 1), self.highs.transpose(0, 2, 1)
        return self._with(planes, (self.left, self.top), self.turn ^ TRANSPOSED)

    def mirrored(self) -> View:
        """Return the view of the picture with left and right exchanged."""
        planes = self.picture[:, ::-1], self.lows[:, :, ::-1], self.highs[:, :, ::-1]
        left = -(self.left + self.picture.shape[1]) % BLOCK
        return self._with(planes, (self.top, left), self.turn ^ (FLIPPED if self.turn & TRANSPOSED else MIRRORED))

    def flipped(self) -> View:
        """Return the view of the picture upside down."""
        planes = self.picture[::-1], self.lows[:, ::-1], self.highs[:, ::-1]
        top = -(self.top + self.picture.shape[0]) % BLOCK
        return self._with(planes, (top, self.left), self.turn ^ (MIRRORED if self.turn & TRANSPOSED else FLIPPED))

    def turned(self, turn: int) -> View:
        """Return the view of the picture turned as `facts.turned` turns it; this one must not be turned."""
        view = self.transposed() if turn & TRANSPOSED else self
        view = view.flipped() if turn & FLIPPED else view
        return view.mirrored() if turn & MIRRORED else view

    def _with(self, planes: tuple[np.ndarray, np.ndarray, np.ndarray], place: tuple[int, int], turn: int) -> View:
        """The same of arrays that may be turned ones."""
        picture, lows, highs = map(np.ascontiguousarray, planes)
        return View(picture, lows, highs, *place, turn, self.conversion)


def view_of(picture: np.ndarray) -> View:
    """Return the view of a picture (h, w, 1 or 3) uint8 on the grid that its luma shows; on its own if none shows."""
    picture = np.require(picture, requirements=["C", "W"])  # kernels are compiled for writable arrays
    if picture.shape[2] == 1:
        conversion, lows = None, picture.reshape(1, *picture.shape[:2])
        highs = lows
    else:
        lows, highs = (np.empty((3, *picture.shape[:2]), np.uint8) for _ in range(2))
        conversion = likely_conversion(picture)
        colour_bounds(picture, 0, 0, conversion, lows, highs)
    row, column, _ = find_grid(lows[0], _WINDOWS) or (0, 0, 0)
    return View(picture, lows, highs, -row % BLOCK, -column % BLOCK, conversion=conversion)
