"""Adaptive binary range coder in integers: one function codes a bit in both directions.

The coder keeps a range of 32 to 48 bits and moves 16-bit words; carries are added into words already
written. Probabilities come from cells (adaptive rate: 1/n at first, then a fixed limit). Reading past the end feeds
zeros.

State lives in arrays, so that one kernel can hand it on: `coder` int64 (6,), `words` uint16, `cells` uint32
(22 bits of probability that the bit is 1, 10 bits of count).
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, inline

LOW, RANGE, POSITION, CODE, ENCODING, OVERFLOW = range(6)
NEW_CELL = 1 << 31  # probability one half, never seen

_CELL_LIMIT = 250
_TOP = 1 << 48
_BOTTOM = 1 << 32
_RATE = np.array([65536 * 2 // (2 * n + 3) for n in range(1024)], np.int32)


def start(words: np.ndarray, encoding: bool) -> np.ndarray:
    """Return coder state at the beginning of `words` (uint16: to fill when encoding, to read when decoding)."""
    coder = np.zeros(6, np.int64)
    coder[RANGE] = _TOP - 1
    coder[ENCODING] = encoding
    if not encoding:
        for _ in range(3):
            position = int(coder[POSITION])
            word = int(words[position]) if position < len(words) else 0
            coder[CODE] = (int(coder[CODE]) << 16) | word
            coder[POSITION] = position + 1
    return coder


@inline
def _carry(words: np.ndarray, position: Int) -> None:
    """Add one to the last word written, and to those before it that overflow."""
    while position > 0:
        position -= 1
        words[position] += 1
        if words[position] != 0:
            return


@inline
def _emit(coder: np.ndarray, words: np.ndarray) -> None:
    low = coder[LOW]
    position = coder[POSITION]
    if position < words.size:
        words[position] = low >> 32
        coder[POSITION] = position + 1
    else:
        coder[OVERFLOW] = 1
    coder[LOW] = (low << 16) & (_TOP - 1)


@inline
def raw_bit(bit: Int, probability: Int, coder: np.ndarray, words: np.ndarray) -> Int:
    """Code one bit that is 1 with `probability` / 65536 (1..65535); returns it."""
    bound = (coder[RANGE] >> 16) * probability
    if coder[ENCODING]:
        if bit:
            coder[RANGE] = bound
        else:
            coder[RANGE] -= bound
            coder[LOW] += bound
            if coder[LOW] >= _TOP:
                coder[LOW] -= _TOP
                _carry(words, coder[POSITION])
        if coder[RANGE] < _BOTTOM:
            coder[RANGE] <<= 16
            _emit(coder, words)
        return bit
    bit = 1 if coder[CODE] < bound else 0
    if bit:
        coder[RANGE] = bound
    else:
        coder[RANGE] -= bound
        coder[CODE] -= bound
    if coder[RANGE] < _BOTTOM:
        coder[RANGE] <<= 16
        position = coder[POSITION]
        word = np.int64(words[position]) if position < words.size else 0
        coder[CODE] = ((coder[CODE] << 16) | word) & (_TOP - 1)
        coder[POSITION] = position + 1
    return bit


@inline
def _learn(cells: np.ndarray, index: Int, bit: Int) -> None:
    state = np.int64(cells[index])
    count = state & 1023
    probability = state >> 10
    probability += ((4194303 * bit - probability) * _RATE[np.uint64(count)]) >> 16
    count += count < _CELL_LIMIT
    cells[index] = (probability << 10) | count


@inline
def single_bit(bit: Int, index: Int, cells: np.ndarray, coder: np.ndarray, words: np.ndarray) -> Int:
    """Code one bit with the probability of one cell, which learns from it; return the bit.

    `bit`: 0 or 1; ignored when decoding.
    `index`: place of the cell in `cells`.
    `cells` uint32 (n,): adaptive probabilities.
    `coder` int64 (6,), `words` uint16 (m,): the range coder, from `start`, and its stream.
    """
    probability = np.int64(cells[index]) >> 16
    bit = raw_bit(bit, min(max(probability, 64), 65472), coder, words)
    _learn(cells, np.uint64(index), bit)
    return bit


def words_of(data: bytes) -> np.ndarray:
    """Return the bytes of `finish` as words uint16 (n,), in a writable array: kernels are compiled for those."""
    return np.frombuffer(data + bytes(len(data) % 2), "<u2").astype(np.uint16)


def finish(coder: np.ndarray, words: np.ndarray) -> bytes | None:
    """Return the shortest bytes that decode as written, trailing zeros left out; None if `words` was too short."""
    low = int(coder[LOW])
    last = -(-low // _BOTTOM)  # the next multiple of 2^32 lies within the range, which is at least 2^32
    if last << 32 >= _TOP:
        last -= 1 << 16
        _carry(words, int(coder[POSITION]))
    position = int(coder[POSITION])
    if coder[OVERFLOW] or position >= len(words):
        return None
    words[position] = last
    return words[: position + 1].astype("<u2").tobytes().rstrip(b"\0")
