"""Classes of errors, neighbours and predictions: the contexts that the lossless codec mixes its predictors in.

Differences are measured in the scale that the sample's error is expected to have.
"""

from __future__ import annotations

import math

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, inline
from tilepress.codecs.lossless.mixer import CLASSES, CONTEXTS, COUNTERS, NODES, SCALE, SCALES, TEXTURE
from tilepress.codecs.lossless.predictors import MEAN, PlaneView
from tilepress.codecs.lossless.scales import GRAINS
from tilepress.codecs.lossless.tables import clamp, log2_quarters

# half the classes of differences, see _bucket
_SAMPLE, _ERROR, _PREDICTION, _PARTNER = 8, 5, 8, 16
_SAMPLES, _ERRORS, _PREDICTIONS = 2 * _SAMPLE + 1, 2 * _ERROR + 1, 2 * _PREDICTION + 1
_FRACTIONS = 8
_RECENT = 8  # classes of the last error


@inline
def _bucket(x: Float, per_unit: Float, half: Int) -> Int:
    """Class 0..2 half of a signed ratio, the middle one around zero."""
    return np.int64(clamp(x * per_unit + (half + 0.5), 0.0, 2.0 * half + 0.5))


@borrowing
def set_contexts(
    context: np.ndarray, picture: PlaneView, at: Int, grain: Int, guess: Float, scale: Float, predictors: np.ndarray
) -> None:
    """Fill in the contexts of one sample's binary decisions.

    `context` int64 (CONTEXTS + COUNTERS,), filled: see `Mixing`.
    `picture`: the plane as decoded so far.
    `at`: place of the sample in `picture.field`.
    `grain`: class of contrast, below GRAINS.
    `guess`, `scale`: prediction and expected size of its error, in levels.
    `predictors` float64 (ROWS, PREDICTORS): row MEAN filled in.
    """
    errors, row = picture.errors, picture.row
    band = min(max(log2_quarters(scale * 8.0) >> 1, 0), SCALES - 1)
    recent = min(max((log2_quarters(np.float64(abs(errors[at - 1])) + 0.25) + 8) >> 2, 0), _RECENT - 1)
    context[SCALE] = band
    context[TEXTURE] = (grain >> 1) * _RECENT + recent
    sharp = 1.0 / (scale + 0.2)
    error_west = _bucket(errors[at - 1] * sharp, 1.0, _ERROR)
    error_north = _bucket(errors[at - row] * sharp, 1.0, _ERROR)
    one = _bucket((predictors[MEAN, 0] - guess) * sharp, 3.0, _PREDICTION)
    two = _bucket((predictors[MEAN, 1] - guess) * sharp, 3.0, _PREDICTION)
    context[CONTEXTS] = band * GRAINS + grain
    context[CONTEXTS + 1] = _pair(picture.field, at - 1, at - row, guess, sharp)
    context[CONTEXTS + 2] = (error_west * _ERRORS + error_north) * 8 + min(band >> 1, 7)
    context[CONTEXTS + 3] = one * _PREDICTIONS + two
    context[CONTEXTS + 4] = band * _FRACTIONS + np.int64((guess - math.floor(guess)) * _FRACTIONS)
    if picture.partner:
        context[CONTEXTS + 5] = _bucket(errors[at + picture.partner] * sharp, 2.0, _PARTNER) * SCALES + band
    else:
        context[CONTEXTS + 5] = _pair(picture.field, at - 2 * row, at - row + 1, guess, sharp)
    for i in range(COUNTERS):
        context[CONTEXTS + i] = (i * CLASSES + context[CONTEXTS + i]) * NODES


@borrowing
def _pair(field: np.ndarray, one: Int, two: Int, guess: Float, sharp: Float) -> Int:
    """Return the class of two samples relative to the guess, below _SAMPLES squared.

    `field` float32 (n,): samples of all planes.
    `one`, `two`: places of the samples in `field`.
    `guess`: prediction, in levels.
    `sharp`: inverse of the expected size of its error, in 1 / levels.
    """
    first, second = (
        _bucket((field[one] - guess) * sharp, 1.5, _SAMPLE),
        _bucket((field[two] - guess) * sharp, 1.5, _SAMPLE),
    )
    return first * _SAMPLES + second
