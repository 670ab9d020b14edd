"""The forward DCT of libjpeg and its quantisation, in integers: what an encoder makes of samples.

The transform is that of Loeffler, Ligtenberg and Moschytz (1989) with constants of 13 fractional bits, the accurate one
("islow", jfdctint.c): rows first, rounded to 2 fractional bits, then columns. Its results are eight times those of
ITU-T T.81, A.3.3. Quotients by quantisation steps are rounded half away from zero, as jcdctmgr.c rounds; libjpeg-turbo
multiplies by reciprocals that give the same ones.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel

_CENTRE = 128
_FIRST_SHIFT, _LAST_SHIFT = 11, 15  # after rows and after columns
_SCALE_BITS = 3  # of the factor eight
# Thousandths of the constants, 13 fractional bits
_M0298, _M0390, _M0541, _M0765, _M0899, _M1175 = 2446, 3196, 4433, 6270, 7373, 9633
_M1501, _M1847, _M1961, _M2053, _M2562, _M3072 = 12299, 15137, 16069, 16819, 20995, 25172
_RECIPROCAL_BITS = 40


def quantised_plane(plane: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return the quantised coefficients of a plane in whole blocks: int16 (rows, columns, 64), in natural order.

    Args:
        plane: uint8 (8 * rows, 8 * columns).
        table: int32 (64,): quantisation steps, 1..65535.

    Raises:
        ValueError: If a side of the plane is no multiple of 8.
    """
    height, width = plane.shape
    if height % 8 or width % 8:
        raise ValueError(f"a plane of {width} x {height} samples has no whole blocks of 8 x 8")
    plane = np.require(plane, requirements=["C", "W"])  # kernels are compiled for writable arrays
    blocks = np.empty((height // 8, width // 8, 64), np.int16)
    divisors = table.astype(np.int64) << _SCALE_BITS
    rooms = np.empty(64, np.int64), np.empty(64, np.int64)
    _quantise_plane(plane, divisors >> 1, _reciprocals(divisors), *rooms, blocks)
    return blocks


def _reciprocals(divisors: np.ndarray) -> np.ndarray:
    """By what to multiply, and then shift by _RECIPROCAL_BITS, in the place of a division rounded down.

    Each is above 2^40 / d by at most 1, so that n / d becomes greater by at most n / 2^40. That is less than the 1 / d
    which the fraction of n / d lacks to 1, for n below 2^20 and d up to 2^19.
    """
    reciprocals: np.ndarray = (1 << _RECIPROCAL_BITS) // divisors + 1
    return reciprocals


@borrowing
def _eight(
    d0: Int, d1: Int, d2: Int, d3: Int, d4: Int, d5: Int, d6: Int, d7: Int
) -> tuple[Int, Int, Int, Int, Int, Int, Int, Int]:
    """Return the eight-point transform of eight samples, with 13 fractional bits more."""
    s0, s1, s2, s3 = d0 + d7, d1 + d6, d2 + d5, d3 + d4
    t4, t5, t6, t7 = d3 - d4, d2 - d5, d1 - d6, d0 - d7
    e0, e1, e2, e3 = s0 + s3, s1 + s2, s1 - s2, s0 - s3
    z1 = (e2 + e3) * _M0541
    z3, z4 = t4 + t6, t5 + t7
    z5 = (z3 + z4) * _M1175
    z3, z4 = z5 - z3 * _M1961, z5 - z4 * _M0390
    z7, z6 = (t4 + t7) * _M0899, (t5 + t6) * _M2562
    return (
        (e0 + e1) << 13,
        t7 * _M1501 - z7 + z4,
        z1 + e3 * _M0765,
        t6 * _M3072 - z6 + z3,
        (e0 - e1) << 13,
        t5 * _M2053 - z6 + z4,
        z1 - e2 * _M1847,
        t4 * _M0298 - z7 + z3,
    )


@borrowing
def _transform_block(plane: np.ndarray, top: Int, left: Int, work: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` int64 (64,) with eight times the coefficients of the block at (top, left); `work` int64 (64,): room.

    No sum needs more than 32 bits: samples have 8, the transform of rows adds 3 + 2, that of columns 3 + 13.
    """
    half = 1 << (_FIRST_SHIFT - 1)
    for y in range(8):
        row = plane[top + y]
        done = _eight(
            np.int64(row[left]) - _CENTRE,
            np.int64(row[left + 1]) - _CENTRE,
            np.int64(row[left + 2]) - _CENTRE,
            np.int64(row[left + 3]) - _CENTRE,
            np.int64(row[left + 4]) - _CENTRE,
            np.int64(row[left + 5]) - _CENTRE,
            np.int64(row[left + 6]) - _CENTRE,
            np.int64(row[left + 7]) - _CENTRE,
        )
        for x in range(8):
            work[8 * y + x] = (done[x] + half) >> _FIRST_SHIFT
    half = 1 << (_LAST_SHIFT - 1)
    for x in range(8):
        done = _eight(
            work[x],
            work[8 + x],
            work[16 + x],
            work[24 + x],
            work[32 + x],
            work[40 + x],
            work[48 + x],
            work[56 + x],
        )
        for y in range(8):
            out[8 * y + x] = (done[y] + half) >> _LAST_SHIFT


@borrowing_kernel
def _quantise_plane(
    plane: np.ndarray,
    halves: np.ndarray,
    reciprocals: np.ndarray,
    work: np.ndarray,
    coefficients: np.ndarray,
    blocks: np.ndarray,
) -> None:
    """Fill `blocks` int16 (rows, columns, 64) with the quantised coefficients of `plane` uint8 (8 rows, 8 columns).

    `halves` int64 (64,): half of each divisor. `reciprocals` int64 (64,): of divisors, as `_reciprocals` says. `work`,
    `coefficients` int64 (64,): room.
    """
    for i in range(blocks.shape[0]):
        for j in range(blocks.shape[1]):
            _transform_block(plane, 8 * i, 8 * j, work, coefficients)
            for n in range(64):
                value = coefficients[n]
                quotient = ((abs(value) + halves[n]) * reciprocals[n]) >> _RECIPROCAL_BITS
                blocks[i, j, n] = quotient if value >= 0 else -quotient
