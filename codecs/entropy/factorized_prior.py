"""The factorised prior (Ballé, Laparra, Simoncelli 2017), frozen into integer tables: one static distribution for
each channel of the latents, coded by rANS. No float occurs when coding or decoding.

A latent is written as its distance from the channel's median, zigzagged to 0, 1, 2 ...; the low `shift` bits go out
raw where a channel is so wide that a table of every value would be long, and the rest is a symbol of the channel's
own table, whose last symbol is the escape for the tails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tilepress.codecs.entropy import rans
from tilepress.codecs.errors import ModelError, StreamError
from tilepress.codecs.kernels.kernel import Int, kernel
from tilepress.codecs.model import tensor

MAX_SYMBOLS = 64  # of a table, the escape included
MAX_SHIFT = 12
MAX_LATENT = 1 << 24
_DEPTH = 256  # counts are multiplied by this before they are rounded


class FactorizedTables(NamedTuple):
    """A prior's tensors. `cdf` uint16: the rows of all channels one after another, `sizes[c]` values of 0..2^15 each;
    `centre`, `shift`, `low`, `high` (c,): median, raw bits, and the range of the latents, beyond which nothing is
    coded."""

    cdf: np.ndarray
    sizes: np.ndarray
    centre: np.ndarray
    shift: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def tensors(self, prefix: str) -> dict[str, np.ndarray]:
        """For a model: every field, as narrow as it may be."""
        out = {f"{prefix}.cdf": self.cdf.astype(np.uint16)}
        for name, array in zip(self._fields[1:], self[1:], strict=True):
            out[f"{prefix}.{name}"] = array.astype(np.int32)
        return out

    @classmethod
    def of(cls, tensors: Mapping[str, np.ndarray], prefix: str) -> FactorizedTables:
        """Inverse of `tensors`; ModelError if one is missing or of another type."""
        rest = (tensor(tensors, f"{prefix}.{name}", ("int32",)) for name in cls._fields[1:])
        new = cls(tensor(tensors, f"{prefix}.cdf", ("uint16",)), *rest)
        if any(array.ndim != 1 for array in new):
            raise ModelError(f"tensors of {prefix} have more than one dimension: the model is damaged")
        return new


class FactorizedPrior:
    """Codes latents (c, h, w) with one table a channel. ModelError unless the tables are sound and fit `channels`."""

    def __init__(self, frozen: FactorizedTables, channels: int):
        _check(frozen, channels)
        self.low, self.high = frozen.low.astype(np.int64), frozen.high.astype(np.int64)
        self._begin = np.concatenate([[0], np.cumsum(frozen.sizes)]).astype(np.int64)
        rows = [frozen.cdf[a:b] for a, b in zip(self._begin[:-1], self._begin[1:], strict=True)]
        self._lookup = np.concatenate([rans.Tables.from_cdf(row[None]).lookup for row in rows])
        self._cdf = np.ascontiguousarray(frozen.cdf)
        self._centre, self._shift = frozen.centre.astype(np.int64), frozen.shift.astype(np.int64)

    @property
    def bounds(self) -> np.ndarray:
        """(c,) int64: max |latent| of each channel."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def encode(self, latents: np.ndarray) -> bytes:
        """Return integers (c, h, w), each within its channel's `low`..`high` (ValueError otherwise)."""
        flat = np.ascontiguousarray(latents, np.int64).reshape(len(self.low), -1)
        if ((flat < self.low[:, None]) | (flat > self.high[:, None])).any():
            raise ValueError("latents are outside the range of their prior")
        return rans.join(*_encode(flat, self._cdf, self._begin, self._centre, self._shift))

    def decode(self, data: bytes, height: int, width: int) -> np.ndarray:
        """Inverse of `encode`: int32 (c, height, width). StreamError for any other bytes."""
        state, words = rans.split(data)
        flat = np.empty((len(self.low), height * width), np.int64)
        tables = (self._cdf, self._begin, self._lookup, self._centre, self._shift)
        state, at = _decode(words, state, *tables, flat)
        rans.check_end(state, at, words)
        if ((flat < self.low[:, None]) | (flat > self.high[:, None])).any():
            raise StreamError("latents are outside the range of their model: the bytes are damaged")
        return flat.astype(np.int32).reshape(len(flat), height, width)


