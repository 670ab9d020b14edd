"""Kernel of the quick level: one function walks a plane, when encoding and when decoding.

For each sample: the predictor of its block predicts it; what was missed in like places, and the errors nearby, correct
that (expectation.py); errors nearby, and those of the plane before, say how far off the guess may be; the error is
coded by a frozen table (symbols.py). Then means and filter learn from the sample.

All in float64 by + - * / and comparisons in the order of the source, as in tables.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tilepress.codecs.kernels.borders import close_row, open_row
from tilepress.codecs.kernels.kernel import Float, Int, borrowing, kernel
from tilepress.codecs.lossless.quick.classes import BLOCK, ONE
from tilepress.codecs.lossless.quick.distributions import LOWEST, PHASES, SCALES
from tilepress.codecs.lossless.quick.expectation import (
    EXPECTED,
    FAR,
    FINER,
    Around,
    Memory,
    adapt_filter,
    correction,
    cut_errors,
    expect,
    learn_missed,
    learn_size,
    new_memory,
    places_of,
)
from tilepress.codecs.lossless.quick.symbols import MOST_SHIFTS, Stream, code_steps, within
from tilepress.codecs.lossless.quick.taps import PAD, lay_weights, sum_taps
from tilepress.codecs.lossless.tables import clamp, log2_quarters


class Plane(NamedTuple):
    """A plane in the field, and how it is coded."""

    field: np.ndarray  # float64: samples of all planes, padded
    errors: np.ndarray  # float64, like `field`: by how much guesses were wrong, in levels
    start: Int  # of the first sample of the plane
    row: Int  # samples of a padded row
    partner: Int  # offset to the plane before; 0: there is none
    highest: Float  # the largest sample
    step: Int  # levels from one value of an error to the next: 1 where nothing is lost


class Predictors(NamedTuple):
    """Classes of blocks, and their predictors."""

    classes: np.ndarray  # uint8 (blocks,)
    weights: np.ndarray  # float64 (classes, taps), of `spread`
    offsets: np.ndarray  # int64 (taps,), of `rounded_up`


class _Rows(NamedTuple):
    """Padded rows that the walk looks at: samples and errors; and what was summed up ahead, in rows without padding."""

    now: np.ndarray
    above: np.ndarray
    top: np.ndarray
    errors: np.ndarray
    errors_above: np.ndarray
    partner: np.ndarray  # samples of the plane before; without one, `now`
    partner_errors: np.ndarray  # without one, zeros
    ahead: np.ndarray  # (3, width), of `_look_ahead`


@borrowing
def _look_ahead(plane: Plane, laid: np.ndarray, offsets: np.ndarray, y: Int, ahead: np.ndarray) -> None:
    """Sum for a whole row what is known before it is coded: `ahead` (3, width), by taps, errors above, and beside."""
    line, width, errors, row = plane.start + y * plane.row, ahead.shape[1], plane.errors, plane.row
    sum_taps(ahead[0], plane.field, line, laid, offsets, 0)
    sums, middle, before, after = ahead[1], errors[line - row :], errors[line - row - 1 :], errors[line - row + 1 :]
    for x in range(width):
        sums[x] = 2.0 * abs(middle[x]) + abs(before[x]) + abs(after[x])
    if plane.partner != 0:
        line, sums = line + plane.partner, ahead[2]
        middle, before, after = errors[line:], errors[line - 1 :], errors[line + 1 :]
        above, below = errors[line - row :], errors[line + row :]
        for x in range(width):
            near = abs(before[x]) + abs(after[x]) + abs(above[x]) + abs(below[x])
            sums[x] = (2.0 * abs(middle[x]) + near) * (1.0 / 6.0)


@borrowing
def _first_guess(rows: _Rows, x: Int, partnered: Int) -> Float:
    """A guess in the first row: the sample to the left, changed as the plane before changes."""
    guess = rows.now[x + PAD - 1]
    if partnered:
        guess += rows.partner[x + PAD] - rows.partner[x + PAD - 1]
    return guess


@borrowing
def _code_sample(
    actual: Int, better: Float, scale: Int, bounds: tuple[Float, Int], stream: Stream, at: Int, state: Int
) -> Any:
    """Write a sample, or read it; return it as it will be decoded, and the new `at` and `state`.

    `actual`: the sample, when encoding. `better`: the guess. `bounds`: the largest sample, and the step.
    """
    highest, step = bounds
    middle = np.int64(better + 0.5)
    part = (better - middle) * (1.0 / step)
    phase = min(np.int64(abs(part) * (2 * PHASES)), PHASES - 1)
    sign = 1 - 2 * np.int64(part < 0.0)  # the nearer side of the guess counts as the positive one
    steps = np.int64(0)
    if stream.words.size == 0:
        steps = actual - middle
        if step > 1:
            steps = (steps + (step - 1) // 2) // step
    steps, at, state = code_steps(steps * sign, scale, phase, stream, at, state)
    if stream.words.size == 0 and step == 1:  # is the same, but known earlier
        return np.float64(actual), at, state
    return clamp(np.float64(middle + steps * sign * step), 0.0, highest), at, state


@borrowing
def _walk_row(
    samples: np.ndarray, rows: _Rows, guesses: Any, bounds: tuple[Float, Int], partnered: Int, memory: Memory,
    stream: Stream, at: Int, state: Int,
) -> Any:  # fmt: skip
    """Code a row of samples int32 (width,).

    `guesses`: whether it is the first row; the classes of its blocks; weights of the classes.
    """
    (highest, step), (first, classes, weights) = bounds, guesses
    finer = 1.0 / step
    w, ww, nw, n, nn = rows.now[PAD - 1], rows.now[PAD - 2], rows.above[PAD - 1], rows.above[PAD], rows.top[PAD]
    left, left2 = rows.errors[PAD - 1], rows.errors[PAD - 2]
    before, over = rows.errors_above[PAD - 1], rows.errors_above[PAD]
    w0, w1, last, limit = 0.0, 0.0, finer, FAR * step
    for x in range(samples.size):
        ne, nne, after = rows.above[x + PAD + 1], rows.top[x + PAD + 1], rows.errors_above[x + PAD + 1]
        around = Around(w, ww, n, nw, ne, nn, nne, left, left2, over, before, after, rows.partner_errors[x + PAD])
        if x % BLOCK == 0:
            w0, w1 = weights[classes[x // BLOCK], 0], weights[classes[x // BLOCK], 1]
        guess = _first_guess(rows, x, partnered) if first else (rows.ahead[0, x] + w0 * w + w1 * ww) * (1.0 / ONE)
        size = expect(around, rows.ahead[1, x], rows.ahead[2, x], partnered, memory)
        scale = within(log2_quarters(size.expected) - LOWEST, SCALES + 4 * MOST_SHIFTS)
        places = places_of(around, guess, last, size.near)
        cut = cut_errors(around, limit)
        better = clamp(guess + correction(memory, places, cut), 0.0, highest)
        value, at, state = _code_sample(np.int64(samples[x]), better, scale, bounds, stream, at, state)
        error = value - better
        samples[x] = np.int32(value)
        rows.now[x + PAD], rows.errors[x + PAD] = value, error
        learn_missed(memory, places, value - guess)
        learn_size(memory, size, error * finer)
        adapt_filter(memory, scale, clamp(error, -limit, limit), finer, cut)
        # Places and filter of the next sample go by what was expected of this one: they need not wait for its size.
        last, limit = FINER[scale] * finer, FAR * step * EXPECTED[scale]
        ww, w, nw, n, nn = w, value, n, ne, nne
        left2, left, before, over = left, error, over, after
    return at, state


@kernel
def walk_plane(samples: np.ndarray, plane: Plane, predictors: Predictors, stream: Stream, at: Int, state: Int) -> Any:
    """Code the samples of a plane; return the new `at` and `state`, as `code_steps`.

    `samples` int32 (height, width), 0..highest: read when encoding, set to what decoders will read.
    """
    height, width = samples.shape
    field, errors, row = plane.field, plane.errors, plane.row
    memory, ahead, none = new_memory(), np.zeros((3, width)), np.zeros(row)
    partnered, columns = np.int64(plane.partner != 0), (width + BLOCK - 1) // BLOCK
    laid = np.empty((predictors.offsets.size, width))
    for y in range(height):
        line, classes = plane.start + y * row - PAD, predictors.classes[y // BLOCK * columns :]
        now, now_errors = field[line : line + row], errors[line : line + row]
        above, above_errors = field[line - row : line], errors[line - row : line]
        open_row(now, above, PAD)
        open_row(now_errors, above_errors, PAD)
        if y % BLOCK == 0:
            lay_weights(laid, predictors.weights, classes, BLOCK)
        _look_ahead(plane, laid, predictors.offsets, y, ahead)
        beside, top = line + plane.partner, field[line - 2 * row : line - row]
        other_errors = errors[beside : beside + row] if partnered else none
        rows = _Rows(now, above, top, now_errors, above_errors, field[beside : beside + row], other_errors, ahead)
        guesses, bounds = (y == 0, classes, predictors.weights), (plane.highest, plane.step)
        at, state = _walk_row(samples[y], rows, guesses, bounds, partnered, memory, stream, at, state)
        close_row(now, PAD)
        close_row(now_errors, PAD)
        if y == 0:
            for x in range(row):
                above[x] = now[x]
    return at, state
