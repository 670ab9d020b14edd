"""Compiled loops over latents and their context: predictions, errors and forecasts, when encoding and when decoding.

They walk two padded arrays, int32 (planes, rows + 1, columns + 2, K): `q` the latents and `r` the errors of their
predictions, with a row above the first and a column on either side (kernels/borders.py). `p`, `y`, `x` and `k` are the
indices of plane, padded row, padded column and channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tilepress.codecs.entropy import rans
from tilepress.codecs.entropy.context_model import FRACTIONS, MEAN_BITS, NEIGHBOURS, Fitted
from tilepress.codecs.kernels.borders import close_row, open_row
from tilepress.codecs.kernels.kernel import Int, kernel


@kernel
def _open_row(q: np.ndarray, r: np.ndarray, p: Int, y: Int, start: np.ndarray, doubt: np.ndarray) -> None:
    """Fill the border that row `y` of the tile looks at, before its first block is coded.

    `q`, `r` int32 (planes, rows + 1, columns + 2, K): padded latents and errors.
    `p`, `y`: plane, and row of the tile, from 0; its padded row is `y` + 1.
    `start`, `doubt` int32 (K,): latents and errors that stand above the first row.
    """
    if y == 0:
        for x in range(q.shape[2]):
            q[p, 0, x] = start
            r[p, 0, x] = doubt
    else:
        close_row(q[p, y], 1)
        close_row(r[p, y], 1)
    open_row(q[p, y + 1], q[p, y], 1)
    open_row(r[p, y + 1], r[p, y], 1)


@kernel
def _open_block(seen: np.ndarray, q: np.ndarray, p: Int, y: Int, x: Int, before: Int, first: Int) -> None:
    """Gather the channels that all predictions of a block see; those of the block itself begin as 0.

    `seen` int32 (5 C,), filled: the block, W, N, the plane before, the first plane; C = min(K, REACH) channels each.
    `q` int32 (planes, rows + 1, columns + 2, K): padded latents.
    `p`, `y`, `x`: plane, padded row and padded column of the block.
    `before`, `first`: planes that predict this one (-1: none).
    """
    reach = seen.shape[0] // 5
    for j in range(reach):
        seen[j] = 0
        seen[reach + j] = q[p, y, x - 1, j]
        seen[2 * reach + j] = q[p, y - 1, x, j]
        seen[3 * reach + j] = q[before, y, x, j] if before >= 0 else 0
        seen[4 * reach + j] = q[first, y, x, j] if first >= 0 else 0


@kernel
def _around(out: np.ndarray, a: np.ndarray, p: Int, y: Int, x: Int, k: Int, before: Int, first: Int) -> None:
    """Gather channel `k` at W, N, NW, NE, in the plane before and in the first plane.

    `out` int32 (NEIGHBOURS,), filled.
    `a` int32 (planes, rows + 1, columns + 2, K): padded latents, or their errors.
    `p`, `y`, `x`: plane, padded row and padded column of the block; `k`: channel.
    `before`, `first`: planes that predict this one (-1: none).
    """
    out[0] = a[p, y, x - 1, k]
    out[1] = a[p, y - 1, x, k]
    out[2] = a[p, y - 1, x - 1, k]
    out[3] = a[p, y - 1, x + 1, k]
    out[4] = a[before, y, x, k] if before >= 0 else 0
    out[5] = a[first, y, x, k] if first >= 0 else 0


@kernel
def _predict(seen: np.ndarray, same: np.ndarray, near: np.ndarray, own: np.ndarray, bias: np.ndarray, top: Int) -> Any:
    """Return the prediction of a latent, 0..`top`, and the quarter 0..FRACTIONS - 1 that its fraction lies in.

    `seen` int32 (5 C,): channels of the blocks around, from `_open_block`.
    `same` int32 (NEIGHBOURS,): the same channel around, from `_around`.
    `near` int32 (5 C,), `own` int32 (NEIGHBOURS,): weights of `seen` and `same`, with MEAN_BITS fractional bits.
    `bias` int32: constant of the prediction, with MEAN_BITS fractional bits.
    `top` int32: largest latent of the channel.
    """
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
    """Return the forecast of the error's size, 0..2^30, with SIZE_BITS fractional bits.

    `same` int32 (NEIGHBOURS,): the same channel around, from `_around`.
    `errors` int32 (NEIGHBOURS,): errors of the same channel around.
    `r` int32 (planes, rows + 1, columns + 2, K): padded errors.
    `p`, `y`, `x`: plane, padded row and padded column of the block; `k`: channel.
    `base` int32: forecast without evidence, with SIZE_BITS fractional bits.
    `slope` int32 (FORECASTERS,): weights of the sizes of errors, with SIZE_BITS fractional bits.
    """
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
    """Return prediction, quarter and forecast of one latent, see `_predict` and `_forecast`.

    `seen` int32 (5 C,): channels of the blocks around, from `_open_block`.
    `same`, `errors` int32 (NEIGHBOURS,): room for the same channel around, and for its errors.
    `q`, `r` int32 (planes, rows + 1, columns + 2, K): padded latents and errors.
    `p`, `y`, `x`: plane, padded row and padded column of the block; `k`: channel.
    `kind`: kind of the plane, 0..KINDS - 1.
    `before`, `first`: planes that predict this one (-1: none).
    `m`: the model of the quality level.
    """
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
    """Return errors, quarters and forecasts of all latents: int32 (3, planes, rows, columns, K).

    `latents` int16 (planes, rows, columns, K), within 0..top.
    `kinds`, `before`, `first` int64 (planes,): see LatentLayout.
    `m`: the model of the quality level.
    """
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
def decode_latents(
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
    """Fill `latents`; return rANS state and words read, or -1 for the state as soon as a latent leaves its range.

    `words` uint16 (n,), `state` uint32: the stream, from `rans.split`.
    `latents` int16 (planes, rows, columns, K), filled.
    `kinds`, `before`, `first` int64 (planes,): see LatentLayout.
    `m`: the model of the quality level.
    `cdf` uint16 (tables, symbols + 1), `lookup` uint16 (tables, 256): see `rans.Tables`.
    """
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
