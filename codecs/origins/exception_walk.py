"""Exceptions under the adaptive range coder: where they are, and by how much each channel differs there.

Places are told twice: which squares of SQUARE x SQUARE pixels have exceptions, and which pixels of those squares are
some, so that a picture without exceptions costs next to nothing. Pixels are walked in raster order, under what is known
around them. One kernel codes in both directions.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.entropy.range_coder import raw_bit, single_bit
from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel

SQUARE = 16
PAD = 2  # zeros above, left and right of the differences
MAX_BITS = 16  # of the magnitude of a difference

_LEVELS = 8  # classes of the magnitudes around
_CHANNELS = 5
_LENGTHS = MAX_BITS + 1
_PIXELS = 4  # cells of squares come first
_ZEROS = _PIXELS + 128
_SIGNS = _ZEROS + _CHANNELS * 2 * _LEVELS
_SIZES = _SIGNS + _CHANNELS * 27
_SECONDS = _SIZES + _CHANNELS * _LEVELS * _LENGTHS
CELLS = _SECONDS + _CHANNELS * _LENGTHS


@borrowing
def _sign(value: Int) -> Int:
    """Return 0 for nothing, 1 for a number above 0, 2 for one below."""
    return 1 if value > 0 else 2 if value < 0 else 0


@borrowing
def _length(value: Int) -> Int:
    """Return the bits of a number >= 0."""
    bits = 0
    while value >> bits != 0:
        bits += 1
    return bits


@borrowing
def _magnitude(value: Int, channel: Int, level: Int, cells: np.ndarray, coder: np.ndarray, words: np.ndarray) -> Int:
    """Code the magnitude of a difference; return it.

    `value`: 1..2^MAX_BITS - 1; ignored when decoding.
    `channel`: 0..4.
    `level`: class of the magnitudes around, 0..7.
    `cells` uint32 (CELLS,): adaptive probabilities.
    `coder` int64 (6,), `words` uint16 (n,): the range coder, from `range_coder.start`, and its stream.
    """
    size = _SIZES + (channel * _LEVELS + level) * _LENGTHS
    wanted, length = _length(value), 1
    while length < MAX_BITS and single_bit(1 if wanted > length else 0, size + length, cells, coder, words):
        length += 1
    result = 1
    for place in range(length - 2, -1, -1):
        bit = (value >> place) & 1
        if place == length - 2:
            bit = single_bit(bit, _SECONDS + channel * _LENGTHS + length, cells, coder, words)
        else:
            bit = raw_bit(bit, 32768, coder, words)
        result = 2 * result + bit
    return result


@borrowing
def _difference(
    d: np.ndarray, y: Int, x: Int, c: Int, before: Int, cells: np.ndarray, coder: np.ndarray, words: np.ndarray
) -> Int:
    """Code the difference of one channel of an exception; return it.

    `d` int32 (h + 2, w + 4, c): padded differences; the one at `y`, `x`, `c` is ignored when decoding.
    `y`, `x`, `c`: padded row and column, channel.
    `before`: magnitude of the differences of the pixel's channels before.
    `cells` uint32 (CELLS,): adaptive probabilities.
    `coder` int64 (6,), `words` uint16 (n,): the range coder, from `range_coder.start`, and its stream.
    """
    value = d[y, x, c]
    west, north, last = d[y, x - 1, c], d[y - 1, x, c], d[y, x, c - 1] if c > 0 else 0
    level = min(_length(abs(west) + abs(north) + (before >> 1)), _LEVELS - 1)
    if before > 0 or c < d.shape[2] - 1:
        zero = _ZEROS + (2 * c + (1 if before > 0 else 0)) * _LEVELS + level
        if not single_bit(1 if value != 0 else 0, zero, cells, coder, words):
            return 0
    signs = _SIGNS + 27 * c + 9 * _sign(west) + 3 * _sign(north) + _sign(last)
    negative = single_bit(1 if value < 0 else 0, signs, cells, coder, words)
    magnitude = _magnitude(abs(value), c, level, cells, coder, words)
    return -magnitude if negative else magnitude


@borrowing
def _code_pixel(
    d: np.ndarray,
    there: np.ndarray,
    likely: np.ndarray,
    y: Int,
    x: Int,
    cells: np.ndarray,
    coder: np.ndarray,
    words: np.ndarray,
) -> None:
    """Code whether a pixel is an exception, and its differences.

    `d` int32 (h + 2, w + 4, c), `there` uint8 (h + 2, w + 4): padded differences, and where they are; filled.
    `likely` bool (h, w): pixels at which the rule meets a limit.
    `y`, `x`: row and column.
    `cells` uint32 (CELLS,): adaptive probabilities.
    `coder` int64 (6,), `words` uint16 (n,): the range coder, from `range_coder.start`, and its stream.
    """
    j, i = y + PAD, x + PAD
    near = there[j, i - 1] | there[j - 1, i] << 1 | there[j - 1, i - 1] << 2 | there[j - 1, i + 1] << 3
    context = near | there[j, i - 2] << 4 | there[j - 2, i] << 5 | (64 if likely[y, x] else 0)
    there[j, i] = single_bit(there[j, i], _PIXELS + context, cells, coder, words)
    if there[j, i]:
        before = 0
        for c in range(d.shape[2]):
            d[j, i, c] = _difference(d, j, i, c, before, cells, coder, words)
            before += abs(d[j, i, c])


@borrowing_kernel
def code_exceptions(
    d: np.ndarray,
    there: np.ndarray,
    squares: np.ndarray,
    likely: np.ndarray,
    cells: np.ndarray,
    coder: np.ndarray,
    words: np.ndarray,
) -> None:
    """Write the exceptions of a picture, or read them: zeros are filled then.

    `d` int32 (h + 2, w + 4, c): differences, padded by PAD above, left and right.
    `there` uint8 (h + 2, w + 4): 1 where a pixel differs, padded alike.
    `squares` uint8 (rows, columns): 1 where a square has exceptions.
    `likely` bool (h, w): pixels at which the rule meets a limit.
    `cells` uint32 (CELLS,): adaptive probabilities.
    `coder` int64 (6,), `words` uint16 (n,): the range coder, from `range_coder.start`, and its stream.
    """
    rows, columns = squares.shape
    height, width = likely.shape
    for row in range(rows):
        for column in range(columns):
            west = squares[row, column - 1] if column > 0 else 0
            north = squares[row - 1, column] if row > 0 else 0
            squares[row, column] = single_bit(squares[row, column], west + 2 * north, cells, coder, words)
    for y in range(height):
        for column in range(columns):
            if squares[y // SQUARE, column]:
                for x in range(column * SQUARE, min((column + 1) * SQUARE, width)):
                    _code_pixel(d, there, likely, y, x, cells, coder, words)
