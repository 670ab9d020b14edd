"""The first look for a mosaic: which pixels are means of their neighbours, and where red must have been."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.origins.demosaic.interpolation import (
    BILINEAR,
    BLUE,
    EDGE_AWARE,
    GREEN,
    RED,
    Pattern,
    green_between,
)

_STEEP = 4  # levels by which neighbours differ in all: on flat ground everything is a mean
_LEAST_STEEP = 32  # pixels: fewer tell nothing
_GLANCED = 256  # pixels of one row that are looked at first
_LEAST_BEYOND = 0.1  # by which one assumption holds more often than the other


def may_be_mosaic(picture: np.ndarray, row: int) -> bool:
    """Tell whether a picture may have been interpolated, by some green samples of one row: False if they are no means.

    True, too, if too few of them lie on steep ground.

    Args:
        picture: (h, w, 3), uint8 or uint16.
        row: Neither the first nor the last.
    """
    green = picture[row - 1 : row + 2, :_GLANCED, GREEN].astype(np.int32)
    above, here, below = green
    sides = here[:-2], here[2:], above[1:-1], below[1:-1]
    is_mean = green_between(*sides, BILINEAR) == here[1:-1]
    is_mean |= green_between(*sides, EDGE_AWARE) == here[1:-1]
    steep = np.abs(sides[0] - sides[1]) + np.abs(sides[2] - sides[3]) > _STEEP
    counts = [(np.count_nonzero(steep[at::2]), np.count_nonzero((steep & is_mean)[at::2])) for at in (0, 1)]
    return any(there < _LEAST_STEEP or 2 * means >= there for there, means in counts)


def mosaic_at(picture: np.ndarray, rows: np.ndarray) -> tuple[float, Pattern, int]:
    """Return how sure it is that a picture was interpolated, 0 to 1, the pattern of its own places, and the method.

    -1 if nothing tells: if those rows are flat.

    Args:
        picture: (h, w, 3), uint8 or uint16.
        rows: Those to look at, none of them the first or the last.
    """
    odd = ((rows[:, None] + np.arange(1, picture.shape[1] - 1)) & 1).astype(bool)
    here, above, below = (picture[rows + dy, :, GREEN].astype(np.int32) for dy in (0, -1, 1))
    sides = here[:, :-2], here[:, 2:], above[:, 1:-1], below[:, 1:-1]
    steep = np.abs(sides[0] - sides[1]) + np.abs(sides[2] - sides[3]) > _STEEP
    found = []
    for method in (BILINEAR, EDGE_AWARE):
        is_mean = green_between(*sides, method) == here[:, 1:-1]
        found.append((*_better([(is_mean, steep & places) for places in (~odd, odd)]), method))
    coloured, sure, method = max(found, key=lambda way: way[1])  # (y + x) % 2 of red and blue
    if sure <= 0:
        return sure, Pattern(0, coloured), method
    y, also_sure = _red_row(picture, rows, odd if coloured == 0 else ~odd)
    return min(sure, also_sure), Pattern(y, (coloured - y) % 2), method


def _red_row(picture: np.ndarray, rows: np.ndarray, green: np.ndarray) -> tuple[int, float]:
    """Parity of the rows along which red is a mean, and how sure that is; blue is, along the others."""
    means = []
    for colour in (RED, BLUE):
        samples = picture[rows, :, colour].astype(np.int32)
        left, right = samples[:, :-2], samples[:, 2:]
        means.append(((left + right + 1) >> 1 == samples[:, 1:-1], (np.abs(left - right) > _STEEP) & green))
    odd = (rows % 2).astype(bool)
    return _better([_joined(means, ~odd), _joined(means, odd)])


def _joined(means: list[tuple[np.ndarray, np.ndarray]], red_rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where red is a mean in some rows, and blue in the others; and where either can be told."""
    (red, tells_red), (blue, tells_blue) = means
    holds = np.concatenate([red[red_rows], blue[~red_rows]])
    return holds, np.concatenate([tells_red[red_rows], tells_blue[~red_rows]])


def _better(ways: list[tuple[np.ndarray, np.ndarray]]) -> tuple[int, float]:
    """Which of two assumptions holds more often, and how sure that is: its share beyond that of the other, by chance.

    -1 if there is too little to tell from. Of each: where it holds, and where it can be told.
    """
    counts = [int(np.count_nonzero(where)) for _, where in ways]
    if min(counts) < _LEAST_STEEP:
        return 0, -1.0
    shares = [
        float(np.count_nonzero(holds & where)) / count for (holds, where), count in zip(ways, counts, strict=True)
    ]
    better, chance = int(shares[1] > shares[0]), min(shares)
    beyond = max(shares) - chance
    return better, beyond / (1 - chance) if beyond > _LEAST_BEYOND else 0.0
