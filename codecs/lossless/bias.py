"""Corrects the usual error of the lossless codec's blend, by means over two classes of a sample's surroundings.

As in CALIC (Wu and Memon, 1997): one class tells on which side of the blend each neighbour is, the other how far the
guess was off nearby.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, inline
from tilepress.codecs.lossless.predictors import PlaneView
from tilepress.codecs.lossless.tables import clamp, log2_quarters

_CLASSES = 2048
_BANDS = 8
_TILTS = 9
_PATTERN, _TILT = range(2)
_PATTERN_SEEN_MAX, _TILT_SEEN_MAX = 128.0, 256.0


class Bias(NamedTuple):
    """Mean errors of the blend by pattern and by tilt, and how many were seen; (2, _CLASSES) float64."""

    mean: np.ndarray
    seen: np.ndarray


@inline
def new_bias() -> Bias:
    """Return the state before any sample is seen."""
    return Bias(np.zeros((2, _CLASSES)), np.zeros((2, _CLASSES)))


@inline
def band_of(energy: Float) -> Int:
    """Return class of the energy of the guess, below _BANDS: an octave each."""
    return min(max(log2_quarters(energy + 1.0) >> 2, 0), _BANDS - 1)


@borrowing
def pattern_of(picture: PlaneView, at: Int, band: Int, blend: Float) -> Int:
    """Return band, signs of two errors, and five neighbours above the blend or not; below _BANDS * 128."""
    field, errors, row = picture.field, picture.errors, picture.row
    pattern = (band * 2 + (errors[at - 1] > 0)) * 2 + (errors[at - row] > 0)
    pattern = (pattern * 2 + (field[at - 1] > blend)) * 2 + (field[at - row] > blend)
    pattern = (pattern * 2 + (field[at - row + 1] > blend)) * 2 + (field[at - row - 1] > blend)
    return pattern * 2 + (field[at - 2 * row] > blend)


@borrowing
def tilt_of(picture: PlaneView, at: Int, band: Int) -> Int:
    """Band, and the partner's error here, or, without a partner, the mean of two errors; below _BANDS * _TILTS."""
    errors = picture.errors
    if picture.partner:
        lean = errors[at + picture.partner]
    else:
        lean = (errors[at - 1] + errors[at - picture.row]) * np.float32(0.5)
    return band * _TILTS + np.int64(clamp(np.float64(lean) + _TILTS * 0.5, 0.0, _TILTS - 0.5))


@borrowing
def correction(bias: Bias, pattern: Int, tilt: Int) -> Float:
    """Return the correction of the blend: the number of levels to add to it."""
    return (bias.mean[_PATTERN, pattern] + bias.mean[_TILT, tilt]) * 0.5


@borrowing
def learn_bias(bias: Bias, pattern: Int, tilt: Int, wrong: Float) -> None:
    """Take in the error of the blend."""
    _learn(bias, _PATTERN, pattern, wrong, _PATTERN_SEEN_MAX)
    _learn(bias, _TILT, tilt, wrong, _TILT_SEEN_MAX)


@borrowing
def _learn(bias: Bias, kind: Int, place: Int, wrong: Float, most: Float) -> None:
    """Take one error into the mean of one class.

    `bias`: means and counts, updated.
    `kind`, `place`: which class: _PATTERN or _TILT, and its number, below _CLASSES.
    `wrong`: error of the blend, in levels.
    `most`: count from which on the mean no longer slows down.
    """
    bias.mean[kind, place] += (wrong - bias.mean[kind, place]) / (bias.seen[kind, place] + 4.0)
    bias.seen[kind, place] = min(bias.seen[kind, place] + 1.0, most)
