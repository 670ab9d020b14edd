"""The cells of quantisation: corrected coefficients stay in them, and so does the picture that is made of them.

All values that an encoder quantises to a level q in steps s lie within (q - 1/2) s to (q + 1/2) s. The original picture
was in these cells, so that nothing outside them can be nearer to it than their edge (Zakhor 1992, "Iterative
procedures for reduction of blocking effects in transform image coding"). Rounding to samples moves coefficients, by
0.3 in the mean: they keep a margin, and a block that leaves its cells nevertheless is made again with a larger one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.jpeg.forward import quantised_plane
from tilepress.codecs.jpeg.transform import ISLOW, plane_of

FRACTION = 6  # bits of coefficients in fractions
MARGIN_FRACTION = 4  # of margins
_CONSTANT = 14  # of the transform's constants
_FIRST = 10  # that the first pass drops: of 2^15 levels, 2^16 steps and 8 terms nothing reaches 2^62
_CENTRE, _SIDE = 128, 8


@dataclass(frozen=True)
class Corrections:
    """What a network adds to coefficients: int64 (m, 64), in units of 2^-fraction_bits quantisation steps."""

    values: np.ndarray
    fraction_bits: int


def restored_blocks(levels: np.ndarray, table: np.ndarray, added: Corrections, margins: Sequence[int]) -> np.ndarray:
    """Return the samples uint8 (m, 8, 8) of corrected blocks.

    Each is recompressed by libjpeg to the very coefficients that it came from, unless those of a plain decoder are not
    either: blocks that are white or black in part, or have steps of one or two.

    Args:
        levels: Quantised coefficients int16 (m, 64), natural order.
        table: Quantisation steps (64,), 1..65535.
        added: What the network adds.
        margins: Sixteenths of a sample that are kept from the edges of cells: the next where one does not suffice.
    """
    samples = np.empty((len(levels), _SIDE, _SIDE), np.uint8)
    left = np.arange(len(levels))
    for margin in margins:
        tried = samples_of(within(levels[left], table, Corrections(added.values[left], added.fraction_bits), margin))
        same = recoded(tried, table, levels[left])
        samples[left[same]] = tried[same]
        left = left[~same]
        if not len(left):
            return samples
    samples[left] = plain_blocks(levels[left], table)
    return samples


def within(levels: np.ndarray, table: np.ndarray, added: Corrections, margin: int) -> np.ndarray:
    """Return corrected coefficients, int64 (m, 64) in units of 2^-FRACTION, `margin` sixteenths within their cells."""
    step = table.astype(np.int64)
    room = np.maximum((step << FRACTION >> 1) - (margin << (FRACTION - MARGIN_FRACTION)), 0)
    most = 1 << added.fraction_bits  # a step: more of them would change nothing, but leave 64 bits
    change = (np.clip(added.values, -most, most) * step << FRACTION) >> added.fraction_bits
    inside: np.ndarray = (levels * step << FRACTION) + np.clip(change, -room, room)
    return inside


def samples_of(coefficients: np.ndarray) -> np.ndarray:
    """Return the inverse DCT, uint8 (m, 8, 8), of coefficients int64 (m, 64) in units of 2^-FRACTION: in integers."""
    basis = _basis()
    columns = np.matmul(basis.T, coefficients.reshape(-1, _SIDE, _SIDE))
    rows = np.matmul((columns + (1 << _FIRST >> 1)) >> _FIRST, basis)
    shift = 2 * _CONSTANT + FRACTION - _FIRST
    samples = ((rows + (1 << shift >> 1)) >> shift) + _CENTRE
    whole: np.ndarray = np.clip(samples, 0, 255).astype(np.uint8)
    return whole


def recoded(samples: np.ndarray, table: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return whether libjpeg compresses blocks uint8 (m, 8, 8) to `levels` int16 (m, 64): bool (m,)."""
    again = quantised_plane(samples.reshape(-1, _SIDE), table)
    same: np.ndarray = (again.reshape(-1, _SIDE * _SIDE) == levels).all(axis=1)
    return same


def plain_blocks(levels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return the samples uint8 (m, 8, 8) that libjpeg decodes levels int16 (m, 64) to."""
    return plane_of(np.ascontiguousarray(levels[:, None]), ISLOW, table).reshape(-1, _SIDE, _SIDE)


def _basis() -> np.ndarray:
    """The orthonormal DCT, int64 (frequency, place) with _CONSTANT fractional bits: no entry is near a tie."""
    place, frequency = np.arange(_SIDE), np.arange(_SIDE)[:, None]
    scale = np.where(frequency == 0, np.sqrt(1 / _SIDE), np.sqrt(2 / _SIDE))
    return np.rint(scale * np.cos(np.pi * (2 * place + 1) * frequency / 16) * (1 << _CONSTANT)).astype(np.int64)
