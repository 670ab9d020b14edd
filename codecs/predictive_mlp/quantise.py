"""From the float network of predictive-mlp to its integers, at the precision that costs the fewest bits in all.

A row of weights is rounded in steps that are the finer the more the prediction depends on the row. Rounding goes from
input to input, and what is lost on one is made up for by those that follow, as far as they tell the same (Hassibi
and Stork 1993; Frantar et al., GPTQ, 2023). Activations are scaled to fill 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.predictive_mlp.fit import FloatLayers, activations
from tilepress.codecs.predictive_mlp.kernel import ACTIVATION_MAX
from tilepress.codecs.predictive_mlp.weights import (
    ARCHITECTURES,
    BIAS_MAX,
    MED_PREDICTOR,
    SHIFT_MAX,
    SHIFT_MIN,
    SUM_MAX,
    WEIGHT_MAX,
    Layer,
    Predictor,
)

_PRECISIONS = (40.0, 80.0, 120.0, 160.0, 240.0, 320.0)
_CALIBRATION = 1 << 14  # samples that the rounding looks at
_FULL = 49152  # the largest activation seen is scaled up to here, of 65535


def quantise(layers: FloatLayers, inputs: np.ndarray, targets: np.ndarray, maximum: int, samples: int) -> Predictor:
    """Return the integer predictor of least estimated size: bits of its weights, and entropy of the errors.

    `layers`: the float network.
    `inputs` int32 (n, 60), `targets` int32 (n,): samples that the network was fitted to.
    `maximum`: largest sample.
    `samples`: how many errors the predictor will make in all.
    """
    kind = next(kind for kind, sizes in ARCHITECTURES.items() if len(sizes) == len(layers) + 1)
    some = slice(None, None, max(1, len(targets) // _CALIBRATION))
    seen = activations(layers, inputs[some].astype(np.float64))
    slopes = _slopes(layers, seen)
    spread = max(float(np.std(targets[some] - seen[-1][:, 0])), 0.1)
    best: tuple[float, Predictor] | None = None
    for precision in _PRECISIONS:
        rounded = _rounded(layers, slopes, seen[0], precision / spread, maximum)
        if rounded is None:
            continue
        predictor = Predictor(kind, rounded)
        guesses = predict(predictor, inputs[some], maximum)
        bits = 8 * len(predictor.to_bytes()) + samples * entropy((targets[some] - guesses) & maximum)
        if best is None or bits < best[0]:
            best = bits, predictor
    return best[1] if best else Predictor(MED_PREDICTOR)


def entropy(values: np.ndarray) -> float:
    """Return bits per value of an ideal code of non-negative integers that knows how often each occurs."""
    counts = np.bincount(values.reshape(-1))
    shares = counts[counts > 0] / values.size
    return float(-(shares * np.log2(shares)).sum())


def predict(predictor: Predictor, inputs: np.ndarray, maximum: int) -> np.ndarray:
    """Return predictions int64 (n,) for inputs (n, 60), equal to the kernel's."""
    x = inputs.astype(np.int64)
    for layer in predictor.layers:
        x = _outputs(layer, x)
    return np.minimum(x[:, 0], maximum)


def _outputs(layer: Layer, x: np.ndarray) -> np.ndarray:
    # float64 represents these sums, proven within 32 bits, and has the faster product
    sums = (x.astype(np.float64) @ layer.weights.T.astype(np.float64)).astype(np.int64) + layer.offsets
    shifted = (sums << np.maximum(-layer.shifts, 0)) >> np.maximum(layer.shifts, 0)
    return np.asarray(np.clip(shifted, 0, ACTIVATION_MAX))


def _slopes(layers: FloatLayers, seen: list[np.ndarray]) -> list[np.ndarray]:
    """Root mean square of the slope of the prediction over each unit's sum: (out) of every layer."""
    g = np.ones((len(seen[0]), 1))
    out = [np.ones(1)]
    for number in range(len(layers) - 1, 0, -1):
        g = (g @ layers[number][0]) * (seen[number] > 0)
        out.append(np.sqrt((g * g).mean(axis=0)))
    return out[::-1]


