"""The inverse DCT of libjpeg called "islow", in integers: Loeffler, Ligtenberg and Moschytz (1989), 13 fractional bits.

Two passes of eight points: columns, kept with two fractional bits more, then rows. Whatever 16-bit coefficients and
8-bit steps a file holds, no sum leaves 48 bits.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing, borrowing_kernel, inline

_BITS = 13  # fractional bits of the constants
_PASS_BITS = 2  # fractional bits more between the passes
_FIRST_SHIFT = _BITS - _PASS_BITS
_LAST_SHIFT = _BITS + _PASS_BITS + 3  # each pass is sqrt(8) times the orthonormal one
_CENTRE = 128

_C0298, _C0390, _C0541, _C0765, _C0899, _C1175 = 2446, 3196, 4433, 6270, 7373, 9633
_C1501, _C1847, _C1961, _C2053, _C2562, _C3072 = 12299, 15137, 16069, 16819, 20995, 25172


@inline
def _eight(
    d0: Int, d1: Int, d2: Int, d3: Int, d4: Int, d5: Int, d6: Int, d7: Int
) -> tuple[Int, Int, Int, Int, Int, Int, Int, Int]:
    """Return the eight-point transform of eight coefficients, with 13 fractional bits more than they have."""
    z = (d2 + d6) * _C0541
    low, high = z - d6 * _C1847, z + d2 * _C0765
    total, difference = (d0 + d4) << _BITS, (d0 - d4) << _BITS
    e0, e3, e1, e2 = total + high, total - high, difference + low, difference - low
    z3, z4 = d7 + d3, d5 + d1
    z5 = (z3 + z4) * _C1175
    z1, z2 = (d7 + d1) * -_C0899, (d5 + d3) * -_C2562
    z3, z4 = z5 - z3 * _C1961, z5 - z4 * _C0390
    o0, o1 = d7 * _C0298 + z1 + z3, d5 * _C2053 + z2 + z4
    o2, o3 = d3 * _C3072 + z2 + z3, d1 * _C1501 + z1 + z4
    return e0 + o3, e1 + o2, e2 + o1, e3 + o0, e3 - o0, e2 - o1, e1 - o2, e0 - o3


@borrowing
def islow(coefficients: np.ndarray, table: np.ndarray, work: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` with the samples of a block, before they are clipped to 0..255.

    `coefficients` int16 (64,): quantised, in natural order. `table` int32 (64,): quantisation steps.
    `work` int64 (64,): room. `out` int32 (64,): filled, row by row.
    """
    half = 1 << (_FIRST_SHIFT - 1)
    for x in range(8):
        column = _eight(
            np.int64(coefficients[x]) * table[x],
            np.int64(coefficients[8 + x]) * table[8 + x],
            np.int64(coefficients[16 + x]) * table[16 + x],
            np.int64(coefficients[24 + x]) * table[24 + x],
            np.int64(coefficients[32 + x]) * table[32 + x],
            np.int64(coefficients[40 + x]) * table[40 + x],
            np.int64(coefficients[48 + x]) * table[48 + x],
            np.int64(coefficients[56 + x]) * table[56 + x],
        )
        for y in range(8):
            work[8 * y + x] = (column[y] + half) >> _FIRST_SHIFT
    half = (1 << (_LAST_SHIFT - 1)) + (_CENTRE << _LAST_SHIFT)
    for y in range(0, 64, 8):
        row = _eight(work[y], work[y + 1], work[y + 2], work[y + 3], work[y + 4], work[y + 5], work[y + 6], work[y + 7])
        for x in range(8):
            out[y + x] = (row[x] + half) >> _LAST_SHIFT


@borrowing_kernel
def islow_plane(
    blocks: np.ndarray, table: np.ndarray, work: np.ndarray, samples: np.ndarray, plane: np.ndarray
) -> None:
    """Fill `plane` uint8 (8 * rows, 8 * columns) with the samples of `blocks` int16 (rows, columns, 64).

    `table` int32 (64,): quantisation steps. `work` int64 (64,), `samples` int32 (64,): room.
    """
    for i in range(blocks.shape[0]):
        for j in range(blocks.shape[1]):
            islow(blocks[i, j], table, work, samples)
            for n in range(64):
                plane[8 * i + (n >> 3), 8 * j + (n & 7)] = min(max(samples[n], 0), 255)
