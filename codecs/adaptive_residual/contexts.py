"""Contexts of the adaptive residual coder: classes of how large errors were around a sample."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, inline

LEVELS = 40  # classes of error energy, two an octave
COARSE = 24  # classes where two are combined


def _level_table() -> np.ndarray:
    """Class of v = 0..4095: v itself below 4, then two classes an octave."""
    table = np.arange(4096, dtype=np.int32)
    for v in range(4, 4096):
        octave = v.bit_length() - 2
        table[v] = 2 * octave + (v >> octave)
    return table.astype(np.uint8)


_LEVEL = _level_table()


@inline
def level_of(energy: Int) -> Int:
    """Class 0..LEVELS-1 of an error energy below 2^26 (eight absolute errors)."""
    v = energy >> 2
    if v < 4096:
        return np.int64(_LEVEL[np.uint64(v)])
    return min(np.int64(_LEVEL[np.uint64(v >> 12)]) + 24, LEVELS - 1)


@inline
def coarse_of(energy: Int) -> Int:
    """The class, with the largest errors in one."""
    return min(level_of(energy), COARSE - 1)


@inline
def sign_of(v: Int) -> Int:
    """0 for negative, 1 for zero, 2 for positive."""
    return np.int64(v > 0) + np.int64(v >= 0)


@inline
def energy_of(error: np.ndarray, at: Int, row: Int, other: Int) -> tuple[Int, Int]:
    """Error energy around a sample, and of the plane coded before at the same place (if `other` is not 0)."""
    near = 2 * abs(error[at - 1]) + 2 * abs(error[at - row]) + abs(error[at - row - 1])
    near += abs(error[at - row + 1]) + abs(error[at - 2]) + abs(error[at - 2 * row])
    if other == 0:
        return near, np.int64(0)
    o = at + other
    cross = abs(error[o])
    around = abs(error[o + 1]) + abs(error[o + row]) + abs(error[o - 1]) + abs(error[o - row])
    return (near * 5 + cross * 12 + around * 3) >> 3, 4 * cross + around


@inline
def slope_of(field: np.ndarray, base: Int, row: Int) -> Int:
    """Slope of the base at flat position `base`, on the scale of an energy."""
    steps = abs(field[base + 1] - field[base - 1]) + abs(field[base + row] - field[base - row])
    return np.int64(steps) << 4
