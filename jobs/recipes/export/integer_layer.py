"""Weights and bias of one layer as integers that stay within the bounds of what can be proven exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.jobs.recipes.export.rounding import round_in_turn

_SHIFTS = range(20, -1, -1)
_FRACTIONS = range(16, 9, -1)
WEIGHT_BITS = 16  # unless a recipe says otherwise
Layer = tuple[np.ndarray, np.ndarray, np.ndarray]  # weight, bias and shift of each output


@dataclass(frozen=True)
class Bounds:
    """What every partial sum stays below, and how many bits a weight has, its sign among them: 8 or 16."""

    sums: int
    weight_bits: int

    @property
    def largest(self) -> int:
        """Largest weight."""
        return (1 << (self.weight_bits - 1)) - 1


def with_shifts(
    weight: np.ndarray, bias: np.ndarray, reach: np.ndarray, bounds: Bounds, moments: np.ndarray | None = None
) -> Layer | None:
    """Return the finest integers of each output that stay within bounds; half of the last place is added to round.

    Args:
        weight: (out, in, n, n), of integers in, to integers out.
        bias: (out,), in integers out.
        reach: (in,): max |x| of each input.
        bounds: What sums and weights stay within.
        moments: Second moments of what the layer sees, as `gram` gives them: weights are rounded so that the outputs
            change least. None: each to its nearest integer.

    Returns:
        None if an output does not stay within them without a shift.
    """
    out: Layer = (np.zeros(weight.shape, np.int64), np.zeros(bias.shape, np.int64), np.full(bias.shape, -1, np.int8))
    for shift in _SHIFTS:
        whole = np.rint(weight * 2.0**shift)
        offset = np.rint(bias * 2.0**shift) + (1 << shift >> 1)
        fits = _fits(whole, offset, reach, bounds) & (out[2] < 0)
        out[0][fits], out[1][fits], out[2][fits] = whole[fits], offset[fits], shift
    if not (out[2] >= 0).all():
        return None
    if moments is not None:
        scale = np.ldexp(1.0, out[2].astype(np.int64))[:, None, None, None]
        rounded = round_in_turn(weight * scale, moments, bounds.largest)
        fits = _fits(rounded, out[1], reach, bounds)
        out[0][fits] = rounded[fits]
    return _narrowed(out, bounds.largest)


def filling(weight: np.ndarray, scale: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Return a factor of 0.5..1 for each output's `scale` (out,), by which its largest weight fills all bits.

    Shifts are powers of two, so that up to a bit of a weight stays empty. A bit of what comes out is worth less.
    """
    peaks = np.abs(weight * scale[:, None, None, None]).max(axis=(1, 2, 3))
    share = bounds.largest / np.maximum(peaks, np.finfo(np.float64).tiny)
    mantissa: np.ndarray = np.frexp(share)[0]
    return mantissa


def with_fraction(weight: np.ndarray, bias: np.ndarray, reach: np.ndarray, bounds: Bounds) -> tuple[int, Layer | None]:
    """Return the fraction bits of results that are not shifted, as many as fit, and the layer; else 0 and None.

    Arguments are those of `with_shifts`; results are in units of 1 before these bits. Weights have 16 bits whatever
    `bounds` say: all outputs have the same fraction bits, so that 8 bits would be too coarse for small ones.
    """
    bounds = Bounds(bounds.sums, WEIGHT_BITS)
    for bits in _FRACTIONS:
        whole, offset = np.rint(weight * 2.0**bits), np.rint(bias * 2.0**bits)
        if _fits(whole, offset, reach, bounds).all():
            layer = whole.astype(np.int64), offset.astype(np.int64), np.zeros(len(bias), np.int8)
            return bits, _narrowed(layer, bounds.largest)
    return 0, None


def _fits(whole: np.ndarray, offset: np.ndarray, reach: np.ndarray, bounds: Bounds) -> np.ndarray:
    sums = (np.abs(whole).sum(axis=(2, 3)) * reach).sum(axis=1) + np.abs(offset)
    fits: np.ndarray = (sums < bounds.sums) & (np.abs(whole).max(axis=(1, 2, 3)) <= bounds.largest)
    return fits


def _narrowed(layer: Layer, largest: int) -> Layer:
    weight, bias, shift = layer
    return (
        weight.astype(np.int8 if largest < 128 else np.int16),
        bias.astype(np.int32 if np.abs(bias).max() < 1 << 31 else np.int64),
        shift,
    )
