"""Elementary functions of the lossless codec: exact tables and interpolation, the same bits on every machine.

Kernels of the lossless codec use float64 and float32 with + - * / and comparisons only, in the order of the source:
IEEE 754 fixes every result. Logarithms and exponentials therefore come from tables, whose entries are correctly
rounded from 40 decimal digits, and from the exponent bits of the number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, inline

_FRACTION = (1 << 52) - 1
_LN2 = 0.6931471805599453
_LOG2E = 1.4426950408889634

_EXP_STEPS = 256
_LOGIT_STEPS = 170  # of the squash table, per unit
_LOGIT_MAX = 12
_SOFT_STEPS = 128  # of the softplus table, per unit
_SOFT_MAX = 16
_GAP_LOW, _GAP_HIGH, _GAP_STEPS = -20, 5, 16  # octaves of the gap table, steps of one
_STRETCH_STEPS = 4096


def _table(entry: Callable[[Decimal], Decimal], points: list[Decimal]) -> np.ndarray:
    with localcontext() as context:
        context.prec = 40
        return np.array([float(entry(point)) for point in points])


def _steps(first: int, last: int, per_unit: int) -> list[Decimal]:
    """Points from `first` to `last` and one beyond, for interpolation at the end."""
    return [first + Decimal(i) / per_unit for i in range((last - first) * per_unit + 2)]


def _octaves() -> list[Decimal]:
    starts = [Decimal(2) ** octave for octave in range(_GAP_LOW, _GAP_HIGH + 2)]
    return [start * (1 + Decimal(i) / _GAP_STEPS) for start in starts for i in range(_GAP_STEPS)]


_EXP2 = _table(lambda x: (x * Decimal(2).ln()).exp(), _steps(0, 1, _EXP_STEPS))
_LN = _table(lambda x: (1 + x).ln(), _steps(0, 1, 256))
_SQUASH = _table(lambda x: 1 / (1 + (-x).exp()), _steps(-_LOGIT_MAX, _LOGIT_MAX, _LOGIT_STEPS))
_SOFTPLUS = _table(lambda x: (1 + (-x).exp()).ln(), _steps(0, _SOFT_MAX, _SOFT_STEPS))
_GAP = _table(lambda x: (1 - (-x).exp()).ln(), _octaves())
_STRETCH = _table(lambda x: (x / (1 - x)).ln(), [(i + Decimal("0.5")) / _STRETCH_STEPS for i in range(_STRETCH_STEPS)])


@inline
def bits_of(x: Float) -> Int:
    """The 64 bits of a float64."""
    return np.float64(x).view(np.int64)


@inline
def log2_linear(x: Float) -> Float:
    """Logarithm to base 2 of x > 0, linear within each octave: off by at most 0.09."""
    return np.float64(bits_of(x)) * (1.0 / 4503599627370496.0) - 1023.0


@inline
def log2_quarters(x: Float) -> Int:
    """Logarithm to base 2 of x > 0 in quarters of an octave, linear within an octave, rounded down."""
    return (bits_of(x) >> 50) - (1023 << 2)


@inline
def ln(x: Float) -> Float:
    """Natural logarithm of a normal x > 0; error below 2e-6."""
    bits = bits_of(x)
    mantissa = bits & _FRACTION
    i = mantissa >> 44
    part = np.float64(mantissa & 17592186044415) * (1.0 / 17592186044416.0)
    return np.float64((bits >> 52) - 1023) * _LN2 + (_LN[i] + part * (_LN[i + 1] - _LN[i]))


@inline
def exp2(x: Float) -> Float:
    """2 to the power of x, for x in -100..100."""
    whole = math.floor(x)
    at = (x - whole) * _EXP_STEPS
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
    """Logistic function 1 / (1 + exp(-z)) with a small relative error at both ends."""
    z = clamp(z, -40.0, 40.0)
    small = exp2(-abs(z) * _LOG2E)
    return (small if z < 0.0 else 1.0) / (1.0 + small)


@inline
def squash(z: Float) -> Float:
    """Logistic function by a table, z cut to -12..12."""
    at = (clamp(z, -11.99, 11.99) + 12.0) * _LOGIT_STEPS
    i = np.int64(at)
    return _SQUASH[i] + (at - i) * (_SQUASH[i + 1] - _SQUASH[i])


@inline
def stretch(index: Int) -> Float:
    """Logit of the probability (index + 1/2) / 4096."""
    return _STRETCH[index]


@inline
def softplus(z: Float) -> Float:
    """ln(1 + exp(z))."""
    at = clamp(abs(z), 0.0, 15.99) * _SOFT_STEPS
    i = np.int64(at)
    return max(z, 0.0) + (_SOFTPLUS[i] + (at - i) * (_SOFTPLUS[i + 1] - _SOFTPLUS[i]))


@inline
def gap(d: Float) -> Float:
    """ln(1 - exp(-d)) of d > 0: what the mass of a logistic distribution's tail loses over a distance d."""
    bits = bits_of(clamp(d, 1e-6, 60.0))
    i = (bits >> 48) - ((1023 + _GAP_LOW) << 4)
    part = np.float64(bits & 281474976710655) * (1.0 / 281474976710656.0)
    return _GAP[i] + part * (_GAP[i + 1] - _GAP[i])
