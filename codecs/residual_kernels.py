"""Kernel of the adaptive residual coder: one function walks a plane when encoding and when decoding.

The predicted value has FRACTION fractional bits. A sample is coded as: is it above the floor of the prediction;
how far, in units of 2^shift (unary, then Exp-Golomb); the low bits. Contexts are classes of error energy: of
neighbours in this plane, of the planes coded before (right and below too), or of the base's slope.
"""

from __future__ import annotations

import numpy as np
from tilepress.codecs.kernel import Int, inline, kernel
from tilepress.codecs.range_coder import mixed_bit, single_bit
from tilepress.codecs.residual_prediction import (
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

LEVELS = 40  # classes of error energy that choose mixing weights
_COARSE = 24  # classes where two are combined
_FRACTION = 4
_UNARY = 12  # unary steps before the Exp-Golomb escape
MIXERS = LEVELS * 64  # mixing weights of one plane

# cells of one plane, by what they predict
_PAIRS = _COARSE * _COARSE
_ABOVE_1 = LEVELS * 16
_ABOVE_2 = _ABOVE_1 + _PAIRS * 8
_ABOVE_3 = _ABOVE_2 + _PAIRS * 8
_FAR_0 = _ABOVE_3 + _PAIRS * 8
_FAR_1 = _FAR_0 + LEVELS * 64
_FAR_2 = _FAR_1 + _COARSE * LEVELS * 16
_FAR_3 = _FAR_2 + _PAIRS * 16
_ESCAPE = _FAR_3 + _PAIRS * 32
_LOW = _ESCAPE + 64
CELLS = _LOW + 16 * 16 * 8


def _level_table() -> np.ndarray:
    """Class of v = 0..4095: v itself below 4, then two classes an octave."""
    table = np.arange(4096, dtype=np.int32)
    for v in range(4, 4096):
        octave = v.bit_length() - 2
        table[v] = 2 * octave + (v >> octave)
    return table.astype(np.uint8)


_LEVEL = _level_table()


@inline
def _level(energy: Int) -> Int:
    """Class 0..LEVELS-1 of an error energy below 2^26 (eight absolute errors)."""
    v = energy >> 2
    if v < 4096:
        return np.int64(_LEVEL[np.uint64(v)])
    return min(np.int64(_LEVEL[np.uint64(v >> 12)]) + 24, LEVELS - 1)


@inline
def _coarse(energy: Int) -> Int:
    return min(_level(energy), _COARSE - 1)


@inline
def _sign(v: Int) -> Int:
    return np.int64(v > 0) + np.int64(v >= 0)


@inline
def _energy(error: np.ndarray, at: Int, row: Int, other: Int) -> tuple[Int, Int]:
    """Error energy around a sample, and of the plane coded before at the same place (if `other` is not 0)."""
    near = 2 * abs(error[at - 1]) + 2 * abs(error[at - row]) + abs(error[at - row - 1])
    near += abs(error[at - row + 1]) + abs(error[at - 2]) + abs(error[at - 2 * row])
    if other == 0:
        return near, np.int64(0)
    o = at + other
    cross = abs(error[o])
    around = abs(error[o + 1]) + abs(error[o + row]) + abs(error[o - 1]) + abs(error[o - row])
    return (near * 5 + cross * 12 + around * 3) >> 3, 4 * cross + around


@inline
def _slope(field: np.ndarray, base: Int, row: Int) -> Int:
    """Slope of the base at flat position `base`, on the scale of an energy."""
    steps = abs(field[base + 1] - field[base - 1]) + abs(field[base + row] - field[base - row])
    return np.int64(steps) << 4


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
        first + _ABOVE_1 + (cross * _COARSE + west) * 8 + (part >> 1),
        first + _ABOVE_2 + (north * _COARSE + west) * 8 + (part >> 1),
        first + _ABOVE_3 + (north * _COARSE + cross) * 8 + (part >> 1),
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
        first + _FAR_2 + (north * _COARSE + west) * 16 + n,
        first + _FAR_3 + ((west * _COARSE + cross) * 2 + above) * 16 + n,
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


@kernel
def code_plane(
    samples: np.ndarray,
    low: Int,
    high: Int,
    plane: Int,
    field: np.ndarray,
    error: np.ndarray,
    offsets: np.ndarray,
    block_weights: np.ndarray,
    cells: np.ndarray,
    mixers: np.ndarray,
    coder: np.ndarray,
    words: np.ndarray,
) -> None:
    """Code the samples (height, width) int32 of coded plane number `plane`: read when encoding, else written.

    `field` int32: padded error planes, then padded base planes; `error` int32: padded prediction errors, all in
    coding order; the planes before `plane` are complete. `cells` and `mixers` belong to the tile.
    """
    height, width = samples.shape
    row = width + 2 * PAD
    size = (height + 2 * PAD) * row
    to_base = size * (error.size // size)
    sums = np.zeros((block_weights.shape[0] + 2, SUMS), np.int32)
    merged, seen = np.zeros(SUMS, np.int32), np.zeros(SEEN, np.int32)
    inverse, slope, taps = np.zeros(TAPS, np.int64), np.zeros(TAPS, np.int64), np.zeros(TAPS, np.int32)
    biases = np.zeros(LEVELS * 27, np.int64)
    other = -size if plane else 0
    for y in range(height):
        start = plane * size + (y + PAD) * row + PAD
        for i in range(1, PAD + 1):
            field[start - i] = field[start - row]
        for block in range(block_weights.shape[0]):
            merge(sums[block], sums[block + 1], sums[block + 2], merged)
            weights = block_weights[block]
            solve(merged, weights, inverse, slope)
            seen[:] = 0
            for x in range(block * BLOCK, min(width, block * BLOCK + BLOCK)):
                at = start + x
                here = field[at + to_base]
                gather(field, at, here, offsets, taps)
                energy, across = _energy(error, at, row, other)
                level = _level(energy)
                bias = (level * 3 + _sign(error[at - 1])) * 9 + 3 * _sign(error[at - row])
                if other:
                    bias += _sign(error[at + other])
                else:
                    across = _slope(field, at + to_base, row)
                guess = (predict(here, taps, weights) >> (16 - _FRACTION)) + (biases[bias] >> 12)
                guess = min(max(guess, low << _FRACTION), high << _FRACTION)
                west, north = _coarse(8 * abs(error[at - 1])), _coarse(8 * abs(error[at - row]))
                actual = _code_sample(
                    np.int64(samples[y, x]),
                    guess,
                    low,
                    high,
                    (plane * CELLS, level, _coarse(across), west, north),
                    cells,
                    plane * MIXERS + level * 64,
                    mixers,
                    coder,
                    words,
                )
                samples[y, x] = actual
                target = np.int32(actual - here)
                field[at] = target
                error[at] = (actual << _FRACTION) - guess
                biases[bias] += ((np.int64(error[at]) << 12) - biases[bias]) >> 7
                remember(target, taps, seen, x - block * BLOCK, level)
            accumulate(seen, sums[block + 1])
        for i in range(PAD):
            field[start + width + i] = field[start + width - 1]
            error[start + width + i] = error[start + width - 1]
    for i in range(row):  # the row below, which later planes look at
        field[start - PAD + row + i] = field[start - PAD + i]
