"""Prediction errors under the adaptive binary range coder: the better of the two entropy coders of predictive-mlp.

An error is taken as the number of least magnitude that stands for it modulo maximum + 1. Coded are the bit length of
its magnitude in unary, under the errors around; its sign, under the signs at W and N; and the bits below the highest,
three of them adaptively. Each plane has cells of its own. One kernel codes in both directions.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.entropy import range_coder
from tilepress.codecs.entropy.range_coder import raw_bit, single_bit
from tilepress.codecs.errors import StreamError
from tilepress.codecs.kernels.kernel import Int, inline, kernel

_ENERGIES = 40  # classes of the magnitudes around
_LENGTHS = 18  # bit lengths 0..17
_TREE = 8  # nodes of the three adaptive bits; the first is not used
_SIGNS = _ENERGIES * _LENGTHS
_BITS = _SIGNS + 9
_CELLS = _BITS + _ENERGIES * _LENGTHS * _TREE


def encode(planes: np.ndarray, maximum: int, room: int) -> bytes | None:
    """Return errors (count, h, w) int32, 0..maximum, as bytes; None if they take more than about `room` of them."""
    words = np.zeros(room // 2 + 1, np.uint16)
    coder = range_coder.start(words, encoding=True)
    for plane in planes:
        _code(plane, maximum, np.full(_CELLS, range_coder.NEW_CELL, np.uint32), coder, words)
    return range_coder.finish(coder, words)


def decode(data: bytes, planes: np.ndarray, maximum: int) -> None:
    """Fill the errors `planes` int32 (count, h, w). Damaged bytes give wrong errors; too many of them, StreamError."""
    if len(data) > 4 * planes.size + 8:
        raise StreamError("range-coded errors are longer than their tile")
    words = range_coder.words_of(data)
    coder = range_coder.start(words, encoding=False)
    for plane in planes:
        _code(plane, maximum, np.full(_CELLS, range_coder.NEW_CELL, np.uint32), coder, words)


@inline
def _length(value: Int) -> Int:
    """Bits of a number >= 0."""
    bits = 0
    while value >> bits != 0:
        bits += 1
    return bits


@inline
def _energy(errors: np.ndarray, y: Int, x: Int) -> Int:
    """Class 0..39 of the magnitudes at W, N (twice), NW, NE of a field of signed errors with a border of 1."""
    near = abs(errors[y, x - 1]) + abs(errors[y - 1, x])
    total = 2 * near + abs(errors[y - 1, x - 1]) + abs(errors[y - 1, x + 1])
    length = _length(total)
    return min(2 * length + ((total >> max(length - 2, 0)) & 1), _ENERGIES - 1)


@inline
def _magnitude(value: Int, cell: Int, limit: Int, cells: np.ndarray, coder: np.ndarray, words: np.ndarray) -> Int:
    """Code a magnitude of at most `limit` bits; return it.

    `value`: the magnitude, >= 0; ignored when decoding.
    `cell`: first of the cells of its energy class.
    `limit`: longest bit length that there may be.
    `cells` uint32 (_CELLS,): adaptive probabilities.
    `coder` int64 (6,), `words` uint16 (n,): the range coder, from `range_coder.start`, and its stream.
    """
    wanted, length = _length(value), 0
    while length < limit and single_bit(1 if wanted > length else 0, cell + length, cells, coder, words):
        length += 1
    if length < 2:
        return length
    result, node, tree = 1, 1, _BITS + (cell + length) * _TREE
    for place in range(length - 2, -1, -1):
        bit = (value >> place) & 1
        if node < _TREE:
            bit = single_bit(bit, tree + node, cells, coder, words)
            node = 2 * node + bit
        else:
            bit = raw_bit(bit, 32768, coder, words)
        result = 2 * result + bit
    return result


@kernel
def _code(errors: np.ndarray, maximum: int, cells: np.ndarray, coder: np.ndarray, words: np.ndarray) -> None:
    """Code the errors of one plane.

    `errors` int32 (h, w), 0..`maximum`: read when encoding, written when decoding.
    `maximum`: largest sample, 2^bits - 1.
    `cells` uint32 (_CELLS,): adaptive probabilities.
    `coder` int64 (6,), `words` uint16 (n,): the range coder, from `range_coder.start`, and its stream.
    """
    height, width = errors.shape
    half = (maximum + 1) >> 1
    limit = _length(half)
    field = np.zeros((height + 1, width + 2), np.int64)
    for y in range(height):
        for x in range(width):
            error = np.int64(errors[y, x])
            if error >= half:
                error -= maximum + 1
            row, column = y + 1, x + 1
            cell = _energy(field, row, column) * _LENGTHS
            size = _magnitude(abs(error), cell, limit, cells, coder, words)
            negative = 1 if error < 0 else 0
            if size > 0:
                signs = 3 * (np.sign(field[row, column - 1]) + 1) + np.sign(field[row - 1, column]) + 1
                negative = single_bit(negative, _SIGNS + signs, cells, coder, words)
            field[row, column] = -size if negative else size
            errors[y, x] = field[row, column] & maximum
