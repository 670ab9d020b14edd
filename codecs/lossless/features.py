"""Inputs of the lossless codec's network: errors, differences and scales around a sample, free of its contrast.

Everything is measured in a unit, the error to expect here, so that one network serves flat and busy places, 8 and
16 bits. Values are companded logarithmically and rounded to integers below LIMIT.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, inline
from tilepress.codecs.lossless.predictors import BLENDED, MEAN, PlaneView
from tilepress.codecs.lossless.scales import ENERGY_ONE
from tilepress.codecs.lossless.tables import clamp, log2_linear

FEATURES = 56
LIMIT = 255  # largest magnitude of a feature

# places of groups of features; those between and after the groups are 0
ERRORS, AROUND, EXTENTS, PREDICTIONS, SLOPE, ENERGIES, PARTNER, SECOND = 0, 12, 18, 28, 33, 34, 40, 49
_ONE = 96  # of a flag, and of the fraction of a range

# neighbours by distance, dy and dx: the errors of all are features, and the samples of the first ones
_DY = np.array([0, -1, -1, -1, 0, -2, -1, -1, -2, -2, 0, -3])
_DX = np.array([-1, 0, -1, 1, -2, 0, 2, -2, 1, -1, -3, 0])
_SAMPLES = 6


class Estimate(NamedTuple):
    """What is known of a sample before it is coded: numbers in the units of samples."""

    guess: Float  # prediction
    unit: Float  # rough size of the error to expect
    near: Float  # mean size of errors nearby
    wide: Float  # mean size of errors in a wide window
    texture: Float  # contrast around
    scale: Float  # scale of the guess's distribution


@inline
def compand(x: Float) -> Int:
    """Return signed logarithm of 1 + 8 |x|, for |x| up to 60; at most 125."""
    size = np.int32(log2_linear(1.0 + clamp(abs(x), 0.0, 60.0) * 8.0) * 14.0 + 0.5)
    return size if x >= 0.0 else np.int32(-size)


@inline
def logarithm(x: Float, steps: Float) -> Int:
    """Return logarithm of x > 0, `steps` an octave."""
    return np.int32(clamp(log2_linear(x) * steps, -255.0, 255.0))


@borrowing
def set_features(
    features: np.ndarray, picture: PlaneView, at: Int, estimate: Estimate, predictors: np.ndarray, energy: np.ndarray
) -> None:
    """Fill in the features of one sample.

    `features` int32 (FEATURES,), filled: -LIMIT..LIMIT each.
    `picture`: the plane as decoded so far.
    `at`: place of the sample in `picture.field`.
    `estimate`: the numbers known before the sample is coded, in levels.
    `predictors` float64 (ROWS, PREDICTORS): row MEAN filled in.
    `energy` float64 (PREDICTORS,): errors around, ENERGY_ONE to a level.
    """
    inverse = 1.0 / estimate.unit
    _own_features(features, picture, at, estimate.guess, inverse)
    _level_features(features, estimate, picture.low, picture.high, inverse)
    for k in range(BLENDED):
        features[PREDICTIONS + k] = compand((predictors[MEAN, k] - estimate.guess) * inverse)
        features[ENERGIES + k] = logarithm((energy[k] * (1.0 / ENERGY_ONE) + 0.05) * inverse, 16.0)
    if picture.partner:
        _partner_features(features, picture, at, estimate, inverse)
    if picture.second:
        _second_features(features, picture.errors, at + picture.second, picture.row, inverse)


@borrowing
def _own_features(features: np.ndarray, picture: PlaneView, at: Int, guess: Float, inverse: Float) -> None:
    """Fill in errors of the guess, and samples, around in the sample's own plane.

    `features` int32 (FEATURES,): groups ERRORS, AROUND and SLOPE are filled.
    `picture`: the plane as decoded so far.
    `at`: place of the sample in `picture.field`.
    `guess`: prediction, in levels.
    `inverse`: inverse of the unit, in 1 / levels.
    """
    field, errors, row = picture.field, picture.errors, picture.row
    for i in range(_DY.size):
        features[ERRORS + i] = compand(errors[at + _DY[i] * row + _DX[i]] * inverse)
    for i in range(_SAMPLES):
        features[AROUND + i] = compand((field[at + _DY[i] * row + _DX[i]] - guess) * inverse)
    slope = abs(field[at - row] - field[at - row + 1]) + abs(field[at - row + 1] - field[at - row + 2])
    features[SLOPE] = logarithm((np.float64(slope + abs(field[at - 1] - field[at - row - 1])) + 0.1) * inverse, 12.0)


@borrowing
def _level_features(features: np.ndarray, estimate: Estimate, low: Float, high: Float, inverse: Float) -> None:
    """Fill in scales, and the place of the guess within `low`..`high` and between two integers.

    `features` int32 (FEATURES,): group EXTENTS is filled.
    `estimate`: the numbers known before the sample is coded, in levels.
    `low`, `high`: lowest and highest sample of the plane, in levels.
    `inverse`: inverse of the unit, in 1 / levels.
    """
    guess = estimate.guess
    part = guess - math.floor(guess)
    features[EXTENTS] = compand((guess - low) * inverse)
    features[EXTENTS + 1] = compand((high - guess) * inverse)
    features[EXTENTS + 2] = logarithm(estimate.unit, 16.0)
    features[EXTENTS + 3] = logarithm((estimate.near + 0.05) * inverse, 16.0)
    features[EXTENTS + 4] = logarithm((estimate.wide + 0.05) * inverse, 16.0)
    features[EXTENTS + 5] = logarithm((estimate.texture + 0.2) * inverse, 12.0)
    features[EXTENTS + 6] = np.int32((guess - low) / (high - low + 1e-9) * _ONE)
    features[EXTENTS + 7] = np.int32(part * _ONE)
    features[EXTENTS + 8] = np.int32(abs(part - 0.5) * (2 * _ONE))
    features[EXTENTS + 9] = logarithm(estimate.scale * inverse, 16.0)


@borrowing
def _partner_features(features: np.ndarray, picture: PlaneView, at: Int, estimate: Estimate, inverse: Float) -> None:
    """Fill in errors of the partner plane around, and predictions from differences to it.

    `features` int32 (FEATURES,): group PARTNER is filled.
    `picture`: the plane as decoded so far; it has a partner.
    `at`: place of the sample in `picture.field`.
    `estimate`: the numbers known before the sample is coded, in levels.
    `inverse`: inverse of the unit, in 1 / levels.
    """
    field, errors, row = picture.field, picture.errors, picture.row
    p = at + picture.partner
    features[PARTNER] = compand(errors[p] * inverse)
    features[PARTNER + 1] = compand(errors[p - 1] * inverse)
    features[PARTNER + 2] = compand(errors[p - row] * inverse)
    features[PARTNER + 3] = compand(errors[p + 1] * inverse)
    features[PARTNER + 4] = compand(errors[p + row] * inverse)
    features[PARTNER + 5] = logarithm((estimate.texture * 0.111 + 0.05) * inverse, 16.0)
    features[PARTNER + 6] = compand((field[at - 1] - field[p - 1] + field[p] - estimate.guess) * inverse)
    features[PARTNER + 7] = compand((field[at - row] - field[p - row] + field[p] - estimate.guess) * inverse)
    features[PARTNER + 8] = _ONE


@borrowing
def _second_features(features: np.ndarray, errors: np.ndarray, p: Int, row: Int, inverse: Float) -> None:
    """Fill in errors of the plane before the partner.

    `features` int32 (FEATURES,): group SECOND is filled.
    `errors` float32 (n,): errors of the guess in all planes, in levels.
    `p`: the sample's place in that plane; `row`: offset to the row below.
    `inverse`: inverse of the unit, in 1 / levels.
    """
    features[SECOND] = compand(errors[p] * inverse)
    features[SECOND + 1] = compand(errors[p - 1] * inverse)
    features[SECOND + 2] = compand(errors[p - row] * inverse)
    around = abs(errors[p]) + abs(errors[p + 1]) + abs(errors[p + row])
    features[SECOND + 3] = logarithm((np.float64(around) + 0.1) * inverse, 16.0)
    features[SECOND + 4] = _ONE
