"""Samples of a plane as indices, from 0, of the values that occur in it.

Stretched 8-bit data, 12 bits in 16, or padding far from the rest leave most values unused. To leave them out costs a
table, as a palette of one plane would. Plane header: kind uint8 | lowest uint16 LE | highest uint16 LE. Kind 1 is
followed by: bytes of the table uint16 LE | table, a zlib stream of one bit for every value between (1: used; first
value in the lowest bit).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import inflate

# Codes one plane: indices int32 (h, w), read when encoding and written when decoding; the highest index; the plane's
# number in coding order; the indices of its base, if there is one.
CodePlane: TypeAlias = Callable[[np.ndarray, int, int, np.ndarray | None], None]

_HEAD = struct.Struct("<BHH")
_LENGTH = struct.Struct("<H")
_WHOLE, _SPARSE = 0, 1
_DENSE = 0.95  # from this share of used values on, all are counted
_WORTH = 8  # times what a table costs it must be able to save: values without structure, as of few samples, save less


@dataclass(frozen=True)
class Values:
    """The values (n,) int64 that samples of a plane take, in order."""

    values: np.ndarray

    @property
    def highest(self) -> int:
        """Largest index."""
        return len(self.values) - 1

    def indices(self, samples: np.ndarray) -> np.ndarray:
        """Index of each sample, int32; of the next value above where a sample (of a base) is none of the values."""
        low, high = int(self.values[0]), int(self.values[-1])
        if high - low == self.highest:  # no value is left out
            return np.clip(samples.astype(np.int32, order="C") - low, 0, high - low)
        return np.searchsorted(self.values[:-1], samples).astype(np.int32)

    def samples(self, indices: np.ndarray) -> np.ndarray:
        """Return values of indices 0..highest."""
        samples: np.ndarray = self.values[indices]
        return samples


def values_of(plane: np.ndarray, max_error: int) -> tuple[Values, bytes]:
    """Return the values of a plane (h, w), and its header.

    All values between the extremes count where there is an error bound, and where a table would cost too much. Only
    the encoder decides that: decoders read either kind of header.
    """
    low, high = int(plane.min()), int(plane.max())
    used = np.zeros(high - low + 1, bool)
    used[plane.ravel().astype(np.int64) - low] = True
    if max_error == 0 and used.mean() < _DENSE:
        table = zlib.compress(np.packbits(used[1:-1], bitorder="little").tobytes(), 9)
        saved = plane.size * math.log2(1 / used.mean()) / 8
        if len(table) < min(1 << 16, saved / _WORTH):
            head = _HEAD.pack(_SPARSE, low, high) + _LENGTH.pack(len(table)) + table
            return Values(np.flatnonzero(used) + low), head
    return Values(np.arange(low, high + 1)), _HEAD.pack(_WHOLE, low, high)


def read_values(data: bytes, maximum: int) -> tuple[Values, bytes]:
    """Return the values in the header at the start of `data`, and the bytes behind it. StreamError if impossible."""
    if len(data) < _HEAD.size:
        raise StreamError("lossless stream is cut off in the header of a plane")
    kind, low, high = _HEAD.unpack_from(data)
    rest = data[_HEAD.size :]
    if kind not in (_WHOLE, _SPARSE) or not low <= high <= maximum:
        raise StreamError(f"lossless stream: samples {low}..{high} of kind {kind} are impossible here")
    if kind == _WHOLE:
        return Values(np.arange(low, high + 1)), rest
    if len(rest) < _LENGTH.size:
        raise StreamError("lossless stream is cut off in the header of a plane")
    (length,) = _LENGTH.unpack_from(rest)
    used = _unpack(rest[_LENGTH.size : _LENGTH.size + length], high - low - 1)
    inner = np.flatnonzero(used) + low + 1
    return Values(np.concatenate([[low], inner, [high]]).astype(np.int64)), rest[_LENGTH.size + length :]


def encode_planes(tile: np.ndarray, base: np.ndarray | None, spec: TileSpec, max_error: int, code: CodePlane) -> bytes:
    """Code the planes of a tile (h, w, c) in coding order, but those of one value; return the headers of all."""
    head = b""
    for number, plane in enumerate(spec.coding_order):
        values, description = values_of(tile[..., plane], max_error)
        head += description
        if values.highest:
            below = None if base is None else values.indices(base[..., plane])
            code(values.indices(tile[..., plane]), values.highest, number, below)
    return head


def decode_planes(planes: Sequence[Values], base: np.ndarray | None, spec: TileSpec, code: CodePlane) -> np.ndarray:
    """Inverse of `encode_planes`, of the values in the headers, in coding order; return the tile (h, w, c)."""
    tile = np.zeros(spec.shape, spec.dtype)
    for number, plane in enumerate(spec.coding_order):
        values, indices = planes[number], np.zeros((spec.height, spec.width), np.int32)
        if values.highest:
            below = None if base is None else values.indices(base[..., plane])
            code(indices, values.highest, number, below)
        tile[..., plane] = values.samples(indices)
    return tile


def _unpack(table: bytes, count: int) -> np.ndarray:
    """The `count` bits of a table."""
    if count < 1:
        raise StreamError("lossless stream: a table of used values has no place")
    data = inflate(table, -(-count // 8), "lossless stream: the table of used values")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little")
