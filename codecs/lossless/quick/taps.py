"""Which samples a predictor of the quick level looks at, as offsets in the field of all planes.

A predictor is linear in differences: of samples of a group to the sample left of the one in question, in the same
plane. So a predictor needs no constant, and knows no brightness.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tilepress.codecs.kernels.kernel import Int, borrowing

PAD = 3  # of every plane in the field, at each side
SERIAL = 2  # the first taps lie in the row that is being coded; all others are known a row ahead
UNROLLED = 4  # taps that the kernel sums at a time: their number is a multiple of it

# (dy, dx); the first of a group is what the others are compared with
_OWN = [(0, -1), (0, -2), (-1, 0), (-1, -1), (-1, 1), (-2, 0), (-2, 1), (-2, -1), (-1, -2), (-1, 2), (-2, 2)]
_AROUND = [(0, -1), (0, 0), (-1, 0), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
_KNOWN, _SECOND, _BASE = 9, 7, 6  # of _AROUND: in the plane before, in the one before that, in the base


class Taps(NamedTuple):
    """Taps of a plane. Without the first of each group, the number of them is the number of a predictor's weights."""

    offsets: np.ndarray  # (taps,) int64, from a sample to the tap, in the field
    groups: np.ndarray  # (taps,) int64: the first tap of the same group

    @property
    def free(self) -> np.ndarray:
        """Return taps (weights,) that have a weight of their own."""
        return np.flatnonzero(self.groups != np.arange(len(self.groups)))


def taps_of(row: int, partner: int, second: int, base: int) -> Taps:
    """Return the taps of a plane in a field of padded rows of `row` samples.

    `partner`, `second`, `base`: offsets to the plane that was coded before, the one before that, and the plane of the
    base; 0 for none.
    """
    offsets: list[int] = []
    groups: list[int] = []
    for move, places in ((0, _OWN), (partner, _AROUND[:_KNOWN]), (second, _AROUND[:_SECOND]), (base, _AROUND[:_BASE])):
        if move or not offsets:
            groups += [len(offsets)] * len(places)
            offsets += [move + dy * row + dx for dy, dx in places]
    return Taps(np.array(offsets, np.int64), np.array(groups, np.int64))


def spread(weights: np.ndarray, taps: Taps, one: int) -> np.ndarray:
    """Return what each tap counts for: float64 (classes, taps rounded up to SERIAL + a multiple of UNROLLED).

    `weights` (classes, weights): of the free taps, integers in units of 1/`one`.
    """
    count = len(taps.offsets)
    whole = np.zeros((len(weights), SERIAL + -(-(count - SERIAL) // UNROLLED) * UNROLLED))
    whole[:, taps.free] = weights
    np.subtract.at(whole.T, taps.groups[taps.free], weights.T)
    whole[:, 0] += one
    return whole


def rounded_up(offsets: np.ndarray) -> np.ndarray:
    """Return offsets of as many taps as `spread` has columns; those beyond the last count for nothing."""
    return np.pad(offsets, (0, -(len(offsets) - SERIAL) % UNROLLED))


@borrowing
def lay_weights(out: np.ndarray, weights: np.ndarray, classes: np.ndarray, block: Int) -> None:
    """Lay weights above the samples of a row of blocks of `block` samples: float64 (taps, width).

    `weights` float64 (classes, taps); `classes` (blocks,): of the blocks, from left to right.
    """
    for i in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[i, x] = weights[classes[x // block], i]


@borrowing
def sum_taps(
    out: np.ndarray, field: np.ndarray, at: Int, weights: np.ndarray, offsets: np.ndarray, serial: Int
) -> None:
    """Sum weighted taps for the samples of a row.

    `out` float64 (width,): set. `field` float64, `at`: the first of the samples there.
    `weights` float64 (taps, width): as `lay_weights` lays them; `offsets` int64 (taps,).
    `serial`: 1 for all taps, 0 for all but the serial ones.
    """
    # Slices have indices from 0: an index that might be negative keeps a loop from being vectorised.
    p, q = field[at + offsets[0] :], field[at + offsets[1] :]
    a, b = weights[0], weights[1]
    for x in range(out.size):
        out[x] = (a[x] * p[x] + b[x] * q[x]) * serial
    for i in range(SERIAL, offsets.size, UNROLLED):
        p, q, r, s = (
            field[at + offsets[i] :],
            field[at + offsets[i + 1] :],
            field[at + offsets[i + 2] :],
            field[at + offsets[i + 3] :],
        )
        a, b, c, d = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        for x in range(out.size):
            out[x] += a[x] * p[x] + b[x] * q[x] + c[x] * r[x] + d[x] * s[x]
