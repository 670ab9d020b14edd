"""The mosaic that a picture was interpolated from.

Inside, every sample is in the picture, at its own place. The frame of one place around it is not, but what the frame
gave to the picture's outermost pixels is: each of its samples is one of two or of four, and whichever gives the same
will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tilepress.codecs.origins.demosaic.bilinear import GREEN, Pattern

_Turn = Callable[[np.ndarray], np.ndarray]


def mosaic_of(picture: np.ndarray, pattern: Pattern, maximum: int) -> np.ndarray:
    """Return a mosaic (h + 2, w + 2) of which `interpolated` makes the picture, as far as there is one.

    Args:
        picture: (h, w, 3), uint8 or uint16, both sides at least 4.
        pattern: Of the mosaic; the picture's first pixel is at (1, 1) in it.
        maximum: Of the samples.
    """
    shape = picture.shape[0] + 2, picture.shape[1] + 2
    mosaic, colours = np.zeros(shape, np.int64), np.empty(shape, np.uint8)
    for y in (0, 1):
        for x in (0, 1):
            colour = pattern.colour(y, x)
            colours[y::2, x::2] = colour
            mosaic[2 - y : -1 : 2, 2 - x : -1 : 2] = picture[1 - y :: 2, 1 - x :: 2, colour]
    for turn in _turns():  # every side comes to lie above once, then every corner above on the left
        _fill_side(turn(mosaic), turn(picture), turn(colours), maximum)
    for turn in _turns():
        _fill_corner(turn(mosaic), turn(picture), int(turn(colours)[0, 0]), maximum)
    return mosaic.astype(picture.dtype)


def _turns() -> Iterator[_Turn]:
    """By 0, 90, 180 and 270 degrees, as views."""
    yield from (lambda array, times=times: np.rot90(array, times) for times in range(4))


def _fill_side(mosaic: np.ndarray, picture: np.ndarray, colours: np.ndarray, maximum: int) -> None:
    """The frame above a picture, but for its corners; green beside the corners is filled with them."""
    own, pixels = colours[0, 1:-1], picture[0].astype(np.int64)
    values = pixels[np.arange(len(own)), own]  # of the frame's colour, one row below it
    green = slice(int(own[0] != GREEN), None, 2)
    coloured = slice(int(own[0] == GREEN), None, 2)

    frame = mosaic[0, 1:-1]
    sums = mosaic[2, 1:-1] + mosaic[1, :-2] + mosaic[1, 2:]
    guess = (mosaic[1, :-2] + mosaic[1, 2:] + 1) >> 1
    frame[green] = _with_sum(guess, values, sums, maximum)[green]
    between = pixels[coloured.start + 1 :: 2, own[coloured.start]]
    frame[coloured] = _of_pairs(values[coloured], mosaic[2, 1:-1][coloured], between, maximum)


def _fill_corner(mosaic: np.ndarray, picture: np.ndarray, colour: int, maximum: int) -> None:
    """The corner above on the left, and the two green places beside it, which share what they gave."""
    if colour == GREEN:
        mosaic[0, 0] = mosaic[1, 1]  # which gave nothing
        return
    both = 4 * int(picture[0, 0, GREEN]) - 2 - mosaic[1, 2] - mosaic[2, 1]  # or up to three more
    both = np.clip(mosaic[1, 2] + mosaic[2, 1], both, both + 3)
    mosaic[0, 1] = np.clip(both >> 1, 0, maximum)
    mosaic[1, 0] = np.clip(both - mosaic[0, 1], 0, maximum)
    others = mosaic[0, 2] + mosaic[2, 0] + mosaic[2, 2]
    mosaic[0, 0] = _with_sum(mosaic[0, 2], picture[0, 0, colour].astype(np.int64), others, maximum)


def _with_sum(guess: np.ndarray, mean: np.ndarray, others: np.ndarray, maximum: int) -> np.ndarray:
    """The samples nearest to a guess whose mean with three others, of which the sum is given, is rounded to `mean`."""
    least = 4 * mean - 2 - others
    samples: np.ndarray = np.clip(np.clip(guess, least, least + 3), 0, maximum)
    return samples


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
