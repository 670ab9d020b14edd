"""The mosaic that a picture was interpolated from.

Inside, every sample is in the picture, at its own place. The frame of one place around it is not, but what the frame
gave to the picture's outermost pixels is: each of its samples is one of two or of four, and whichever gives the same
will do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.origins.demosaic.frame import above, corner, with_sum
from tilepress.codecs.origins.demosaic.interpolation import GREEN, Pattern


@dataclass(frozen=True)
class _View:
    """A mosaic, the picture within its frame, and the colours of its places, turned."""

    mosaic: np.ndarray
    picture: np.ndarray
    colours: np.ndarray
    ties: int  # as frame.py says


def mosaic_of(picture: np.ndarray, pattern: Pattern, method: int, maximum: int) -> np.ndarray:
    """Return a mosaic (h + 2, w + 2) of which `interpolated` makes the picture, as far as there is one.

    Args:
        picture: (h, w, 3), uint8 or uint16, both sides at least 4.
        pattern: Of the mosaic; the picture's first pixel is at (1, 1) in it.
        method: BILINEAR or EDGE_AWARE.
        maximum: Of the samples.
    """
    shape = picture.shape[0] + 2, picture.shape[1] + 2
    mosaic, colours = np.zeros(shape, np.int32), np.empty(shape, np.uint8)
    for y in (0, 1):
        for x in (0, 1):
            colour = pattern.colour(y, x)
            colours[y::2, x::2] = colour
            mosaic[2 - y : -1 : 2, 2 - x : -1 : 2] = picture[1 - y :: 2, 1 - x :: 2, colour]
    views = [
        _View(np.rot90(mosaic, turn), np.rot90(picture, turn), np.rot90(colours, turn), turn % 2) for turn in range(4)
    ]
    for view in views:  # every side lies above in one of them, and every corner above on the left
        _fill_side(view, method, maximum)
    for view in views:
        _fill_corner(view, method, maximum)
    return mosaic.astype(picture.dtype)


def _fill_side(view: _View, method: int, maximum: int) -> None:
    """The frame above a picture, but for its corners; green beside the corners is filled with them."""
    mosaic, own, pixels = view.mosaic, view.colours[0, 1:-1], view.picture[0].astype(np.int32)
    values = pixels[np.arange(len(own)), own]  # of the frame's colour, one row below it
    green = slice(int(own[0] != GREEN), None, 2)
    coloured = slice(int(own[0] == GREEN), None, 2)

    frame = mosaic[0, 1:-1]
    neighbours = mosaic[1, :-2][green], mosaic[1, 2:][green], mosaic[2, 1:-1][green]
    frame[green] = above(values[green], neighbours, method, view.ties, maximum)
    between = pixels[coloured.start + 1 :: 2, own[coloured.start]]
    frame[coloured] = _of_pairs(values[coloured], mosaic[2, 1:-1][coloured], between, maximum)


def _fill_corner(view: _View, method: int, maximum: int) -> None:
    """The corner above on the left, and the two green places beside it, which share what they gave."""
    mosaic, colour, pixel = view.mosaic, view.colours[0, 0], view.picture[0, 0].astype(np.int32)
    if colour == GREEN:
        mosaic[0, 0] = mosaic[1, 1]  # which gave nothing
        return
    neighbours = int(mosaic[1, 2]), int(mosaic[2, 1])
    mosaic[0, 1], mosaic[1, 0] = corner(int(pixel[GREEN]), neighbours, method, view.ties, maximum)
    others = mosaic[0, 2] + mosaic[2, 0] + mosaic[2, 2]
    mosaic[0, 0] = with_sum(mosaic[0, 2], pixel[colour], others, maximum)


def _of_pairs(means: np.ndarray, below: np.ndarray, between: np.ndarray, maximum: int) -> np.ndarray:
    """Samples of one colour in the frame.

    The mean with the sample two rows below leaves two numbers, one less than the other. Between two such samples lies a
    pixel that is the mean of the four: where that is half of the sum of both means and 1, both samples are the greater
    number; elsewhere one of them at least is the lesser, or it does not matter.
    """
    greater = np.zeros(len(means) + 1, bool)
    greater[1:-1] = means[:-1] + means[1:] + 1 == 2 * between[: len(means) - 1]
    samples: np.ndarray = np.clip(2 * means - below - ~(greater[:-1] | greater[1:]), 0, maximum)
    return samples
