"""Errors to expect of each predictor of the lossless codec: errors around, corrected by those that followed such ones.

The energy of a predictor (errors around) and the grain (contrast around) give a class; the scale of the predictor's
distribution follows the mean error seen in its class.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, inline
from tilepress.codecs.lossless.predictors import BLENDED, INVERSE, MEAN, NETWORK, PREDICTORS, PlaneView
from tilepress.codecs.lossless.tables import log2_quarters

ENERGY_ONE = 8.0  # energies are sums of this weight
ENERGY_LEVELS, GRAINS = 64, 16  # classes: quarters of an octave of energy, halves of contrast
_SEEN_MAX = 200.0
_WIDE, _WIDE_ROWS = 0.85, 0.8  # window of the wide error: decay a column and a row
_WIDE_MEAN = (1 - _WIDE) / (1 + _WIDE) * (1 - _WIDE_ROWS)


class Scales(NamedTuple):
    """Mean errors by class, and the classes of the sample at hand."""

    usual: np.ndarray  # (PREDICTORS, ENERGY_LEVELS, GRAINS) float64: mean size of errors
    seen: np.ndarray  # the same shape, float64: how many, at most _SEEN_MAX
    misses: np.ndarray  # (BLENDED, padded size) float32: errors in the plane
    energy: np.ndarray  # (PREDICTORS,) float64
    level: np.ndarray  # (PREDICTORS,) int64: class of energy


class Wide(NamedTuple):
    """Sums of the sizes of errors of the guess over a wide window, all float64."""

    above: np.ndarray  # (width + 1,): rows above, by column
    right: np.ndarray  # (width + 1,): the same, blurred from the right, as the row began
    left: np.ndarray  # (1,): columns to the left and this one, and the row so far


@inline
def new_scales(size: Int) -> Scales:
    """Return scales before any sample of a plane of `size` (with borders) is seen: errors are as those around."""
    usual = np.zeros((PREDICTORS, ENERGY_LEVELS, GRAINS))
    octave = 0.015625
    for level in range(ENERGY_LEVELS):
        usual[:, level] = octave * (1.0 + 0.25 * (level & 3))
        if level & 3 == 3:
            octave *= 2.0
    misses = np.zeros((BLENDED, size), np.float32)
    return Scales(
        usual,
        np.zeros((PREDICTORS, ENERGY_LEVELS, GRAINS)),
        misses,
        np.zeros(PREDICTORS),
        np.zeros(PREDICTORS, np.int64),
    )


@borrowing
def energy_of(errors: np.ndarray, at: Int, row: Int) -> Float:
    """Return weighted sum of the sizes of the errors (n,) around place `at`; the weights are ENERGY_ONE in all."""
    near = 2.0 * np.float64(abs(errors[at - 1]) + abs(errors[at - row]))
    far = abs(errors[at - row - 1]) + abs(errors[at - row + 1])
    return np.float64(near + far + (abs(errors[at - 2]) + abs(errors[at - 2 * row])))


@borrowing
def set_energies(scales: Scales, picture: PlaneView, at: Int) -> None:
    """Energies of the predictors that are blended."""
    here = at - picture.start
    for k in range(BLENDED):
        scales.energy[k] = energy_of(scales.misses[k], here, picture.row)


@borrowing
def contrast(picture: PlaneView, at: Int) -> Float:
    """Return errors of the partner around, or, without one, differences of samples around."""
    field, errors, row = picture.field, picture.errors, picture.row
    if picture.partner:
        p = at + picture.partner
        sides = abs(errors[p + 1]) + abs(errors[p - 1]) + abs(errors[p + row]) + abs(errors[p - row])
        return (2.0 * np.float64(abs(errors[p])) + np.float64(sides)) * 1.5
    west, north = np.float64(field[at - 1]), np.float64(field[at - row])
    corner, east = np.float64(field[at - row - 1]), np.float64(field[at - row + 1])
    texture = abs(west - corner) + abs(north - east) + abs(north - corner)
    return texture + (abs(west - field[at - 2]) + abs(north - field[at - 2 * row]))


@inline
def grain_of(texture: Float) -> Int:
    """Return class of contrast, below GRAINS."""
    return min(max(log2_quarters(texture + 1.0) >> 1, 0), GRAINS - 1)


@borrowing
def set_scales(scales: Scales, grain: Int, predictors: np.ndarray) -> None:
    """Fill in the inverse scales of all predictors but the network, from energies and grain."""
    for k in range(PREDICTORS):
        if k != NETWORK:
            level = min(max(log2_quarters(scales.energy[k] + 0.25) + 8, 0), ENERGY_LEVELS - 1)
            scales.level[k] = level
            predictors[INVERSE, k] = 1.0 / (0.55 * scales.usual[k, level, grain] + 0.03)


@borrowing
def learn_scales(scales: Scales, here: Int, grain: Int, predictors: np.ndarray, value: Int) -> None:
    """Take the predictors' errors on one sample into the means of their classes.

    `scales`: means, counts and errors, updated; the classes are those of this sample.
    `here`: place of the sample in its padded plane.
    `grain`: class of contrast, below GRAINS.
    `predictors` float64 (ROWS, PREDICTORS): row MEAN filled in.
    `value`: the sample, in levels.
    """
    for k in range(PREDICTORS):
        if k != NETWORK:
            miss = value - predictors[MEAN, k]
            if k < BLENDED:
                scales.misses[k, here] = miss
            level = scales.level[k]
            count = scales.seen[k, level, grain]
            scales.usual[k, level, grain] += (abs(miss) - scales.usual[k, level, grain]) / (count + 2.0)
            scales.seen[k, level, grain] = min(count + 1.0, _SEEN_MAX)


@inline
def new_wide(width: Int) -> Wide:
    """Return the state before any sample is seen."""
    return Wide(np.zeros(width + 1), np.zeros(width + 1), np.zeros(1))


@borrowing
def begin_row_of_wide(wide: Wide) -> None:
    """Blur the rows above from the right; nothing is to the left."""
    for x in range(wide.above.size - 2, -1, -1):
        wide.right[x] = wide.above[x] + _WIDE * wide.right[x + 1]
    wide.left[0] = 0.0


@borrowing
def wide_error(wide: Wide, x: Int) -> Float:
    """Return mean size of the errors in the window around column x."""
    wide.left[0] = _WIDE * wide.left[0] + wide.above[x]
    return (wide.left[0] + _WIDE * wide.right[x + 1]) * _WIDE_MEAN


@borrowing
def learn_wide(wide: Wide, x: Int, miss: Float) -> None:
    """Take in the size of the error of the guess."""
    wide.left[0] += miss
    wide.above[x] = _WIDE_ROWS * wide.above[x] + miss
