"""Fits the integer entropy model of latents with context (codecs/entropy/context_model.py) to quantised latents.

Predictions and forecasts are ridge regressions rounded to integers; the tables are histograms of the errors that
the integer model itself makes, found by running its own kernel.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.entropy import rans
from tilepress.codecs.entropy.context_model import (
    FORECASTERS,
    FRACTIONS,
    KINDS,
    MEAN_BITS,
    NEIGHBOURS,
    REACH,
    SIZE_BITS,
    Fitted,
    LatentLayout,
)
from tilepress.codecs.entropy.context_walk import trace
from tilepress.jobs.recipes.export.rounding import narrow

_BUCKETS = 28
_SYMBOLS = 128
_ROWS = 60_000  # blocks a regression sees
_RIDGE = 1e-3
_LAYOUT = LatentLayout.of(KINDS, differences=True)


def context_tensors(latents: np.ndarray, top: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the tensors of the entropy model of `fit`, by the names that codecs/entropy/context_coder.py reads."""
    fitted, cdf = fit(latents, top, seed)
    return {name: narrow(array) for name, array in fitted._asdict().items()} | {"cdf": cdf}


def fit(latents: np.ndarray, top: np.ndarray, seed: int) -> tuple[Fitted, np.ndarray]:
    """Return entropy model and cdf of latents (tiles, planes, rows, columns, K) that were cut from RGB or gray tiles.

    `planes`: KINDS, or 1 of gray tiles, whose model then serves colour differences too. `top` (K,): largest latent.
    Integers fit int16, except `bias`, `base` and `thresholds`.
    """
    rng = np.random.default_rng(seed)
    model = _blank(latents, top)
    chosen = rng.permutation(latents[:, 0, ..., 0].size)[:_ROWS]
    padded = _pad(latents, model.start)
    kinds = range(latents.shape[1])
    for kind in kinds:
        _fit_means(model, padded, kind, chosen)
    errors = _trace_all(latents, model)[:, 0]
    model.doubt[:] = np.rint(np.abs(errors).mean(axis=(0, 2, 3)))
    for kind in kinds:
        _fit_sizes(model, padded, _pad(errors, model.doubt), kind, chosen)
    for array in (model.near, model.own, model.bias, model.base, model.slope):
        array[len(kinds) :] = array[0]
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
    start = np.broadcast_to(start, (KINDS, depth)).copy()
    zeros = [np.zeros(shape, np.int32) for shape in shapes]
    return Fitted._make([*zeros, start, np.zeros_like(start), top.astype(np.int32)])


def _trace_all(latents: np.ndarray, model: Fitted) -> np.ndarray:
    """(tiles, 3, planes, rows, columns, K): errors, quarters, forecasts."""
    planes = latents.shape[1]
    layout = (_LAYOUT.kinds[:planes], _LAYOUT.before[:planes], _LAYOUT.first[:planes])
    return np.stack([trace(np.ascontiguousarray(q), *layout, model) for q in latents])


def _pad(values: np.ndarray, above: np.ndarray) -> np.ndarray:
    """As the kernel pads: a row above (`above`), what is north of it left of a row, the last again right of it."""
    tiles, planes, rows, columns, depth = values.shape
    out = np.empty((tiles, planes, rows + 1, columns + 2, depth), np.int32)
    out[:, :, 0] = above[None, :planes, None]
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
    views = _views(padded, kind, chosen)
    depth, reach = views[0].shape[1], model.near.shape[2] // 5
    moments = _Moments(np.concatenate(views, axis=1))
    for k in range(depth):
        near = np.array([v * depth + j for v in (0, 1, 2, 5, 6) for j in range(reach)])
        visible = np.flatnonzero((near >= depth) | (near < k))
        own = np.arange(1, 1 + NEIGHBOURS) * depth + k
        weights, bias = moments.regress(np.concatenate([near[visible], own]), k)
        fixed = np.clip(np.rint(weights * (1 << MEAN_BITS)), -(1 << 15), (1 << 15) - 1).astype(np.int32)
        model.near[kind, k, visible] = fixed[: len(visible)]
        model.own[kind, k] = fixed[len(visible) :]
        model.bias[kind, k] = round(bias * (1 << MEAN_BITS))


def _fit_sizes(model: Fitted, padded: np.ndarray, errors: np.ndarray, kind: int, chosen: np.ndarray) -> None:
    _, west, north, *_ = _views(padded, kind, chosen)
    sizes = [np.abs(v) for v in (*_views(errors, kind, chosen), west - north)]
    depth = west.shape[1]
    moments = _Moments(np.concatenate(sizes, axis=1))
    for k in range(depth):
        around = [(i, v * depth + k) for i, v in enumerate(range(1, 1 + NEIGHBOURS))]
        before = [(NEIGHBOURS + j, k - 1 - j) for j in range(min(k, 2))]
        places, columns = np.array([*around, *before, (FORECASTERS - 1, (1 + NEIGHBOURS) * depth + k)]).T
        weights, bias = moments.regress_positive(columns, k)
        model.slope[kind, k, places] = np.minimum(np.rint(weights * (1 << SIZE_BITS)), (1 << 15) - 1)
        model.base[kind, k] = max(round(bias * (1 << SIZE_BITS)), 0)


class _Moments:
    """Means and covariances of the columns of (m, c), from which any column is regressed on any others."""

    def __init__(self, columns: np.ndarray):
        self.mean = columns.mean(axis=0)
        centred = columns - self.mean
        self.covariance = centred.T @ centred / len(columns)

    def regress(self, inputs: np.ndarray, target: int) -> tuple[np.ndarray, float]:
        """Return weights of the ridge regression, and its constant."""
        gram = self.covariance[np.ix_(inputs, inputs)] + _RIDGE * np.eye(len(inputs))
        weights = np.linalg.solve(gram, self.covariance[inputs, target])
        return weights, float(self.mean[target] - self.mean[inputs] @ weights)

    def regress_positive(self, inputs: np.ndarray, target: int) -> tuple[np.ndarray, float]:
        """Return the same, dropping inputs of negative weight one round after another."""
        active = np.ones(len(inputs), bool)
        while True:
            weights = np.zeros(len(inputs))
            weights[active], bias = self.regress(inputs[active], target)
            if (weights >= 0).all():
                return weights, bias
            active &= weights >= 0


def _spread(forecasts: np.ndarray) -> np.ndarray:
    """Thresholds in geometric progression over the forecasts."""
    low, high = np.quantile(forecasts[:, :, ::4].reshape(-1), [0.002, 0.9995])
    return np.rint(np.geomspace(max(low, 4), max(high, 64), _BUCKETS - 1)).astype(np.int32)


def _count(rows: np.ndarray, errors: np.ndarray) -> np.ndarray:
    values = np.minimum((errors << 1) ^ (errors >> 31), _SYMBOLS - 1)
    size = _BUCKETS * FRACTIONS * _SYMBOLS
    counts = np.bincount((rows * _SYMBOLS + values).reshape(-1), minlength=size)
    return counts.reshape(-1, _SYMBOLS)
