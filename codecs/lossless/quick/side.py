"""Classes of blocks and weights of predictors in the stream of the quick level."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilepress.codecs.entropy.rans import PRECISION, TOTAL, advance, get_bits, put_bits
from tilepress.codecs.kernels.kernel import Int, borrowing, kernel
from tilepress.codecs.lossless.quick.classes import CLASS_BITS
from tilepress.codecs.lossless.quick.symbols import Stream, code_steps

_HALF = TOTAL // 2
_SPEED = 5  # of the chances, as a power of 1/2
_LEAST = 1 << (PRECISION - 8)  # a chance
SCALE_BITS = 6


@kernel
def code_number(number: Int, width: Int, stream: Stream, at: Int, state: Int) -> Any:
    """Write or read `width` bits; return them, and the new `at` and `state`."""
    if stream.words.size == 0:
        return number, put_bits(stream.starts, stream.freqs, at, number, width), state
    number, state, at = get_bits(stream.words, state, at, width)
    return number, at, state


@borrowing
def _code_flag(flag: Int, chances: np.ndarray, which: Int, stream: Stream, at: Int, state: Int) -> Any:
    """Write or read whether something holds, by how often that was so."""
    chance = chances[which]
    if stream.words.size == 0:
        stream.starts[at] = 0 if flag else chance
        stream.freqs[at] = chance if flag else TOTAL - chance
        at += 1
    else:
        flag = np.int64((state & (TOTAL - 1)) < chance)
        state, at = advance(stream.words, state, at, 0 if flag else chance, chance if flag else TOTAL - chance)
    chance += ((TOTAL if flag else 0) - chance) >> _SPEED
    chances[which] = min(max(chance, _LEAST), TOTAL - _LEAST)
    return flag, at, state


@kernel
def code_classes(classes: np.ndarray, columns: Int, stream: Stream, at: Int, state: Int) -> Any:
    """Write or read the class of each block, uint8 (blocks,), 0..31 in any stream; return the new `at` and `state`.

    A block has the class of the block to its left, or of the one above, or any.
    """
    chances = np.full(4, _HALF)
    for i in range(classes.size):
        left = classes[i - 1] if i % columns > 0 else classes[i - columns] if i >= columns else 0
        above = classes[i - columns] if i >= columns else left
        same, at, state = _code_flag(classes[i] == left, chances, np.int64(left == above), stream, at, state)
        if same:
            classes[i] = left
            continue
        if above != left:
            same, at, state = _code_flag(classes[i] == above, chances, 2, stream, at, state)
            if same:
                classes[i] = above
                continue
        number, at, state = code_number(np.int64(classes[i]), CLASS_BITS, stream, at, state)
        classes[i] = number
    return at, state


@kernel
def code_weights(weights: np.ndarray, scales: np.ndarray, stream: Stream, at: Int, state: Int) -> Any:
    """Write or read weights int64 (classes, n), and `scales` int64 (n,) of their sizes; return `at` and `state`."""
    for i in range(scales.size):
        scales[i], at, state = code_number(scales[i], SCALE_BITS, stream, at, state)
        for k in range(weights.shape[0]):
            weights[k, i], at, state = code_steps(weights[k, i], scales[i], 0, stream, at, state)
    return at, state
