"""Kernel of the lossless codec: one function walks a plane, when encoding and when decoding.

For each sample: predictors predict it (predictors.py, least_squares.py), their blend is corrected by its
usual error (bias.py), errors around say how far off they may be (scales.py), the network looks at
all of them (features.py, network.py), and the sample is coded (binarisation.py) by mixing the predictors'
distributions in a context (contexts.py, mixer.py). Then every part learns from the sample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tilepress.codecs.kernels.borders import close_row, open_row
from tilepress.codecs.kernels.kernel import Float, Int, borrowing, inline, kernel
from tilepress.codecs.lossless.bias import Bias, band_of, correction, learn_bias, new_bias, pattern_of, tilt_of
from tilepress.codecs.lossless.binarisation import code_sample
from tilepress.codecs.lossless.contexts import set_contexts
from tilepress.codecs.lossless.features import FEATURES, Estimate, set_features
from tilepress.codecs.lossless.least_squares import (
    Fits,
    Squares,
    begin_row_of_squares,
    learn_squares,
    new_squares,
    predict_squares,
)
from tilepress.codecs.lossless.mixer import CONTEXTS, COUNTERS, INPUTS, Mixing, set_rate
from tilepress.codecs.lossless.network import OUTPUTS, Layers, run_network
from tilepress.codecs.lossless.predictors import (
    BLEND,
    BLENDED,
    GRADIENT,
    INVERSE,
    MEAN,
    PAD,
    PARTS,
    PREDICTORS,
    ROWS,
    ROWS_OF_MIXTURE,
    SHARPNESS,
    STEADY,
    WIDER,
    PlaneView,
    blend,
    gradient,
)
from tilepress.codecs.lossless.scales import (
    ENERGY_ONE,
    Scales,
    Wide,
    begin_row_of_wide,
    contrast,
    energy_of,
    grain_of,
    learn_scales,
    learn_wide,
    new_scales,
    new_wide,
    set_energies,
    set_scales,
    wide_error,
)
from tilepress.codecs.lossless.tables import clamp


class Record(NamedTuple):
    """Features and targets for training the network, of every `every`-th sample; 0: of none."""

    features: np.ndarray  # (n, FEATURES) int16
    targets: np.ndarray  # (n, 2) float32: error of the guess, unit
    every: Int


class PlaneState(NamedTuple):
    """State of a plane's coding: all parts that learn from samples, and the numbers of the sample at hand."""

    fits: Fits
    squares: Squares
    scales: Scales
    wide: Wide
    bias: Bias
    predictors: np.ndarray  # (ROWS, PREDICTORS) float64
    mixture: np.ndarray  # (ROWS_OF_MIXTURE, PARTS) float64
    features: np.ndarray  # (FEATURES,) int32
    hidden: tuple[np.ndarray, np.ndarray, np.ndarray]  # values of the network's layers, int32


class Prediction(NamedTuple):
    """The numbers known of a sample before it is coded, kept for learning from it afterwards."""

    estimate: Estimate
    reference: Float  # of least squares
    blend: Float
    pattern: Int  # classes of the blend's usual error
    tilt: Int
    grain: Int  # class of contrast


@inline
def _new_state(fits: Fits, layers: Layers, height: Int, width: Int) -> PlaneState:
    """Arrays for a plane of which nothing is known."""
    mixture = np.zeros((ROWS_OF_MIXTURE, PARTS))
    mixture[SHARPNESS] = 1.0
    hidden = np.zeros(layers[1].size, np.int32), np.zeros(layers[3].size, np.int32), np.zeros(OUTPUTS, np.int32)
    return PlaneState(
        fits,
        new_squares(fits, width),
        new_scales((height + 2 * PAD) * (width + 2 * PAD)),
        new_wide(width),
        new_bias(),
        np.zeros((ROWS, PREDICTORS)),
        mixture,
        np.zeros(FEATURES, np.int32),
        hidden,
    )


@borrowing
def _predict(picture: PlaneView, at: Int, x: Int, state: PlaneState) -> Prediction:
    """Fill in all predictors but the network; return the guess and the classes that it came from."""
    predictors, energy = state.predictors, state.scales.energy
    low, high = picture.low, picture.high
    reference = predict_squares(picture, at, x, state.fits, state.squares, predictors)
    predictors[MEAN, GRADIENT] = clamp(gradient(picture, at), low, high)
    set_energies(state.scales, picture, at)
    mean = blend(predictors, energy)
    energy[BLEND] = energy_of(picture.errors, at, picture.row)
    near, wide = energy[BLEND] * (1.0 / ENERGY_ONE), wide_error(state.wide, x)
    energy[STEADY] = wide * ENERGY_ONE
    energy[WIDER] = energy[BLEND] * 0.5 + wide * (0.5 * ENERGY_ONE)
    texture = contrast(picture, at)
    grain, band = grain_of(texture), band_of(energy[BLEND])
    pattern, tilt = pattern_of(picture, at, band, mean), tilt_of(picture, at, band)
    guess = clamp(mean + correction(state.bias, pattern, tilt), low, high)
    for k in (BLEND, STEADY, WIDER):
        predictors[MEAN, k] = guess
    set_scales(state.scales, grain, predictors)
    unit = (near + wide) * 0.5 + 0.05
    estimate = Estimate(guess, unit, near, wide, texture, 1.0 / predictors[INVERSE, BLEND])
    return Prediction(estimate, reference, mean, pattern, tilt, grain)


