"""Signed numbers in the rANS stream of the quick level, by the frozen distributions; written, or read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tilepress.codecs.entropy.rans import get_bits, get_value, put_bits, put_value
from tilepress.codecs.kernels.kernel import Int, borrowing
from tilepress.codecs.lossless.quick.distributions import PHASES, SCALES

MOST_SHIFTS = 12  # octaves beyond the last table that a number may be expected to have


class Stream(NamedTuple):
    """A stream that is written (`words` is empty) or read (`starts` and `freqs` are), and its tables, as in rans.py."""

    starts: np.ndarray  # uint16
    freqs: np.ndarray  # uint16
    words: np.ndarray  # uint16
    cdf: np.ndarray  # uint16
    lookup: np.ndarray  # uint16


@borrowing
def within(x: Int, count: Int) -> Int:
    """Return `x` cut to 0..count - 1."""
    return min(max(x, 0), count - 1)


@borrowing
def code_steps(steps: Int, scale: Int, phase: Int, stream: Stream, at: Int, state: Int) -> Any:
    """Write a signed number, or read one; return it, and the new `at` and `state`.

    Of a number that is expected to be larger than the last table has it, the low bits are written as they are.

    `scale`: the expected size in quarters of an octave from LOWEST; `phase`: of the guess, 0..PHASES - 1.
    `at`: intervals written, or words read; `state`: of the decoder.
    """
    shift = min(max((scale - SCALES + 4) >> 2, 0), MOST_SHIFTS)
    row = min(scale - 4 * shift, SCALES - 1) * PHASES + phase
    if stream.words.size == 0:
        code = 2 * abs(steps) - np.int64(steps > 0)
        at = put_value(stream.starts, stream.freqs, at, code >> shift, stream.cdf[row])
        at = put_bits(stream.starts, stream.freqs, at, code, shift)
        return steps, at, state
    code, state, at = get_value(stream.words, state, at, stream.cdf[row], stream.lookup[row])
    low, state, at = get_bits(stream.words, state, at, shift)
    code = (code << shift) | low
    return ((code + 1) >> 1) * (((code & 1) << 1) - 1), at, state
