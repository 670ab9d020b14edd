"""Adaptive binary range coder with logistic mixing, in integers: one function codes a bit in both directions.

The coder keeps a range of 32 to 48 bits and moves 16-bit words; carries are added into words already
written. Probabilities come from cells (adaptive rate: 1/n at first, then a fixed limit) whose logits are mixed
by weights trained on line, as in the PAQ family (Mahoney, 2005). Reading past the end feeds zeros.

State lives in arrays, so that one kernel can hand it on: `coder` int64 (6,), `words` uint16, `cells` uint32
(22 bits of probability that the bit is 1, 10 bits of count), `weights` int32 (16 fractional bits).
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, inline

LOW, RANGE, POSITION, CODE, ENCODING, OVERFLOW = range(6)
NEW_CELL = 1 << 31  # probability one half, never seen

_CELL_LIMIT = 250
_LOGIT_MAX = 2047  # logits have 8 fractional bits
_TOP = 1 << 48
_BOTTOM = 1 << 32


def _squash_table() -> np.ndarray:
    """65536 / (1 + exp(-x / 256)) for x = -2048..2047, by exact integer recurrence."""
    one = 1 << 120
    step = sum(one // (256**k * _factorial(k)) for k in range(20))  # exp(1/256)
    power, table = one, np.empty(4096, np.int32)
    for x in range(2049):
        half = (65536 * power) // (power + one)
        table[2048 - x] = 65536 - half
        if x < 2048:
            table[2048 + x] = half
        power = power * step >> 120
    return table


def _factorial(k: int) -> int:
    return 1 if k < 2 else k * _factorial(k - 1)


def _stretch_table(squash: np.ndarray) -> np.ndarray:
    """Inverse of the squash table at 4096 probabilities: logit (8 fractional bits) of (i + 1/2) / 4096."""
    centres = (np.arange(4096) * 16) + 8
    return np.clip(np.searchsorted(squash, centres) - 2048, -_LOGIT_MAX, _LOGIT_MAX).astype(np.int32)


_LOGISTIC = _squash_table()
_SQUASH = _LOGISTIC.astype(np.uint16)
_STRETCH = _stretch_table(_LOGISTIC).astype(np.int16)
_RATE = np.array([65536 * 2 // (2 * n + 3) for n in range(1024)], np.int32)


def start(words: np.ndarray, encoding: bool) -> np.ndarray:
    """Coder state at the beginning of `words` (uint16: to fill when encoding, to read when decoding)."""
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


@inline
def mixed_bit(
    bit: Int,
    a: Int,
    b: Int,
    c: Int,
    d: Int,
    mixer: Int,
    cells: np.ndarray,
    weights: np.ndarray,
    coder: np.ndarray,
    words: np.ndarray,
) -> Int:
    """Code one bit with the mixed probability of four cells, which learn from it as their weights do; return the bit.

    `bit`: 0 or 1; ignored when decoding.
    `a`, `b`, `c`, `d`: places of the cells in `cells`.
    `mixer`: place of the first of four weights in `weights`.
    `cells` uint32 (n,): adaptive probabilities.
    `weights` int32 (k,): of the cells' logits, with 16 fractional bits.
    `coder` int64 (6,), `words` uint16 (m,): the range coder, from `start`, and its stream.
    """
    ua, ub, uc, ud, um = np.uint64(a), np.uint64(b), np.uint64(c), np.uint64(d), np.uint64(mixer)
    u1, u2, u3 = um + np.uint64(1), um + np.uint64(2), um + np.uint64(3)
    sa = np.int64(_STRETCH[np.uint64(cells[ua]) >> np.uint64(20)])
    sb = np.int64(_STRETCH[np.uint64(cells[ub]) >> np.uint64(20)])
    sc = np.int64(_STRETCH[np.uint64(cells[uc]) >> np.uint64(20)])
    sd = np.int64(_STRETCH[np.uint64(cells[ud]) >> np.uint64(20)])
    dot = weights[um] * sa + weights[u1] * sb + weights[u2] * sc + weights[u3] * sd
    logit = min(max(dot >> 16, -_LOGIT_MAX), _LOGIT_MAX)
    probability = np.int64(_SQUASH[np.uint64(logit + 2048)])
    bit = raw_bit(bit, min(max(probability, 32), 65504), coder, words)
    error = ((bit << 16) - probability) * 6
    weights[um] += (sa * error + 131072) >> 18
    weights[u1] += (sb * error + 131072) >> 18
    weights[u2] += (sc * error + 131072) >> 18
    weights[u3] += (sd * error + 131072) >> 18
    _learn(cells, ua, bit)
    _learn(cells, ub, bit)
    _learn(cells, uc, bit)
    _learn(cells, ud, bit)
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
