"""Fits the integer entropy model of the block codec (codecs/block_latents.py) to quantised latents.

Predictions and forecasts are ridge regressions rounded to integers; the tables are histograms of the errors that
the integer model itself makes, found by running its own kernel.
"""

from __future__ import annotations

import numpy as np
from tilepress.codecs import rans
from tilepress.codecs.block_latents import (
    FORECASTERS,
    FRACTIONS,
    KINDS,
    MEAN_BITS,
    NEIGHBOURS,
    REACH,
    SIZE_BITS,
    Fitted,
    Layout,
    trace,
)

_BUCKETS = 28
_SYMBOLS = 64
_ROWS = 60_000  # blocks a regression sees
_RIDGE = 1e-3
_LAYOUT = Layout.of(KINDS, differences=True)


def fit(latents: np.ndarray, top: np.ndarray, seed: int) -> tuple[Fitted, np.ndarray]:
    """Entropy model and cdf of latents (tiles, KINDS, rows, columns, K) that were cut from RGB tiles.

    `top` (K,): largest latent. Integers fit int16, except `bias`, `base` and `thresholds`.
    """
    rng = np.random.default_rng(seed)
    model = _blank(latents, top)
    chosen = rng.permutation(latents[:, 0, ..., 0].size)[:_ROWS]
    padded = _pad(latents, model.start)
    for kind in range(KINDS):
        _fit_means(model, padded, kind, chosen)
    errors = _trace_all(latents, model)[:, 0]
    model.doubt[:] = np.rint(np.abs(errors).mean(axis=(0, 2, 3)))
    for kind in range(KINDS):
        _fit_sizes(model, padded, _pad(errors, model.doubt), kind, chosen)
    errors, quarters, forecasts = _trace_all(latents, model).swapaxes(0, 1)
    model.thresholds[:] = _spread(forecasts)
    rows = np.searchsorted(model.thresholds, forecasts, side="right") * FRACTIONS + quarters
    return model, rans.frequencies(_count(rows, errors))


def _blank(latents: np.ndarray, top: np.ndarray) -> Fitted:
    depth = latents.shape[-1]
    reach = min(depth, REACH)
    shapes = [(KINDS, depth, 5 * reach), (KINDS, depth, NEIGHBOURS), (KINDS, depth), (KINDS, depth)]
    shapes += [(KINDS, depth, FORECASTERS), (_BUCKETS - 1,)]
    start = np.rint(latents.mean(axis=(0, 2, 3))).astype(np.int32)
    zeros = [np.zeros(shape, np.int32) for shape in shapes]
    return Fitted._make([*zeros, start, np.zeros_like(start), top.astype(np.int32)])


def _trace_all(latents: np.ndarray, model: Fitted) -> np.ndarray:
    """(tiles, 3, KINDS, rows, columns, K): errors, quarters, forecasts."""
    layout = (_LAYOUT.kinds, _LAYOUT.before, _LAYOUT.first)
    return np.stack([trace(np.ascontiguousarray(q), *layout, model) for q in latents])


def _pad(values: np.ndarray, above: np.ndarray) -> np.ndarray:
    """As the kernel pads: a row above (`above`), what is north of it left of a row, the last again right of it."""
    tiles, planes, rows, columns, depth = values.shape
    out = np.empty((tiles, planes, rows + 1, columns + 2, depth), np.int32)
    out[:, :, 0] = above[None, :, None]
    out[:, :, 1:, 1:-1] = values
    out[:, :, 1:, 0] = out[:, :, :-1, 1]
    out[:, :, 1:, -1] = out[:, :, 1:, -2]
    return out


def _views(padded: np.ndarray, kind: int, chosen: np.ndarray) -> list[np.ndarray]:
    """Blocks (chosen, K): here, then the NEIGHBOURS."""
    plane = padded[:, kind]
    cuts = [plane[:, 1:, 1:-1], plane[:, 1:, :-2], plane[:, :-1, 1:-1], plane[:, :-1, :-2], plane[:, :-1, 2:]]
    for other in (_LAYOUT.before[kind], _LAYOUT.first[kind]):
        cuts.append(padded[:, other, 1:, 1:-1] if other >= 0 else np.zeros_like(cuts[0]))
    return [cut.reshape(-1, cut.shape[-1])[chosen].astype(np.float64) for cut in cuts]


def _fit_means(model: Fitted, padded: np.ndarray, kind: int, chosen: np.ndarray) -> None:
    here, *around = _views(padded, kind, chosen)
    reach = model.near.shape[2] // 5
    near = np.concatenate([v[:, :reach] for v in (here, around[0], around[1], around[4], around[5])], axis=1)
    for k in range(here.shape[1]):
        visible = near.copy() if k < reach else near
        visible[:, k:reach] = 0
        inputs = np.concatenate([visible, np.stack([v[:, k] for v in around], axis=1)], axis=1)
        weights, bias = _ridge(inputs, here[:, k])
        fixed = np.clip(np.rint(weights * (1 << MEAN_BITS)), -(1 << 15), (1 << 15) - 1).astype(np.int32)
        model.near[kind, k], model.own[kind, k] = fixed[: near.shape[1]], fixed[near.shape[1] :]
        model.bias[kind, k] = round(bias * (1 << MEAN_BITS))


def _fit_sizes(model: Fitted, padded: np.ndarray, errors: np.ndarray, kind: int, chosen: np.ndarray) -> None:
    _, west, north, *_ = _views(padded, kind, chosen)
    here, *around = (np.abs(v) for v in _views(errors, kind, chosen))
    for k in range(here.shape[1]):
        inputs = np.zeros((len(chosen), FORECASTERS))
        inputs[:, :NEIGHBOURS] = np.stack([v[:, k] for v in around], axis=1)
        for j in range(min(k, 2)):
            inputs[:, NEIGHBOURS + j] = here[:, k - 1 - j]
        inputs[:, -1] = np.abs(west[:, k] - north[:, k])
        weights, bias = _ridge_positive(inputs, here[:, k])
        model.slope[kind, k] = np.minimum(np.rint(weights * (1 << SIZE_BITS)), (1 << 15) - 1)
        model.base[kind, k] = max(round(bias * (1 << SIZE_BITS)), 0)


def _ridge(inputs: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    centre, level = inputs.mean(axis=0), target.mean()
    centred = inputs - centre
    gram = centred.T @ centred / len(target)
    gram[np.diag_indices_from(gram)] += _RIDGE
    weights = np.linalg.solve(gram, centred.T @ (target - level) / len(target))
    return weights, float(level - centre @ weights)


def _ridge_positive(inputs: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Ridge regression whose negative weights are removed one round after another."""
    active = np.ones(inputs.shape[1], bool)
    while True:
        weights, bias = _ridge(inputs * active, target)
        if (weights[active] >= 0).all():
            return np.where(active, weights, 0), bias
        active &= weights >= 0


def _spread(forecasts: np.ndarray) -> np.ndarray:
    """Thresholds in geometric progression over the forecasts."""
    low, high = np.quantile(forecasts[:, ::1, ::4].reshape(-1), [0.002, 0.9995])
    return np.rint(np.geomspace(max(low, 4), max(high, 64), _BUCKETS - 1)).astype(np.int32)


def _count(rows: np.ndarray, errors: np.ndarray) -> np.ndarray:
    values = np.minimum((errors << 1) ^ (errors >> 31), _SYMBOLS - 1)
    size = _BUCKETS * FRACTIONS * _SYMBOLS
    counts = np.bincount((rows * _SYMBOLS + values).reshape(-1), minlength=size)
    return counts.reshape(-1, _SYMBOLS)
