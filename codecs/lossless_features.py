"""What the network of the lossless codec sees: errors, differences and scales around a sample, free of its contrast.

Everything is measured in a unit, the error to expect here, so that one network serves flat and busy places, 8 and
16 bits. Values are companded logarithmically and rounded to integers below LIMIT.
"""

from __future__ import annotations

import math

import numpy as np

from tilepress.codecs.kernel import Float, Int, inline
from tilepress.codecs.lossless_numbers import clamp, log2_linear

FEATURES = 56
LIMIT = 255  # largest magnitude of a feature

# places of groups of features
ERRORS, AROUND, LEVELS, EXPERTS, ENERGIES, PARTNER, SECOND = 0, 12, 18, 28, 34, 40, 49
_PRESENT = 96


@inline
def compand(x: Float) -> Int:
    """Signed logarithm of 1 + 8 |x|, for |x| up to 60; at most 125."""
    size = np.int32(log2_linear(1.0 + clamp(abs(x), 0.0, 60.0) * 8.0) * 14.0 + 0.5)
    return size if x >= 0.0 else np.int32(-size)


@inline
def logarithm(x: Float, unit: Float) -> Int:
    """Logarithm of x > 0, `unit` steps an octave."""
    return np.int32(clamp(log2_linear(x) * unit, -255.0, 255.0))


@inline
def own_features(
    features: np.ndarray,
    field: np.ndarray,
    at: Int,
    error: np.ndarray,
    here: Int,
    row: Int,
    guess: Float,
    inverse: Float,
) -> None:
    """Errors of the blend and samples around, in this plane. `inverse`: of the unit."""
    features[0] = compand(error[here - 1] * inverse)
    features[1] = compand(error[here - row] * inverse)
    features[2] = compand(error[here - row - 1] * inverse)
    features[3] = compand(error[here - row + 1] * inverse)
    features[4] = compand(error[here - 2] * inverse)
    features[5] = compand(error[here - 2 * row] * inverse)
    features[6] = compand(error[here - row + 2] * inverse)
    features[7] = compand(error[here - row - 2] * inverse)
    features[8] = compand(error[here - 2 * row + 1] * inverse)
    features[9] = compand(error[here - 2 * row - 1] * inverse)
    features[10] = compand(error[here - 3] * inverse)
    features[11] = compand(error[here - 3 * row] * inverse)
    features[12] = compand((field[at - 1] - guess) * inverse)
    features[13] = compand((field[at - row] - guess) * inverse)
    features[14] = compand((field[at - row - 1] - guess) * inverse)
    features[15] = compand((field[at - row + 1] - guess) * inverse)
    features[16] = compand((field[at - 2] - guess) * inverse)
    features[17] = compand((field[at - 2 * row] - guess) * inverse)
    slope = abs(field[at - row] - field[at - row + 1]) + abs(field[at - row + 1] - field[at - row + 2])
    features[33] = logarithm((np.float64(slope + abs(field[at - 1] - field[at - row - 1])) + 0.1) * inverse, 12.0)


@inline
def level_features(
    features: np.ndarray,
    guess: Float,
    unit: Float,
    low: Float,
    high: Float,
    near: Float,
    wide: Float,
    texture: Float,
    scale: Float,
) -> None:
    """Scales, and where the guess lies within low..high and between two integers."""
    inverse = 1.0 / unit
    part = guess - math.floor(guess)
    features[18] = compand((guess - low) * inverse)
    features[19] = compand((high - guess) * inverse)
    features[20] = logarithm(unit, 16.0)
    features[21] = logarithm((near + 0.05) * inverse, 16.0)
    features[22] = logarithm((wide + 0.05) * inverse, 16.0)
    features[23] = logarithm((texture + 0.2) * inverse, 12.0)
    features[24] = np.int32((guess - low) / (high - low + 1e-9) * 96.0)
    features[25] = np.int32(part * 96.0)
    features[26] = np.int32(abs(part - 0.5) * 192.0)
    features[27] = logarithm(scale * inverse, 16.0)


@inline
def partner_features(
    features: np.ndarray,
    field: np.ndarray,
    at: Int,
    move: Int,
    error: np.ndarray,
    place: Int,
    row: Int,
    guess: Float,
    inverse: Float,
    texture: Float,
) -> None:
    """What the partner (a plane decoded before, or the base) did here: `error` at `place`, samples at at + move."""
    features[40] = compand(error[place] * inverse)
    features[41] = compand(error[place - 1] * inverse)
    features[42] = compand(error[place - row] * inverse)
    features[43] = compand(error[place + 1] * inverse)
    features[44] = compand(error[place + row] * inverse)
    features[45] = logarithm((texture * 0.111 + 0.05) * inverse, 16.0)
    other = at + move
    features[46] = compand((field[at - 1] - field[other - 1] + field[other] - guess) * inverse)
    features[47] = compand((field[at - row] - field[other - row] + field[other] - guess) * inverse)
    features[48] = _PRESENT


@inline
def second_features(features: np.ndarray, error: np.ndarray, place: Int, row: Int, inverse: Float) -> None:
    """What the plane before the partner did here."""
    features[49] = compand(error[place] * inverse)
    features[50] = compand(error[place - 1] * inverse)
    features[51] = compand(error[place - row] * inverse)
    sum_ = abs(error[place]) + abs(error[place + 1]) + abs(error[place + row])
    features[52] = logarithm((np.float64(sum_) + 0.1) * inverse, 16.0)
    features[53] = _PRESENT
