"""Kernel of the adaptive residual coder: one function walks a plane when encoding and when decoding.

The predicted value has FRACTION fractional bits. A sample is coded as: is it above the floor of the prediction;
how far, in units of 2^shift (unary, then Exp-Golomb); the low bits. Contexts are classes of error energy: of
neighbours in this plane, of the planes coded before (right and below too), or of the base's slope.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.adaptive_residual.contexts import (
    COARSE,
    LEVELS,
    coarse_of,
    energy_of,
    level_of,
    sign_of,
    slope_of,
)
from tilepress.codecs.adaptive_residual.prediction import (
    BLOCK,
    PAD,
    SEEN,
    SUMS,
    TAPS,
    accumulate,
    gather,
    merge,
    predict,
    remember,
    solve,
)
from tilepress.codecs.entropy.range_coder import mixed_bit, single_bit
from tilepress.codecs.kernels.kernel import Int, inline, kernel

_FRACTION = 4
_UNARY = 12  # unary steps before the Exp-Golomb escape
MIXERS = LEVELS * 64  # mixing weights of one plane

# cells of one plane, by what they predict
_PAIRS = COARSE * COARSE
_ABOVE_1 = LEVELS * 16
_ABOVE_2 = _ABOVE_1 + _PAIRS * 8
_ABOVE_3 = _ABOVE_2 + _PAIRS * 8
_FAR_0 = _ABOVE_3 + _PAIRS * 8
_FAR_1 = _FAR_0 + LEVELS * 64
_FAR_2 = _FAR_1 + COARSE * LEVELS * 16
_FAR_3 = _FAR_2 + _PAIRS * 16
_ESCAPE = _FAR_3 + _PAIRS * 32
_LOW = _ESCAPE + 64
CELLS = _LOW + 16 * 16 * 8


@inline
def _code_sample(
    actual: Int,
    guess: Int,
    low: Int,
    high: Int,
    c: tuple[Int, Int, Int, Int, Int],
    cells: np.ndarray,
    mixer: Int,
    weights: np.ndarray,
    coder: np.ndarray,
    words: np.ndarray,
) -> Int:
    """Code one sample within low..high and return it; `c`: first cell, classes of level, cross, west and north."""
    first, level, cross, west, north = c
    whole, part = guess >> _FRACTION, guess & 15
    above = mixed_bit(
        np.int64(actual > whole),
        first + level * 16 + part,
        first + _ABOVE_1 + (cross * COARSE + west) * 8 + (part >> 1),
        first + _ABOVE_2 + (north * COARSE + west) * 8 + (part >> 1),
        first + _ABOVE_3 + (north * COARSE + cross) * 8 + (part >> 1),
        mixer,
        cells,
        weights,
        coder,
        words,
    )
    away = actual - whole - 1 if above else whole - actual
    fine = (15 - part if above else part) >> 2
    shift = max(0, (level >> 1) - 5)
    n = np.int64(0)
    while n < _UNARY and mixed_bit(
        np.int64((away >> shift) > n),
        first + _FAR_0 + (level * 4 + fine) * 16 + n,
        first + _FAR_1 + (cross * LEVELS + level) * 16 + n,
        first + _FAR_2 + (north * COARSE + west) * 16 + n,
        first + _FAR_3 + ((west * COARSE + cross) * 2 + above) * 16 + n,
        mixer + 4 + 4 * n,
        cells,
        weights,
        coder,
        words,
    ):
        n += 1
    if n == _UNARY:
        n += _code_escape((away >> shift) - _UNARY, first + _ESCAPE, cells, coder, words)
    if shift:
        n = _code_low(away, n, shift, first + _LOW, cells, coder, words)
    return min(max(whole + 1 + n if above else whole - n, low), high)


@kernel
def _code_escape(value: Int, first: Int, cells: np.ndarray, coder: np.ndarray, words: np.ndarray) -> Int:
    """Exp-Golomb code of a value below 2^18, the length adaptive; more is cut off, as hostile bytes may ask."""
    bits = 0
    while bits < 17 and single_bit(np.int64((value + 1) >> (bits + 1) != 0), first + bits, cells, coder, words):
        bits += 1
    out = np.int64(1)
    for i in range(bits):
        bit = ((value + 1) >> (bits - 1 - i)) & 1
        out = 2 * out + single_bit(bit, first + 32 + min(i, 3), cells, coder, words)
    return out - 1


@kernel
def _code_low(
    away: Int, n: Int, shift: Int, first: Int, cells: np.ndarray, coder: np.ndarray, words: np.ndarray
) -> Int:
    """Append `shift` (at most 14) low bits of `away` to `n`."""
    for i in range(shift):
        cell = first + (shift * 16 + i) * 8 + (min(n, 3) if i == 0 else 5)
        n = 2 * n + single_bit((away >> (shift - 1 - i)) & 1, cell, cells, coder, words)
    return n


@inline
def _code_at(
    actual: Int,
    at: Int,
    plane: Int,
    row: Int,
    size: Int,
    low: Int,
    high: Int,
    weights: np.ndarray,
    taps: np.ndarray,
    biases: np.ndarray,
    field: np.ndarray,
    error: np.ndarray,
    cells: np.ndarray,
    mixers: np.ndarray,
    coder: np.ndarray,
    words: np.ndarray,
) -> tuple[Int, Int]:
    """Predict and code the sample at flat position `at`, keep its errors; returns the sample and its class.

    `row`, `size`: samples of a padded row and plane. Arrays are not handed on in tuples: that counts references.
    """
    base = at + error.size
    energy, across = energy_of(error, at, row, -size if plane else 0)
    level = level_of(energy)
    bias = (level * 3 + sign_of(error[at - 1])) * 9 + 3 * sign_of(error[at - row])
    if plane:
        bias += sign_of(error[at - size])
    else:
        across = slope_of(field, base, row)
    guess = (predict(field[base], taps, weights) >> (16 - _FRACTION)) + (biases[bias] >> 12)
    guess = min(max(guess, low << _FRACTION), high << _FRACTION)
    west, north = coarse_of(8 * abs(error[at - 1])), coarse_of(8 * abs(error[at - row]))
    classes = (plane * CELLS, level, coarse_of(across), west, north)
    mixer = plane * MIXERS + level * 64
    actual = _code_sample(actual, guess, low, high, classes, cells, mixer, mixers, coder, words)
    field[at] = actual
    error[at] = (actual << _FRACTION) - guess
    biases[bias] += ((np.int64(error[at]) << 12) - biases[bias]) >> 7
    return actual, level


@inline
def _begin_row(field: np.ndarray, start: Int, row: Int) -> None:
    """Repeat the sample above a row's first into the border left of it."""
    for i in range(1, PAD + 1):
        field[start - i] = field[start - row]


