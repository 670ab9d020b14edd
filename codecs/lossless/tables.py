"""Elementary functions of the lossless codec: exact tables and interpolation, the same bits on every machine.

Kernels of the lossless codec use float64 and float32 with + - * / and comparisons only, in the order of the source:
IEEE 754 fixes every result. Logarithms and exponentials therefore come from tables, whose entries are correctly
rounded from 40 decimal digits (make_tables.py), and from the exponent bits of the number.

The tables are compiled into kernels, whose cache goes by the hash of sources: table_file.py states the SHA-256 of the
file, so that other tables are other kernels.
"""

from __future__ import annotations

import math

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, inline
from tilepress.codecs.lossless.table_file import EXP_STEPS, GAP_LOW, LOGIT_STEPS, SOFT_STEPS, load

_FRACTION = (1 << 52) - 1
_LN2 = 0.6931471805599453
_LOG2E = 1.4426950408889634

_EXP2, _LN, _SQUASH, _SOFTPLUS, _GAP, _STRETCH = load().values()


@inline
def bits_of(x: Float) -> Int:
    """Return the 64 bits of a float64."""
    return np.float64(x).view(np.int64)


@inline
def log2_linear(x: Float) -> Float:
    """Return logarithm to base 2 of x > 0, linear within each octave: off by at most 0.09."""
    return np.float64(bits_of(x)) * (1.0 / 4503599627370496.0) - 1023.0


@inline
def log2_quarters(x: Float) -> Int:
    """Return logarithm to base 2 of x > 0 in quarters of an octave, linear within an octave, rounded down."""
    return (bits_of(x) >> 50) - (1023 << 2)


@inline
def ln(x: Float) -> Float:
    """Return natural logarithm of a normal x > 0; error below 2e-6."""
    bits = bits_of(x)
    mantissa = bits & _FRACTION
    i = mantissa >> 44
    part = np.float64(mantissa & 17592186044415) * (1.0 / 17592186044416.0)
    return np.float64((bits >> 52) - 1023) * _LN2 + (_LN[i] + part * (_LN[i + 1] - _LN[i]))


@inline
def exp2(x: Float) -> Float:
    """2 to the power of x, for x in -100..100."""
    whole = math.floor(x)
    at = (x - whole) * EXP_STEPS
    i = np.int64(at)
    mantissa = _EXP2[i] + (at - i) * (_EXP2[i + 1] - _EXP2[i])
    return np.int64((np.int64(whole) + 1023) << 52).view(np.float64) * mantissa


@inline
def clamp(x: Float, low: Float, high: Float) -> Float:
    """`x` within low..high; `low` where x is not a number."""
    if not (x > low):
        return low
    if not (x < high):
        return high
    return x


@inline
def upper(z: Float) -> Float:
    """Return logistic function 1 / (1 + exp(-z)) with a small relative error at both ends."""
    z = clamp(z, -40.0, 40.0)
    small = exp2(-abs(z) * _LOG2E)
    return (small if z < 0.0 else 1.0) / (1.0 + small)


@inline
def squash(z: Float) -> Float:
    """Return logistic function by a table, z cut to -12..12."""
    at = (clamp(z, -11.99, 11.99) + 12.0) * LOGIT_STEPS
    i = np.int64(at)
    return _SQUASH[i] + (at - i) * (_SQUASH[i + 1] - _SQUASH[i])


@inline
def stretch(index: Int) -> Float:
    """Return logit of the probability (index + 1/2) / 4096."""
    return _STRETCH[index]


@inline
def softplus(z: Float) -> Float:
    """Return ln(1 + exp(z))."""
    at = clamp(abs(z), 0.0, 15.99) * SOFT_STEPS
    i = np.int64(at)
    return max(z, 0.0) + (_SOFTPLUS[i] + (at - i) * (_SOFTPLUS[i + 1] - _SOFTPLUS[i]))


@inline
def gap(d: Float) -> Float:
    """Return ln(1 - exp(-d)) of d > 0: what the mass of a logistic distribution's tail loses over a distance d."""
    bits = bits_of(clamp(d, 1e-6, 60.0))
    i = (bits >> 48) - ((1023 + GAP_LOW) << 4)
    part = np.float64(bits & 281474976710655) * (1.0 / 281474976710656.0)
    return _GAP[i] + part * (_GAP[i + 1] - _GAP[i])
