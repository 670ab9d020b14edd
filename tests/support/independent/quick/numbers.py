"""The tables of `lossless`, level 4, and the numbers that its rANS stream holds, as FORMAT.md 8m specifies them."""

from __future__ import annotations

import hashlib

import numpy as np

from tests.support.independent.lossless_numbers import TQ, at
from tests.support.independent.streams import Rans

ONE = 1 << 15
ESCAPE = 63
CDF_SHA256 = "13c2c66fcfcbb74b78a366369d63f2328a9d7c7da3207a2d666ea9d6e6bf4849"


def cut(x: int, least: int, most: int) -> int:
    """x within least..most."""
    return min(max(x, least), most)


def size(k: int) -> float:
    """What a scale stands for."""
    return 2.0 ** (k // 4) * (1 + (k % 4 + 0.5) / 4)


def signed(u: int) -> int:
    """0, 1, -1, 2, -2, ..."""
    return (u + 1) // 2 if u % 2 else -(u // 2)


def _below(x: float) -> float:
    return at(TQ, (min(max(x, -12.0), 12.0) + 12) * 170)


def _row(c: int, p: int) -> np.ndarray:
    """The cdf of table (c, p), (65,)."""
    t, mean = size(c - 20) * 0.7213475204444817, (p + 0.5) / 8
    chances, total = [], 0.0
    for z in range(ESCAPE):
        d = signed(z) - mean
        chances.append(_below((d + 0.5) / t) - _below((d - 0.5) / t))
        total += chances[-1]
    counts = [1 + int(chance * (ONE - 128)) for chance in (*chances, max(1 - total, 0.0))]
    counts[counts.index(max(counts))] += ONE - sum(counts)
    return np.concatenate([[0], np.cumsum(counts)])


TABLES = [[_row(c, p) for p in range(4)] for c in range(29)]
assert hashlib.sha256(np.array(TABLES).astype("<u2").tobytes()).hexdigest() == CDF_SHA256


class Flags:
    """Three chances that learn, of one plane."""

    def __init__(self, rans: QuickRans) -> None:
        self._rans, self._chances = rans, [1 << 14] * 3

    def read(self, i: int) -> bool:
        """Flag i."""
        chance = self._chances[i]
        flag = self._rans.flag(chance)
        self._chances[i] = cut(chance + ((ONE if flag else 0) - chance) // 32, 128, ONE - 128)
        return flag


class QuickRans(Rans):
    """The rANS stream of section 8 with what section 8m reads from it."""

    def number(self, c: int, p: int) -> int:
        """A number of scale c and phase p."""
        b = cut((c - 25) // 4, 0, 12)
        v = self.value(TABLES[min(c - 4 * b, 28)][p])
        return signed((v << b) + self.bits(b))

    def flag(self, chance: int) -> bool:
        """Of the given chance, of 2^15, to be 1."""
        flag = self.state % ONE < chance
        self._advance(*((0, chance) if flag else (chance, ONE - chance)))
        return flag
