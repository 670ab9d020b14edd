"""Levels of the lossless codec: inputs of its least-squares predictors, and how often they are fitted anew.

Part of the format: a stream names its level, and a level never changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.lossless.least_squares import LAST, TAPS, Fits
from tilepress.codecs.lossless.normal_equations import BLOCK, GROUP
from tilepress.codecs.lossless.predictors import FITS

# (dy, dx) by distance
# fmt: off
_CAUSAL = [
    (0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, 2), (-1, -2), (-2, -1), (-2, 1), (0, -3), (-3, 0),
    (-2, 2), (-2, -2), (-1, 3), (-1, -3), (0, -4), (-3, 1), (-3, -1), (-4, 0), (-3, 2), (-3, -2), (-2, 3), (-2, -3),
    (-1, -4), (-1, 4), (-4, -1), (-4, 1), (-3, -3), (-3, 3), (-2, -4), (-2, 4), (-4, -2), (-4, 2), (0, -5), (-3, -4),
    (-3, 4), (-4, -3), (-4, 3), (-5, 0), (-1, -5), (-1, 5), (-5, -1), (-5, 1), (-2, -5), (-2, 5), (-5, -2), (-5, 2),
    (-4, -4), (-4, 4), (-3, -5), (-3, 5),
]
_AHEAD = [(0, 0), (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (0, -1)]  # in the base, mostly not decoded yet
_AROUND = [(0, 0), (0, -1), (-1, 0), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
# fmt: on


@dataclass(frozen=True)
class Fit:
    """One least-squares predictor: neighbours in the first plane; in later ones; around it in planes known there.

    `base`: inputs from the base of this plane, if it has one.
    `decay`, `fade`: of the window, a column and a row. `period`: samples between two solutions; `phase`: which of
    them, so that two predictors are not fitted at the same sample.
    """

    first: int
    later: int
    known: tuple[int, int]
    base: int
    decay: float
    fade: float
    period: int
    phase: int = 0


@dataclass(frozen=True)
class Level:
    """A compromise between size and time. `code` is in the stream."""

    name: str
    code: int
    fits: tuple[Fit, ...]


_NEAREST = Fit(6, 3, (3, 1), 0, 0.75, 0.7, 2)
FAST = Level("fast", 1, (Fit(7, 3, (3, 1), 4, 0.9, 0.85, 4),))
DEFAULT = Level("default", 2, (_NEAREST, Fit(15, 6, (8, 1), 8, 0.85, 0.8, 2, 1)))
MAX = Level(
    "max",
    3,
    (
        Fit(10, 3, (3, 1), 0, 0.78, 0.73, 2),
        Fit(20, 9, (9, 5), 8, 0.85, 0.8, 2, 1),
        Fit(52, 12, (9, 2), 8, 0.95, 0.94, 5),
    ),
)
LEVELS = (FAST, DEFAULT, MAX)  # of least squares around each sample
QUICK = Level("quick", 4, ())  # predictors by classes of blocks: folder quick


def fits_of(level: Level, moves: np.ndarray, based: bool, row: int) -> Fits:
    """Return descriptions for the kernel, for a plane of padded rows of `row` samples.

    `moves` (k,) int64: offsets in the field from a sample to the same place of each plane it may look at: its own, up
    to two decoded before, its base if it is `based`.
    """
    sizes, windows = np.zeros((FITS, 6), np.int64), np.zeros((FITS, 2))
    taps = np.zeros((2, FITS, TAPS), np.int64)
    end = 0
    for g, fit in enumerate(level.fits):
        places = _places(fit, moves, based, row)
        taps[:, g, : len(places)] = np.array(places).T
        stride = (len(places) // GROUP + 1) * GROUP
        first, end = end, end + len(places) * stride
        sizes[g] = len(places), stride, first, end, fit.period, fit.phase
        windows[g] = _power(fit.decay), fit.fade
    sizes[len(level.fits) :, LAST] = end
    return Fits(sizes, windows, taps, moves)


def _places(fit: Fit, moves: np.ndarray, based: bool, row: int) -> list[tuple[int, int]]:
    """Offset of each input, and which of `moves` it belongs to."""
    before = len(moves) - 1 - based
    groups = [_CAUSAL[: fit.later if before else fit.first], *(_AROUND[:count] for count in fit.known[:before])]
    groups += [_AHEAD[: fit.base]] if based else []
    return [
        (int(move) + dy * row + dx, plane)
        for plane, (move, group) in enumerate(zip(moves, groups, strict=True))
        for dy, dx in group
    ]


def _power(decay: float) -> float:
    """`decay` of a block of columns, by multiplications alone."""
    total = 1.0
    for _ in range(BLOCK):
        total *= decay
    return total