@borrowing
def _learn(picture: PlaneView, at: Int, x: Int, state: PlaneState, known: Prediction, value: Int) -> None:
    """Let every part learn from a sample.

    `picture`: field and errors take in the sample.
    `at`: place of the sample in `picture.field`; `x`: its column.
    `state`: of the plane, updated.
    `known`: the numbers known of the sample before it was coded.
    `value`: the sample, in levels.
    """
    guess, unit = known.estimate.guess, known.estimate.unit
    picture.field[at] = value
    picture.errors[at] = value - guess
    learn_scales(state.scales, at - picture.start, known.grain, state.predictors, value)
    learn_bias(state.bias, known.pattern, known.tilt, value - known.blend)
    learn_wide(state.wide, x, abs(value - guess))
    learn_squares(state.fits, state.squares, x, value - known.reference, 1.0 / (unit * unit + 0.15))


@borrowing
def _begin_row(picture: PlaneView, line: Int, state: PlaneState) -> None:
    """Fill the border left of a row and sum over the rows above; `line`: where the padded row begins in the field."""
    field, row = picture.field, picture.row
    open_row(field[line : line + row], field[line - row : line], PAD)
    begin_row_of_squares(state.fits, state.squares)
    begin_row_of_wide(state.wide)


@borrowing
def _end_row(picture: PlaneView, line: Int, misses: np.ndarray) -> None:
    """Fill the border right of a row, in samples and in errors; `line`: where the padded row begins in the field."""
    end, here = line + picture.row, line - picture.start
    close_row(picture.field[line:end], PAD)
    close_row(picture.errors[line:end], PAD)
    for k in range(BLENDED):
        close_row(misses[k, here : here + picture.row], PAD)


@borrowing
def _record(record: Record, number: Int, features: np.ndarray, value: Int, estimate: Estimate) -> None:
    """Keep a sample's features and targets, if its number is one to keep.

    `record`: where they are kept.
    `number`: of the sample in its plane, from 1.
    `features` int32 (FEATURES,): inputs of the network.
    `value`: the sample, in levels.
    `estimate`: the numbers known before it was coded.
    """
    place = number // record.every - 1
    if number % record.every == 0 and place < record.features.shape[0]:
        for i in range(FEATURES):
            record.features[place, i] = features[i]
        record.targets[place, 0] = value - estimate.guess
        record.targets[place, 1] = estimate.unit


@kernel
def code_plane(
    samples: np.ndarray,
    bounds: tuple[Int, Int, Int],
    picture: PlaneView,
    fits: Fits,
    layers: Layers,
    model: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    record: Record,
) -> None:
    """Code the samples of one plane.

    `samples` int32 (height, width): read when encoding, written when decoding.
    `bounds`: lowest sample, highest sample, and error bound, in levels.
    `picture`: field and errors of the plane are filled; its low and high are the bounds.
    `fits`: inputs, windows and periods of the least-squares predictors, from levels.py.
    `layers`: of the network, see Network; the first is empty if there is no network.
    `model`: cells, mixer, coder and words, see Mixing; updated.
    `record`: takes features and targets of samples, for training.
    """
    height, width = samples.shape
    state = _new_state(fits, layers, height, width)
    cells, mixer, coder, words = model
    logits, context = np.zeros(INPUTS + 1), np.zeros(CONTEXTS + COUNTERS, np.int64)
    mixing = Mixing(logits, context, cells, mixer, coder, words)
    has_network = layers[0].size > 0
    for y in range(height):
        line = picture.start + (y + PAD) * picture.row
        _begin_row(picture, line, state)
        for x in range(width):
            at, number = line + PAD + x, y * width + x + 1
            set_rate(logits, number)
            known = _predict(picture, at, x, state)
            estimate = known.estimate
            scale = estimate.scale
            if has_network or record.every > 0:
                set_features(state.features, picture, at, estimate, state.predictors, state.scales.energy)
            if has_network:
                scale = run_network(state.features, layers, state.hidden, estimate.guess, estimate.unit, state.mixture)
            set_contexts(context, picture, at, known.grain, estimate.guess, scale, state.predictors)
            actual = np.int64(samples[y, x])
            value = code_sample(actual, estimate.guess, scale, bounds, state.predictors, state.mixture, mixing)
            samples[y, x] = value
            if record.every > 0:
                _record(record, number, state.features, value, estimate)
            _learn(picture, at, x, state, known, value)
        _end_row(picture, line, state.scales.misses)
