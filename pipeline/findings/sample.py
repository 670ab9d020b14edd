"""What detectors look at: all of a small picture, and some crops of a large one, the same ones every time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, kernel

CROP = 512  # side of a crop; a multiple of 8, so that crops keep the grid of a JPEG
ACROSS = 3  # crops along a side at most
_THIN = 1 << 18  # pixels of a picture thinned out
_FEW = 16  # values of a channel: with fewer, or so many, they are no scale of light
_FLAT = 0.85  # of neighbours are equal in drawings and label maps; in photographs at most half are
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114  # ITU-R 601, as JPEG has it


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture (h, w, c), uint8 or uint16, whose samples have `bits`, 1..16, and the parts of it that are looked at.

    At most nine crops of 512 x 512 pixels, so that time and memory do not grow with the picture.
    """

    pixels: np.ndarray
    bits: int

    @property
    def peak(self) -> int:
        """The largest value that samples may have."""
        return (1 << self.bits) - 1

    @cached_property
    def crops(self) -> list[np.ndarray]:
        """Views (h, w, c) that begin at rows and columns that are multiples of 8."""
        return list(_crops(self.pixels))

    @cached_property
    def lumas(self) -> list[np.ndarray]:
        """Luma of each crop on the scale of 8 bits: float32 (h, w), 0..255.

        One or two channels are gray, the second being alpha; of more, the first three are red, green and blue.
        """
        planes = [np.empty(crop.shape[:2], np.float32) for crop in self.crops]
        for crop, plane in zip(self.crops, planes, strict=True):
            _fill_luma(crop, np.float32(255 / self.peak), plane)
        return planes

    @cached_property
    def colours(self) -> int:
        """Channels that are no alpha: 1 or 3."""
        return 1 if self.pixels.shape[2] < 3 else 3

    @cached_property
    def counts(self) -> np.ndarray:
        """How often the crops have each value: int64 (colours, 65536 or 256)."""
        return self._counted(self.crops)

    @cached_property
    def thin_counts(self) -> np.ndarray:
        """How often pixels spread evenly over the whole picture have each value: as `counts`."""
        step = max(1, math.isqrt(self.pixels.shape[0] * self.pixels.shape[1] // _THIN))
        return self._counted([self.pixels[::step, ::step]])

    @cached_property
    def has_few_values(self) -> bool:
        """Whether no channel has more values than drawings have: one bit, classes, a dither."""
        return int(np.count_nonzero(self.counts, axis=1).max()) <= _FEW

    @cached_property
    def is_flat(self) -> bool:
        """Whether areas of one value meet at hard edges, as in drawings and label maps, rather than noise or ramps.

        Neighbours that are both black or both white say nothing: clipped parts of photographs are like that, too.
        """
        pairs = np.zeros(2, np.int64)
        for crop in self.crops:
            _count_equal(crop[:, :, : self.colours], self.peak, pairs)
        return bool(pairs[1] >= _FLAT * max(1, pairs[0]))

    def _counted(self, views: list[np.ndarray]) -> np.ndarray:
        counts = np.zeros((self.colours, 1 << 8 * self.pixels.itemsize), np.int64)
        for view in views:
            _count(view, counts)
        return counts


def _crops(pixels: np.ndarray) -> Iterator[np.ndarray]:
    rows, columns = (_starts(side) for side in pixels.shape[:2])
    for top in rows:
        for left in columns:
            yield pixels[top : top + CROP, left : left + CROP]


def _starts(side: int) -> list[int]:
    """Where crops begin along a side. Up to ACROSS times CROP it is covered, but for a rest that is too small."""
    count = min(ACROSS, max(1, side // CROP))
    return [int(start) // 8 * 8 for start in np.linspace(0, max(0, side - CROP), count)]


@kernel
def _fill_luma(crop: np.ndarray, scale: Float, plane: np.ndarray) -> None:
    """Fill `plane` float32 (h, w) with the luma of a crop (h, w, c), times `scale`."""
    height, width, channels = crop.shape
    for y in range(height):
        for x in range(width):
            if channels < 3:
                plane[y, x] = np.float32(crop[y, x, 0]) * scale
            else:
                red, green, blue = np.float32(crop[y, x, 0]), np.float32(crop[y, x, 1]), np.float32(crop[y, x, 2])
                value = np.float32(_RED) * red + np.float32(_GREEN) * green + np.float32(_BLUE) * blue
                plane[y, x] = value * scale


@kernel
def _count(view: np.ndarray, counts: np.ndarray) -> None:
    """Add the values of a view (h, w, c) to `counts` int64 (channels, values)."""
    for y in range(view.shape[0]):
        for x in range(view.shape[1]):
            for channel in range(counts.shape[0]):
                counts[channel, view[y, x, channel]] += 1


@kernel
def _count_equal(crop: np.ndarray, peak: Int, pairs: np.ndarray) -> None:
    """Add to `pairs` int64 (2,) how many neighbours in rows there are, and how many are equal.

    Those at one end of the scale together are left out.
    """
    height, width, channels = crop.shape
    for y in range(height):
        for x in range(1, width):
            equal = dark = light = True
            for channel in range(channels):
                value = crop[y, x, channel]
                equal = equal and value == crop[y, x - 1, channel]
                dark, light = dark and value == 0, light and value >= peak
            if not (equal and (dark or light)):
                pairs[0] += 1
                pairs[1] += equal