def freeze(low: np.ndarray, counts: Sequence[np.ndarray]) -> FactorizedTables:
    """A prior from how often each value occurs: `counts[c]` (any non-negative numbers) for the values from `low[c]`
    on; its length gives the range. Counts may be histograms, a density's probabilities, or a blend of both."""
    rows, centres, shifts = [], [], []
    for first, count in zip(low, counts, strict=True):
        weight = np.maximum(np.asarray(count, np.float64), 0) + 1e-12
        centre = int(first) + int(np.searchsorted(np.cumsum(weight), weight.sum() / 2))
        distance = np.arange(len(weight)) + int(first) - centre
        zigzag = (distance << 1) ^ (distance >> 63)
        shift = _shift_for(zigzag, weight)
        symbols = min(int(zigzag.max() >> shift) + 2, MAX_SYMBOLS)
        mass = np.bincount(np.minimum(zigzag >> shift, symbols - 1), weight, symbols)
        rows.append(rans.frequencies(np.rint(mass * _DEPTH).astype(np.int64)[None])[0])
        centres.append(centre)
        shifts.append(shift)
    lengths = np.array([len(count) for count in counts])
    sizes = np.array([len(row) for row in rows])
    return FactorizedTables(np.concatenate(rows), sizes, np.array(centres), np.array(shifts), low, low + lengths - 1)


def _shift_for(zigzag: np.ndarray, weight: np.ndarray) -> int:
    """The fewest raw bits with which a table holds all but a thousandth of the mass."""
    shift = 0
    while weight[zigzag >> shift >= MAX_SYMBOLS - 1].sum() > 1e-3 * weight.sum() and shift < MAX_SHIFT:
        shift += 1
    return shift


def _check(frozen: FactorizedTables, channels: int) -> None:
    rest = frozen[1:]
    if not channels or any(array.shape != (channels,) or array.dtype.kind not in "iu" for array in rest):
        raise ModelError(f"the entropy model is not one of {channels} channels")
    sizes = frozen.sizes
    if (sizes < 3).any() or (sizes > MAX_SYMBOLS + 1).any() or int(sizes.sum()) != len(frozen.cdf):
        raise ModelError("the tables of the entropy model are not as long as it says")
    inside = (frozen.low <= frozen.centre) & (frozen.centre <= frozen.high)
    inside &= (frozen.low >= -MAX_LATENT) & (frozen.high <= MAX_LATENT)
    if not inside.all() or (frozen.shift < 0).any() or (frozen.shift > MAX_SHIFT).any():
        raise ModelError("a range or shift of the entropy model makes no sense")


@kernel
def _encode(flat: Int, cdf: Int, begin: Int, centre: Int, shift: Int) -> Int:
    """Return rANS state and words uint16 (n,) of latents.

    `flat` int64 (channels, values): latents, each within the range of its channel.
    `cdf` uint16: the tables of all channels, one after another.
    `begin` int64 (channels + 1,): where the table of each channel begins in `cdf`.
    `centre`, `shift` (channels,) integers: median, and raw bits, of each channel.
    """
    room = flat.size * (rans.MAX_INTERVALS + 1)
    starts, freqs = np.empty(room, np.uint16), np.empty(room, np.uint16)
    n = 0
    for c in range(flat.shape[0]):
        row = cdf[begin[c] : begin[c + 1]]
        for i in range(flat.shape[1]):
            distance = flat[c, i] - centre[c]
            zigzag = (distance << 1) ^ (distance >> 63)
            n = rans.put_value(starts, freqs, n, zigzag >> shift[c], row)
            n = rans.put_bits(starts, freqs, n, zigzag, shift[c])
    return rans.encode_intervals(starts, freqs, n)


@kernel
def _decode(
    words: Int, state: Int, cdf: Int, begin: Int, lookup: Int, centre: Int, shift: Int, flat: Int
) -> tuple[Int, Int]:
    """Fill `flat`; return rANS state and words read.

    `words` uint16 (n,), `state` uint32: the stream, from `rans.split`.
    `cdf` uint16: the tables of all channels, one after another.
    `begin` int64 (channels + 1,): where the table of each channel begins in `cdf`.
    `lookup` uint16 (channels, 256): where the search for a symbol starts, see `rans.Tables`.
    `centre`, `shift` (channels,) integers: median, and raw bits, of each channel.
    `flat` int64 (channels, values), filled.
    """
    at = 0
    for c in range(flat.shape[0]):
        row = cdf[begin[c] : begin[c + 1]]
        for i in range(flat.shape[1]):
            value, state, at = rans.get_value(words, state, at, row, lookup[c])
            low, state, at = rans.get_bits(words, state, at, shift[c])
            zigzag = (value << shift[c]) | low
            flat[c, i] = centre[c] + ((zigzag >> 1) ^ -(zigzag & 1))
    return state, at
