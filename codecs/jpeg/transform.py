"""The inverse DCTs of JPEG decoders, in integers: FORMAT.md, "jpeg".

Two are that of Loeffler, Ligtenberg and Moschytz (1989), with constants of 13 fractional bits ("islow" of libjpeg) or
of 12 (stb_image): linear but for one rounding of columns and one of rows. The third ("ifast" of libjpeg) is that of
Arai, Agui and Nakajima (1988): its steps are scaled to few bits, and every product is rounded down.

Whatever 16-bit coefficients and 8-bit steps a file holds, no sum leaves 48 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, borrowing, borrowing_kernel

_CENTRE = 128
LINEAR, FAST = 0, 1  # kinds of transforms
# Places in the rule of a transform: its kind; fractional bits of its constants; shifts after columns and after rows;
# and from there on the constants, named by their thousandths.
KIND, BITS, FIRST_SHIFT, LAST_SHIFT = range(4)
_C0298, _C0390, _C0541, _C0765, _C0899, _C1175, _C1501, _C1847, _C1961, _C2053, _C2562, _C3072 = range(4, 16)
_M1414, _M1847, _M1082, _M2613 = 362, 473, 277, 669  # of the fast transform, 8 fractional bits
_FAST_BITS = 8
_SCALE_BITS = 12  # that the scaled steps of the fast transform lose
NO_STEP = np.float32(1e9)  # a coefficient of the fast transform that never counts


@dataclass(frozen=True, eq=False)
class Transform:
    """One inverse DCT. `rule` int64 (16,): what kernels need. `scales` int64 (64,): of steps; None: none are scaled."""

    rule: np.ndarray
    scales: np.ndarray | None = None

    def multipliers(self, table: np.ndarray) -> np.ndarray:
        """Return by what quantised coefficients are multiplied, int32, of quantisation steps (..., 64)."""
        if self.scales is None:
            return table.astype(np.int32)
        scaled: np.ndarray = (table * self.scales + (1 << (_SCALE_BITS - 1))) >> _SCALE_BITS
        return scaled.astype(np.int32)

    def steps(self, table: np.ndarray) -> np.ndarray:
        """Return the steps that coefficients have in effect, float32, of quantisation steps (..., 64)."""
        if self.scales is None:
            return table.astype(np.float32)
        multipliers = self.multipliers(table)
        effective = multipliers * ((1 << _SCALE_BITS) / self.scales)
        return np.where(multipliers == 0, NO_STEP, effective).astype(np.float32)


def _fast_scales() -> np.ndarray:
    """Products of the scales of rows and of columns, 14 fractional bits: int64 (64,)."""
    one = np.cos(np.arange(8) * np.pi / 16) * np.where(np.arange(8) == 0, 1, np.sqrt(2))
    scales: np.ndarray = np.rint(np.outer(one, one) * (1 << 14)).astype(np.int64).reshape(64)
    return scales


def _linear(bits: int, *constants: int) -> Transform:
    return Transform(np.array([LINEAR, bits, bits - 2, bits + 5, *constants], np.int64))


ISLOW = _linear(13, 2446, 3196, 4433, 6270, 7373, 9633, 12299, 15137, 16069, 16819, 20995, 25172)
STB = _linear(12, 1223, 1597, 2217, 3135, 3685, 4816, 6149, 7567, 8034, 8410, 10497, 12586)
IFAST = Transform(np.array([FAST, 0, 0, 5] + [0] * 12, np.int64), _fast_scales())


@borrowing
def centre_of(rule: np.ndarray) -> Float:
    """Return what a block without coefficients is, for a search in floats: samples are the nearest to its results."""
    return np.float32(_CENTRE) if rule[KIND] == LINEAR else np.float32(_CENTRE - 0.5)


@borrowing
def _linear_eight(
    d0: Int, d1: Int, d2: Int, d3: Int, d4: Int, d5: Int, d6: Int, d7: Int, rule: np.ndarray
) -> tuple[Int, Int, Int, Int, Int, Int, Int, Int]:
    """Return the eight-point transform of eight coefficients, with the fractional bits of `rule` more."""
    z = (d2 + d6) * rule[_C0541]
    low, high = z - d6 * rule[_C1847], z + d2 * rule[_C0765]
    total, difference = (d0 + d4) << rule[BITS], (d0 - d4) << rule[BITS]
    e0, e3, e1, e2 = total + high, total - high, difference + low, difference - low
    z3, z4 = d7 + d3, d5 + d1
    z5 = (z3 + z4) * rule[_C1175]
    z1, z2 = (d7 + d1) * rule[_C0899], (d5 + d3) * rule[_C2562]
    z3, z4 = z5 - z3 * rule[_C1961], z5 - z4 * rule[_C0390]
    o0, o1 = d7 * rule[_C0298] - z1 + z3, d5 * rule[_C2053] - z2 + z4
    o2, o3 = d3 * rule[_C3072] - z2 + z3, d1 * rule[_C1501] - z1 + z4
    return e0 + o3, e1 + o2, e2 + o1, e3 + o0, e3 - o0, e2 - o1, e1 - o2, e0 - o3


@borrowing
def _fast_eight(
    d0: Int, d1: Int, d2: Int, d3: Int, d4: Int, d5: Int, d6: Int, d7: Int
) -> tuple[Int, Int, Int, Int, Int, Int, Int, Int]:
    """Return the eight-point transform of eight scaled coefficients."""
    total, difference, pair = d0 + d4, d0 - d4, d2 + d6
    turned = (((d2 - d6) * _M1414) >> _FAST_BITS) - pair
    e0, e3, e1, e2 = total + pair, total - pair, difference + turned, difference - turned
    z13, z10, z11, z12 = d5 + d3, d5 - d3, d1 + d7, d1 - d7
    z5 = ((z10 + z12) * _M1847) >> _FAST_BITS
    o0 = z11 + z13
    o1 = ((z10 * -_M2613) >> _FAST_BITS) + z5 - o0
    o2 = (((z11 - z13) * _M1414) >> _FAST_BITS) - o1
    o3 = ((z12 * _M1082) >> _FAST_BITS) - z5 + o2
    return e0 + o0, e1 + o1, e2 + o2, e3 - o3, e3 + o3, e2 - o2, e1 - o1, e0 - o0


@borrowing
def _eight(
    d0: Int, d1: Int, d2: Int, d3: Int, d4: Int, d5: Int, d6: Int, d7: Int, rule: np.ndarray
) -> tuple[Int, Int, Int, Int, Int, Int, Int, Int]:
    if rule[KIND] == FAST:
        return _fast_eight(d0, d1, d2, d3, d4, d5, d6, d7)
    return _linear_eight(d0, d1, d2, d3, d4, d5, d6, d7, rule)


@borrowing_kernel
def transform_block(
    coefficients: np.ndarray, multipliers: np.ndarray, rule: np.ndarray, work: np.ndarray, out: np.ndarray
) -> None:
    """Fill `out` with the samples of a block, in fractions: shifted by LAST_SHIFT of `rule`, they are to be clipped.

    `coefficients` int16 (64,): quantised, in natural order. `multipliers` int32 (64,), `rule` int64 (16,): of the
    transform. `work` int64 (64,): room. `out` int64 (64,): filled, row by row.
    """
    shift = rule[FIRST_SHIFT]
    half = (1 << shift) >> 1
    for x in range(8):
        column = _eight(
            np.int64(coefficients[x]) * multipliers[x],
            np.int64(coefficients[8 + x]) * multipliers[8 + x],
            np.int64(coefficients[16 + x]) * multipliers[16 + x],
            np.int64(coefficients[24 + x]) * multipliers[24 + x],
            np.int64(coefficients[32 + x]) * multipliers[32 + x],
            np.int64(coefficients[40 + x]) * multipliers[40 + x],
            np.int64(coefficients[48 + x]) * multipliers[48 + x],
            np.int64(coefficients[56 + x]) * multipliers[56 + x],
            rule,
        )
        for y in range(8):
            work[8 * y + x] = (column[y] + half) >> shift
    shift = rule[LAST_SHIFT]
    add = (_CENTRE << shift) + ((1 << shift) >> 1 if rule[KIND] == LINEAR else 0)
    for y in range(0, 64, 8):
        row = _eight(
            work[y],
            work[y + 1],
            work[y + 2],
            work[y + 3],
            work[y + 4],
            work[y + 5],
            work[y + 6],
            work[y + 7],
            rule,
        )
        for x in range(8):
            out[y + x] = row[x] + add


@borrowing_kernel
def transform_plane(
    blocks: np.ndarray,
    multipliers: np.ndarray,
    rule: np.ndarray,
    work: np.ndarray,
    samples: np.ndarray,
    plane: np.ndarray,
) -> None:
    """Fill `plane` uint8 (8 * rows, 8 * columns) with the samples of `blocks` int16 (rows, columns, 64).

    `multipliers` int32 (64,), `rule` int64 (16,): of the transform. `work`, `samples` int64 (64,): room.
    """
    shift = rule[LAST_SHIFT]
    for i in range(blocks.shape[0]):
        for j in range(blocks.shape[1]):
            transform_block(blocks[i, j], multipliers, rule, work, samples)
            for n in range(64):
                plane[8 * i + (n >> 3), 8 * j + (n & 7)] = min(max(samples[n] >> shift, 0), 255)


def plane_of(blocks: np.ndarray, transform: Transform, table: np.ndarray) -> np.ndarray:
    """Return the samples of blocks int16 (rows, columns, 64): uint8 (8 * rows, 8 * columns).

    `table`: quantisation steps, (64,).
    """
    plane = np.empty((8 * blocks.shape[0], 8 * blocks.shape[1]), np.uint8)
    rooms = np.empty(64, np.int64), np.empty(64, np.int64)
    transform_plane(blocks, transform.multipliers(table), transform.rule, *rooms, plane)
    return plane
