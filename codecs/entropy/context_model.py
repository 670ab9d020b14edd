"""Entropy model of the block codec's latents: integer linear prediction from coded neighbours, frozen tables.

The latent q of channel k in a block is predicted from the first channels of the block itself, of its west and
north neighbours and of the same block in the planes before it, and from channel k of six such blocks. The size of
the error is forecast from the errors made around it; forecast (a bucket) and the fraction of the prediction
(a quarter) choose one of the rANS tables. All weights are integers, fitted at training (jobs/recipes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tilepress.codecs.entropy import rans
from tilepress.codecs.errors import ModelError, StreamError
from tilepress.codecs.kernels.kernel import Int, kernel

KINDS = 3  # of planes: luma, gray, alpha, ink | first difference | second difference
NEIGHBOURS = 6  # of the same channel: W, N, NW, NE, plane before, first plane
FORECASTERS = 9  # errors at those six and in the two channels before, and |W - N|
MEAN_BITS = 12  # fraction bits of the prediction
SIZE_BITS = 12  # fraction bits of the forecast
FRACTIONS = 4
REACH = 16  # channels of a neighbouring block that every prediction sees
MAX_LATENT = (1 << 15) - 1


class Fitted(NamedTuple):
    """Arrays of one quality level, as the compiled loops take them. T = KINDS, K channels, C = min(K, REACH)."""

    near: np.ndarray  # int32 (T, K, 5 C): weights of the block itself, W, N, plane before, first plane
    own: np.ndarray  # int32 (T, K, NEIGHBOURS)
    bias: np.ndarray  # int32 (T, K)
    base: np.ndarray  # int32 (T, K): forecast without evidence
    slope: np.ndarray  # int32 (T, K, FORECASTERS)
    thresholds: np.ndarray  # int32 (buckets - 1,), rising
    start: np.ndarray  # int32 (T, K): latents above the first row
    doubt: np.ndarray  # int32 (T, K): errors above the first row
    top: np.ndarray  # int32 (K,): largest latent


@dataclass(frozen=True)
class LatentLayout:
    """Which kind each plane is, and which earlier planes it leans on (-1: none)."""

    kinds: np.ndarray
    before: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, planes: int, differences: bool) -> LatentLayout:
        """Planes 1 and 2 hold colour differences, or every plane stands alone."""
        table = np.full((3, planes), -1, np.int64)
        table[0] = 0
        if differences:
            table[:, 1:3] = [[1, 2], [0, 1], [-1, 0]]
        return cls(*table)


@kernel
def _open_row(q: np.ndarray, r: np.ndarray, p: Int, y: Int, start: np.ndarray, doubt: np.ndarray) -> None:
    """Fill what lies outside the tile: above the first row, left of a row, right of the row before."""
    last = q.shape[2] - 1
    if y == 0:
        for x in range(last + 1):
            q[p, 0, x] = start
            r[p, 0, x] = doubt
    else:
        q[p, y, last] = q[p, y, last - 1]
        r[p, y, last] = r[p, y, last - 1]
    q[p, y + 1, 0] = q[p, y, 1]
    r[p, y + 1, 0] = r[p, y, 1]


@kernel
def _open_block(seen: np.ndarray, q: np.ndarray, p: Int, y: Int, x: Int, before: Int, first: Int) -> None:
    """Gather the channels that all predictions of the block at padded (y, x) see; its own are still unknown."""
    reach = seen.shape[0] // 5
    for j in range(reach):
        seen[j] = 0
        seen[reach + j] = q[p, y, x - 1, j]
        seen[2 * reach + j] = q[p, y - 1, x, j]
        seen[3 * reach + j] = q[before, y, x, j] if before >= 0 else 0
        seen[4 * reach + j] = q[first, y, x, j] if first >= 0 else 0


@kernel
def _around(out: np.ndarray, a: np.ndarray, p: Int, y: Int, x: Int, k: Int, before: Int, first: Int) -> None:
    """Channel k at the six neighbours of the same channel."""
    out[0] = a[p, y, x - 1, k]
    out[1] = a[p, y - 1, x, k]
    out[2] = a[p, y - 1, x - 1, k]
    out[3] = a[p, y - 1, x + 1, k]
    out[4] = a[before, y, x, k] if before >= 0 else 0
    out[5] = a[first, y, x, k] if first >= 0 else 0


@kernel
def _predict(seen: np.ndarray, same: np.ndarray, near: np.ndarray, own: np.ndarray, bias: np.ndarray, top: Int) -> Any:
    """(prediction within 0..top, quarter of the fraction)."""
    total = np.int64(bias)
    for j in range(seen.shape[0]):
        total += np.int64(near[j]) * np.int64(seen[j])
    for j in range(NEIGHBOURS):
        total += np.int64(own[j]) * np.int64(same[j])
    total += 1 << (MEAN_BITS - 1)
    return min(max(total >> MEAN_BITS, 0), top), (total >> (MEAN_BITS - 2)) & (FRACTIONS - 1)


@kernel
def _forecast(
    same: np.ndarray,
    errors: np.ndarray,
    r: np.ndarray,
    p: Int,
    y: Int,
    x: Int,
    k: Int,
    base: np.ndarray,
    slope: np.ndarray,
) -> Any:
    """Forecast of the size of the error; `errors` holds the six of the same channel."""
    total = np.int64(base)
    for j in range(NEIGHBOURS):
        total += np.int64(slope[j]) * abs(np.int64(errors[j]))
    for j in range(2):
        if k > j:
            total += np.int64(slope[NEIGHBOURS + j]) * abs(np.int64(r[p, y, x, k - 1 - j]))
    total += np.int64(slope[NEIGHBOURS + 2]) * abs(np.int64(same[0]) - np.int64(same[1]))
    return min(max(total, 0), 1 << 30)


@kernel
def _context(
    seen: np.ndarray,
    same: np.ndarray,
    errors: np.ndarray,
    q: np.ndarray,
    r: np.ndarray,
    p: Int,
    y: Int,
    x: Int,
    k: Int,
    kind: Int,
    before: Int,
    first: Int,
    m: Fitted,
) -> Any:
    """(prediction, quarter, forecast) of channel k of the block at padded (y, x)."""
    _around(same, q, p, y, x, k, before, first)
    _around(errors, r, p, y, x, k, before, first)
    mean, quarter = _predict(seen, same, m.near[kind, k], m.own[kind, k], m.bias[kind, k], m.top[k])
    return mean, quarter, _forecast(same, errors, r, p, y, x, k, m.base[kind, k], m.slope[kind, k])


@kernel
def _bucket(forecast: Int, thresholds: np.ndarray) -> Any:
    low, high = 0, thresholds.shape[0]
    while low < high:
        middle = (low + high) >> 1
        if thresholds[middle] <= forecast:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def trace(latents: np.ndarray, kinds: np.ndarray, before: Int, first: Int, m: Fitted) -> Any:
    """Errors, quarters and forecasts, int32 each of the shape of `latents` (planes, rows, columns, K)."""
    planes, rows, columns, depth = latents.shape
    q = np.zeros((planes, rows + 1, columns + 2, depth), np.int32)
    r = np.zeros((planes, rows + 1, columns + 2, depth), np.int32)
    out = np.empty((3, planes, rows, columns, depth), np.int32)
    seen = np.zeros(m.near.shape[2], np.int32)
    same, errors = np.zeros(NEIGHBOURS, np.int32), np.zeros(NEIGHBOURS, np.int32)
    for p in range(planes):
        t, b, f = kinds[p], before[p], first[p]
        for y in range(rows):
            _open_row(q, r, p, y, m.start[t], m.doubt[t])
            for x in range(columns):
                _open_block(seen, q, p, y + 1, x + 1, b, f)
                for k in range(depth):
                    mean, quarter, size = _context(seen, same, errors, q, r, p, y + 1, x + 1, k, t, b, f, m)
                    value = latents[p, y, x, k]
                    out[0, p, y, x, k] = value - mean
                    out[1, p, y, x, k] = quarter
                    out[2, p, y, x, k] = size
                    q[p, y + 1, x + 1, k] = value
                    r[p, y + 1, x + 1, k] = value - mean
                    if k < seen.shape[0] // 5:
                        seen[k] = value
    return out


@kernel
def _decode(
    words: np.ndarray,
    state: Int,
    latents: np.ndarray,
    kinds: np.ndarray,
    before: Int,
    first: Int,
    m: Fitted,
    cdf: np.ndarray,
    lookup: np.ndarray,
) -> Any:
    """Fill `latents`; returns (state, at), or (-1, at) as soon as a latent leaves its range."""
    planes, rows, columns, depth = latents.shape
    q = np.zeros((planes, rows + 1, columns + 2, depth), np.int32)
    r = np.zeros((planes, rows + 1, columns + 2, depth), np.int32)
    seen = np.zeros(m.near.shape[2], np.int32)
    same, errors = np.zeros(NEIGHBOURS, np.int32), np.zeros(NEIGHBOURS, np.int32)
    at = np.int64(0)
    for p in range(planes):
        t, b, f = kinds[p], before[p], first[p]
        for y in range(rows):
            _open_row(q, r, p, y, m.start[t], m.doubt[t])
            for x in range(columns):
                _open_block(seen, q, p, y + 1, x + 1, b, f)
                for k in range(depth):
                    mean, quarter, size = _context(seen, same, errors, q, r, p, y + 1, x + 1, k, t, b, f, m)
                    row = _bucket(size, m.thresholds) * FRACTIONS + quarter
                    code, state, at = rans.get_value(words, state, at, cdf[row], lookup[row])
                    error = (code >> 1) ^ -(code & 1)
                    if not 0 <= mean + error <= m.top[k]:
                        return np.int64(-1), at
                    latents[p, y, x, k] = mean + error
                    q[p, y + 1, x + 1, k] = mean + error
                    r[p, y + 1, x + 1, k] = error
                    if k < seen.shape[0] // 5:
                        seen[k] = mean + error
    return state, at


@dataclass(frozen=True)
class LatentCoder:
    """Codes the latents of one tile, int16 (planes, rows, columns, K) within 0..top, at one quality level."""

    fitted: Fitted
    tables: rans.Tables

    def __post_init__(self) -> None:
        m = self.fitted
        kinds, depth = m.bias.shape if m.bias.ndim == 2 else (0, 0)
        shapes = (
            (kinds, depth, 5 * min(depth, REACH)), (kinds, depth, NEIGHBOURS), (kinds, depth), (kinds, depth),
            (kinds, depth, FORECASTERS), m.thresholds.shape[:1], (kinds, depth), (kinds, depth), (depth,),
        )  # fmt: skip
        if (
            kinds != KINDS
            or m.thresholds.ndim != 1
            or depth < 1
            or any(a.shape != s or a.dtype != np.int32 for a, s in zip(m, shapes, strict=True))
        ):
            raise ModelError("the entropy model of the latents has arrays of wrong shapes: the model is damaged")
        if len(self.tables.cdf) != (len(m.thresholds) + 1) * FRACTIONS or (np.diff(m.thresholds) < 0).any():
            raise ModelError("the entropy model's tables do not match its thresholds: the model is damaged")
        if m.top.min() < 1 or m.top.max() > MAX_LATENT or abs(m.start).max() > MAX_LATENT:
            raise ModelError("the entropy model's latents exceed 16 bits: the model is damaged")

    def encode(self, latents: np.ndarray, layout: LatentLayout) -> bytes:
        """To a rANS stream."""
        q = np.ascontiguousarray(latents, np.int16)
        errors, quarters, forecasts = trace(q, layout.kinds, layout.before, layout.first, self.fitted)
        rows = np.searchsorted(self.fitted.thresholds, forecasts, side="right") * FRACTIONS + quarters
        return rans.encode((errors << 1) ^ (errors >> 31), rows, self.tables)

    def decode(self, data: bytes, shape: tuple[int, int, int, int], layout: LatentLayout) -> np.ndarray:
        """Inverse of `encode`. Raises StreamError."""
        state, words = rans.split(data)
        latents = np.zeros(shape, np.int16)
        tables = self.tables.cdf, self.tables.lookup
        state, at = _decode(words, state, latents, layout.kinds, layout.before, layout.first, self.fitted, *tables)
        if state < 0:
            raise StreamError("a latent is outside its range: the bytes are damaged")
        rans.check_end(state, at, words)
        return latents
