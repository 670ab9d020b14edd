"""Green samples of a mosaic's frame, of which a picture has only what they gave to the green of its outermost pixels.

Such a pixel lies between four green samples; `above` finds the upper one, `corner` the upper and the left one of a
pixel in a corner. Any that give the pixel its green will do; where none do, what comes near. Interpolation that is
aware of edges takes the mean of the row where row and column differ as much. Turned by 90 degrees, that is the column:
`ties` is 1 then, and 0 otherwise.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.origins.demosaic.interpolation import BILINEAR

Neighbours = tuple[np.ndarray, np.ndarray, np.ndarray]  # left, right, below


def above(green: np.ndarray, neighbours: Neighbours, method: int, ties: int, most: int) -> np.ndarray:
    """Return samples, int32 (n,), 0 to `most`, above pixels whose green, and whose other neighbours, are given."""
    left, right, below = neighbours
    if method == BILINEAR:
        return with_sum((left + right + 1) >> 1, green, left + right + below, most)
    apart = np.abs(left - right) + ties  # from here on, green is the mean along the row
    found = np.where(below + apart <= most, below + apart, below - apart)
    for lesser in (1, 0):
        sample = 2 * green - below - lesser
        is_mean = (sample >= 0) & (sample <= most) & (np.abs(sample - below) < apart)
        found = np.where(is_mean, sample, found)
    samples: np.ndarray = np.clip(found, 0, most)
    return samples


def corner(green: int, neighbours: tuple[int, int], method: int, ties: int, most: int) -> tuple[int, int]:
    """Return the samples above and to the left of a pixel whose green, right and lower neighbours are given."""
    right, below = neighbours
    if method == BILINEAR:
        least = 4 * green - 2 - right - below  # of the sum of the two; up to three more
        both = min(max(right + below, least), least + 3)
        upper = min(max(both >> 1, 0), most)
        return upper, min(max(both - upper, 0), most)
    for lesser in (0, 1):
        left, upper = 2 * green - right - lesser, 2 * green - below - lesser
        ways = [(below + sign * (abs(left - right) + ties), left) for sign in (1, -1)]
        ways += [(upper, right + sign * (abs(upper - below) + 1 - ties)) for sign in (1, -1)]
        for way in ways:
            if all(0 <= sample <= most for sample in way):
                return way
    return below, right


def with_sum(guess: np.ndarray, mean: np.ndarray, others: np.ndarray, most: int) -> np.ndarray:
    """Return the samples nearest to a guess whose mean with three others, whose sum is given, is rounded to `mean`."""
    least = 4 * mean - 2 - others
    samples: np.ndarray = np.clip(np.clip(guess, least, least + 3), 0, most)
    return samples