def _rounded(
    layers: FloatLayers, slopes: list[np.ndarray], x: np.ndarray, precision: float, maximum: int
) -> tuple[Layer, ...] | None:
    """Integer layers with errors of about 1 / precision in all; None where they do not fit into 32 bits."""
    exact, powers = x, np.zeros(x.shape[1])  # an activation of the float network is x * 2^-powers
    reach = np.full(x.shape[1], maximum, np.int64)
    out: list[Layer] = []
    for (weights, biases), slope in zip(layers, slopes, strict=True):
        sums = exact @ weights.T + biases
        weights = np.where(np.ptp(x, axis=0) > 0, weights, 0)  # the means take in an input that never varies
        exact = np.maximum(sums, 0)
        rows = _Rows(_Rounding(x), weights * np.exp2(-powers), sums.mean(axis=0), reach, last=weights.shape[0] == 1)
        fitted = rows.fitted(np.rint(np.log2(np.maximum(precision * slope * rows.rounding.spread, 2.0**-16))))
        if fitted is None:
            return None
        layer, powers = fitted
        out.append(layer)
        powers, reach = powers - layer.shifts, layer.reach(reach)
        x = _outputs(layer, x.astype(np.int64)).astype(np.float64)
    return tuple(out)


class _Rounding:
    """Rounds rows of weights for the inputs x (n, in), making up on later inputs for what is lost on earlier ones."""

    def __init__(self, x: np.ndarray) -> None:
        self.x, self.mean = x, x.mean(axis=0)
        covariance = np.cov(x.T, bias=True).reshape(x.shape[1], x.shape[1])
        damped = covariance + (1e-4 * np.trace(covariance) / len(covariance) + 1e-3) * np.eye(len(covariance))
        self._pass = np.linalg.cholesky(np.linalg.inv(damped)).T
        self.spread = float(np.sqrt((np.diag(self._pass) ** -2.0).mean()))  # of an input that the others do not tell

    def round(self, weights: np.ndarray) -> np.ndarray:
        """Return integers (out, in), float64, for real weights (out, in)."""
        weights = weights.copy()
        for i, row in enumerate(self._pass):
            rounded = np.rint(weights[:, i])
            weights[:, i + 1 :] -= np.outer((weights[:, i] - rounded) / row[i], row[i + 1 :])
            weights[:, i] = rounded
        return weights


@dataclass(frozen=True)
class _Rows:
    """The rows of one layer on their way to integers: real `weights` for integer inputs, `means` of their sums."""

    rounding: _Rounding
    weights: np.ndarray
    means: np.ndarray
    reach: np.ndarray
    last: bool

    def fitted(self, powers: np.ndarray) -> tuple[Layer, np.ndarray] | None:
        """Return the layer with rows scaled by 2^powers, or by less where that does not fit; and the powers."""
        while powers.min() >= (0 if self.last else -64):
            weights = self.rounding.round(self.weights * np.exp2(powers)[:, None])
            offsets = self.means * np.exp2(powers) - weights @ self.rounding.mean
            highest = (self.rounding.x @ weights.T + offsets).max(axis=0)
            filling = np.ceil(np.log2(np.maximum(highest, 1) / _FULL))
            shifts = powers if self.last else np.maximum(filling, SHIFT_MIN)
            layer = _layer(weights, offsets + np.floor(np.exp2(shifts - 1)), shifts)
            bad = (np.abs(weights).max(axis=1) > WEIGHT_MAX) | (layer.sums(self.reach) > SUM_MAX) | (shifts > SHIFT_MAX)
            if not bad.any():
                return layer, powers
            powers = powers - bad
        return None


def _layer(weights: np.ndarray, offsets: np.ndarray, shifts: np.ndarray) -> Layer:
    """With the finest biases of 16 bits."""
    whole = shifts.astype(np.int64)
    for grain in range(-SHIFT_MAX, SHIFT_MAX + 1):
        biases = np.rint(offsets / np.exp2(np.clip(whole + grain, 0, SHIFT_MAX)))
        if np.abs(biases).max() <= BIAS_MAX:
            break
    biases = np.clip(biases, -BIAS_MAX, BIAS_MAX)
    return Layer(weights.astype(np.int64), biases.astype(np.int64), grain, whole)