@inline
def _extend(field: np.ndarray, error: np.ndarray, last: Int) -> None:
    """Repeat the last sample of a row into the border right of it."""
    for i in range(1, PAD + 1):
        field[last + i] = field[last]
        error[last + i] = error[last]


@kernel
def code_plane(
    samples: np.ndarray,
    bounds: tuple[Int, Int],
    plane: Int,
    planes: tuple[np.ndarray, np.ndarray],
    offsets: np.ndarray,
    block_weights: np.ndarray,
    model: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Code the samples (height, width) int32 of coded plane number `plane`: read when encoding, else written.

    `bounds`: lowest and highest sample. `planes`: field int32, padded planes of samples and then of the base,
    and prediction errors int32, padded; both in coding order, complete before `plane`. `offsets`,
    `block_weights`: from residual_prediction. `model`: cells and mixers of the tile, coder, words.
    """
    field, error = planes
    cells, mixers, coder, words = model
    low, high = bounds
    height, width = samples.shape
    row = width + 2 * PAD
    size = (height + 2 * PAD) * row
    sums = np.zeros((block_weights.shape[0] + 2, SUMS), np.int32)
    merged, seen, taps = np.zeros(SUMS, np.int32), np.zeros(SEEN, np.int32), np.zeros(TAPS, np.int32)
    inverse, slope, biases = np.zeros(TAPS, np.int64), np.zeros(TAPS, np.int64), np.zeros(LEVELS * 27, np.int64)
    start = np.int64(0)
    for y in range(height):
        start = plane * size + (y + PAD) * row + PAD
        _begin_row(field, start, row)
        for block in range(block_weights.shape[0]):
            merge(sums[block], sums[block + 1], sums[block + 2], merged)
            fit = block_weights[block]
            solve(merged, fit, inverse, slope)
            seen[:] = 0
            for x in range(block * BLOCK, min(width, block * BLOCK + BLOCK)):
                at, now = start + x, np.int64(samples[y, x])
                gather(field, at, offsets, taps)
                samples[y, x], level = _code_at(
                    now, at, plane, row, size, low, high, fit, taps, biases, field, error, cells, mixers, coder, words
                )
                remember(np.int32(field[at] - field[at + error.size]), taps, seen, x - block * BLOCK, level)
            accumulate(seen, sums[block + 1])
        _extend(field, error, start + width - 1)
    below = start - PAD + row  # the row below the plane, which later planes look at
    field[below : below + row] = field[start - PAD : start - PAD + row]
