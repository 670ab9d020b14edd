"""Frozen distributions of the quick level: rANS tables by expected error, and by where in its level the guess lies.

An error is an integer number of steps from the guess, rounded; it is logistic, of a scale that the walk estimates.
Tables are computed from the squash table of the lossless coder (table_file.py) by additions, multiplications and
divisions of float64, each rounded as IEEE 754 says, so they are the same on every machine. They are part of the format.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from tilepress.codecs.entropy.rans import PRECISION, Tables
from tilepress.codecs.errors import CodecError
from tilepress.codecs.lossless.table_file import LOGIT_MAX, LOGIT_STEPS, load

LOWEST = -20  # quarters of an octave: the least expected error is 2^-5 steps
SCALES = 29
PHASES = 4  # of the distance between a guess and the nearest step, half a step at most
_SYMBOLS = 64  # the last is the escape
_SHA256 = "13c2c66fcfcbb74b78a366369d63f2328a9d7c7da3207a2d666ea9d6e6bf4849"  # of the tables, uint16 little-endian
_TO_SCALE = 0.7213475204444817  # of a logistic distribution, from its mean deviation: 1 / (2 ln 2)


def tables() -> Tables:
    """Return tables of which row `scale * PHASES + phase` codes errors, the likely ones first: 0, 1, -1, 2, ...

    CodecError if they are not those of the format.
    """
    centres = (np.arange(PHASES) + 0.5) / (2 * PHASES)
    symbols = np.arange(_SYMBOLS - 1)
    errors = np.where(symbols % 2 == 1, (symbols + 1) // 2, -(symbols // 2))
    rows = [_counts(deviation(LOWEST + scale), errors - centre) for scale in range(SCALES) for centre in centres]
    cdf = np.zeros((len(rows), _SYMBOLS + 1), np.uint16)
    cdf[:, 1:] = np.cumsum(rows, axis=1)
    if hashlib.sha256(cdf.astype("<u2").tobytes()).hexdigest() != _SHA256:
        raise CodecError("this machine computes other probability tables than the format has: please report it")
    return Tables.from_cdf(cdf)


def deviation(quarters: int) -> float:
    """Return the middle of a quarter of an octave, linear within the octave, as `log2_quarters` counts them."""
    return math.ldexp(1 + (quarters % 4 + 0.5) / 4, quarters // 4)


def _counts(expected: float, distances: np.ndarray) -> np.ndarray:
    """Shares of the symbols in units of 2^-PRECISION, the escape's last; each at least one."""
    scale = expected * _TO_SCALE
    mass = _squash((distances + 0.5) / scale) - _squash((distances - 0.5) / scale)
    whole = np.append(mass, max(0.0, 1.0 - sum(mass.tolist())))
    counts: np.ndarray = 1 + np.floor(whole * ((1 << PRECISION) - 2 * _SYMBOLS)).astype(np.int64)
    counts[counts.argmax()] += (1 << PRECISION) - counts.sum()
    return counts


def _squash(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), interpolated."""
    table = load()["squash"]
    at = (np.clip(x, -LOGIT_MAX, LOGIT_MAX) + LOGIT_MAX) * LOGIT_STEPS
    low = np.floor(at).astype(np.int64)
    part = at - low
    return np.asarray(table[low] + part * (table[low + 1] - table[low]))
