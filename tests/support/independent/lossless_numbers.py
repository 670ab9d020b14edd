"""The arithmetic of `lossless` as FORMAT.md 8g specifies it: tables and functions on binary64 numbers."""

from __future__ import annotations

import math
import struct
from decimal import Decimal, getcontext

getcontext().prec = 50


def _table(*entries: Decimal) -> list[float]:
    return [float(entry) for entry in entries]


TL = _table(*((1 + Decimal(i) / 256).ln() for i in range(258)))
TE = _table(*(Decimal(2) ** (Decimal(i) / 256) for i in range(258)))
TQ = _table(*(1 / (1 + (12 - Decimal(i) / 170).exp()) for i in range(4082)))
TS = _table(*((1 + (-Decimal(i) / 128).exp()).ln() for i in range(2050)))
TG = _table(*((1 - (-(Decimal(2) ** (i // 16 - 20)) * (16 + i % 16) / 16).exp()).ln() for i in range(432)))
TT = _table(*((Decimal(2 * i + 1) / (8191 - 2 * i)).ln() for i in range(4096)))


def clamp(x: float, a: float, b: float) -> float:
    """x within a..b; a for what is not a number."""
    if not x > a:
        return a
    return x if x < b else b


def bits(x: float) -> int:
    """The bits of a positive number."""
    number: int = struct.unpack("<q", struct.pack("<d", x))[0]
    return number


def log2(x: float) -> float:
    """Rough logarithm."""
    return float(bits(x)) * 2.0**-52 - 1023


def quarters(x: float) -> int:
    """Rough logarithm in quarters."""
    return (bits(x) >> 50) - 4092


def ln(x: float) -> float:
    """Natural logarithm."""
    b = bits(x)
    m = b % (1 << 52)
    i, p = m >> 44, m % (1 << 44) * 2.0**-44
    return ((b >> 52) - 1023) * 0.6931471805599453 + (TL[i] + p * (TL[i + 1] - TL[i]))


def at(table: list[float], t: float) -> float:
    """A table between its entries."""
    i = int(t)
    return table[i] + (t - i) * (table[i + 1] - table[i])


def exp2(x: float) -> float:
    """Power of two."""
    whole = math.floor(x)
    return at(TE, (x - whole) * 256) * 2.0**whole


def upper(z: float) -> float:
    """Logistic function."""
    z = clamp(z, -40.0, 40.0)
    s = exp2(-abs(z) * 1.4426950408889634)
    return (s if z < 0 else 1.0) / (1 + s)


def squash(z: float) -> float:
    """Logistic function from a table."""
    return at(TQ, (clamp(z, -11.99, 11.99) + 12) * 170)


def softplus(z: float) -> float:
    """ln(1 + e^z)."""
    return max(z, 0.0) + at(TS, clamp(abs(z), 0.0, 15.99) * 128)


def gap(d: float) -> float:
    """ln(1 - e^-d)."""
    b = bits(clamp(d, 0.000001, 60.0))
    i, p = (b >> 48) - 16048, b % (1 << 48) * 2.0**-48
    return TG[i] + p * (TG[i + 1] - TG[i])


def clip(x: int, most: int) -> int:
    """x within 0..most."""
    return min(max(x, 0), most)
