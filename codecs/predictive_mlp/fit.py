"""Fits the float network of predictive-mlp to samples of one plane: numpy alone, the same for the same input.

The network starts as the linear regression: one unit a layer carries its prediction through, the others begin at
random. Adam then minimises the sum of log cosh, which is nearer to the bits of an error than its square. While it is
fitted, the inputs are decorrelated in part; that is folded into the first layer afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tilepress.codecs.predictive_mlp.kernel import NEIGHBOURS, framed, neighbours

FloatLayers = list[tuple[np.ndarray, np.ndarray]]  # (weights (out, in), biases (out)); samples in, sample out

_BATCH = 1024
_RATE = 0.01
_WARM_UP = 100  # steps
_DECAYS = 0.9, 0.98
_OFFSET = 8.0  # keeps the unit that carries the linear prediction positive
_RIDGE = 1e-6
_CHUNK = 1 << 15


def draw(
    planes: Iterable[np.ndarray], shapes: Sequence[tuple[int, int]], limit: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw samples of an image's planes; return neighbours int32 (n, 60) and samples int32 (n,), n <= `limit`.

    First rows have no neighbours and are left out. Of more than `limit` samples, `limit` are drawn evenly, without
    repetition. `planes` (h, w) int32, of the given `shapes`, are taken one at a time: a generator may make them.
    """
    counts = np.array([(height - 1) * width for height, width in shapes])
    ends = np.cumsum(counts)
    total = int(ends[-1])
    chosen = np.arange(total)
    if total > limit:
        chosen = np.sort(np.random.default_rng(seed).choice(total, limit, replace=False, shuffle=False))
    inputs, targets = np.empty((len(chosen), NEIGHBOURS), np.int32), np.empty(len(chosen), np.int32)
    for plane, first, last in zip(planes, ends - counts, ends, strict=True):
        a, b = np.searchsorted(chosen, (first, last))
        rows, columns = np.divmod(chosen[a:b] - first, plane.shape[1])
        neighbours(framed(plane), rows + 1, columns, inputs[a:b])
        targets[a:b] = plane[rows + 1, columns]
    return inputs, targets


def moments(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (61) and covariance (61, 61), float64, of inputs (n, 60) and, last, targets (n); summed in parts."""
    count = NEIGHBOURS + 1
    total, products = np.zeros(count), np.zeros((count, count))
    for part in range(0, len(targets), _CHUNK):
        rows = np.c_[inputs[part : part + _CHUNK], targets[part : part + _CHUNK]].astype(np.float64)
        total += rows.sum(axis=0)
        products += rows.T @ rows
    mean = total / len(targets)
    return mean, products / len(targets) - np.outer(mean, mean)


def fit_linear(inputs: np.ndarray, targets: np.ndarray) -> FloatLayers:
    """Return the linear regression by least squares, with the least ridge that keeps flat pictures solvable."""
    mean, covariance = moments(inputs, targets)
    inner = covariance[:-1, :-1]
    ridge = _RIDGE * max(float(np.trace(inner)) / NEIGHBOURS, 1.0)
    weights = np.linalg.solve(inner + ridge * np.eye(NEIGHBOURS), covariance[:-1, -1])
    return [(weights[None], np.array([mean[-1] - weights @ mean[:-1]]))]


def fit_mlp(inputs: np.ndarray, targets: np.ndarray, sizes: Sequence[int], epochs: int, seed: int) -> FloatLayers:
    """Return a ReLU network that predicts samples, fitted by Adam.

    Args:
        inputs: (n, inputs) float64, neighbours in units of the largest sample.
        targets: (n,) float64, the samples themselves.
        sizes: Widths of the layers, inputs and output included.
        epochs: Passes over the samples.
        seed: Of the first weights and of the order.
    """
    linear = fit_linear(inputs, targets)
    basis = Basis.of(inputs, targets)
    error = float(np.abs(targets - inputs @ linear[0][0][0] - linear[0][1][0]).mean()) / basis.scale
    rng = np.random.default_rng(seed)
    layers = _start(sizes, basis, linear, rng)
    if error > 0:
        x = basis.forward(inputs)
        y = ((targets - basis.middle) / basis.scale).astype(np.float32)
        _descend(layers, x, y, 0.7 * error, epochs, rng)
    return basis.fold(layers)


@dataclass(frozen=True)
class Basis:
    """Inputs as the network sees them while it is fitted: (inputs - mean) @ matrix, and targets around `middle`."""

    mean: np.ndarray
    matrix: np.ndarray
    middle: float
    scale: float

    @classmethod
    def of(cls, inputs: np.ndarray, targets: np.ndarray) -> Basis:
        """Return a basis half way to white: the covariance to the power -1/4, scaled to unit variance."""
        mean, covariance = moments(inputs, targets)
        values, vectors = np.linalg.eigh(covariance[:-1, :-1])
        values = np.maximum(values, max(float(values[-1]), 1.0) * 1e-6)
        matrix = (vectors * values**-0.25) @ vectors.T
        matrix /= np.sqrt(np.sqrt(values).mean())
        return cls(mean[:-1], matrix, float(mean[-1]), max(float(np.sqrt(covariance[-1, -1])), 1.0))

    def forward(self, inputs: np.ndarray) -> np.ndarray:
        """Return inputs as the network sees them, float32 (n, 60)."""
        return (inputs.astype(np.float32) - self.mean.astype(np.float32)) @ self.matrix.astype(np.float32)

    def fold(self, layers: FloatLayers) -> FloatLayers:
        """Return the same network for samples, giving samples; float64."""
        folded = [(weights.astype(np.float64), biases.astype(np.float64)) for weights, biases in layers]
        weights, biases = folded[0]
        weights = weights @ self.matrix.T
        folded[0] = weights, biases - weights @ self.mean
        weights, biases = folded[-1]
        folded[-1] = weights * self.scale, biases * self.scale + self.middle
        return folded


def _start(sizes: Sequence[int], basis: Basis, linear: FloatLayers, rng: np.random.Generator) -> FloatLayers:
    """He's random weights, but for the units 0, which carry the linear prediction through."""
    layers = []
    for n, m in pairwise(sizes):
        weights = (rng.standard_normal((m, n)) * np.sqrt(2 / n)).astype(np.float32)
        layers.append((weights, np.zeros(m, np.float32)))
    ((weights, biases),) = linear
    first, last = layers[0], layers[-1]
    first[0][0] = np.linalg.solve(basis.matrix, weights[0]) / basis.scale
    first[1][0] = _OFFSET + (weights[0] @ basis.mean + biases[0] - basis.middle) / basis.scale
    for w, _ in layers[1:]:
        w[:, 0] = 0
        w[0] = 0
        w[0, 0] = 1
    last[0][0, 1:] = 0.05
    last[1][0] = -_OFFSET
    return layers


def _descend(
    layers: FloatLayers, x: np.ndarray, y: np.ndarray, width: float, epochs: int, rng: np.random.Generator
) -> None:
    """Adam with a warm-up and a cosine to zero, in place; the loss is log cosh of error / width."""
    batch = min(_BATCH, len(y))
    steps = epochs * max(20, len(y) // batch)
    slopes = [[np.zeros_like(part) for part in layer] for layer in layers]
    squares = [[np.zeros_like(part) for part in layer] for layer in layers]
    order, at = rng.permutation(len(y)), 0
    for step in range(steps):
        if at + batch > len(y):
            order, at = rng.permutation(len(y)), 0
        index = order[at : at + batch]
        at += batch
        rate = _RATE * min(1, (step + 1) / _WARM_UP) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        gradients = _gradients(layers, x[index], y[index], width)
        fades = [1 - decay ** (step + 1) for decay in _DECAYS]
        for layer, gradient, slope, square in zip(layers, gradients, slopes, squares, strict=True):
            for part, g, m, v in zip(layer, gradient, slope, square, strict=True):
                m += (1 - _DECAYS[0]) * (g - m)
                v += (1 - _DECAYS[1]) * (g * g - v)
                part -= (rate / fades[0] * m / (np.sqrt(v / fades[1]) + 1e-8)).astype(np.float32)


def activations(layers: FloatLayers, x: np.ndarray) -> list[np.ndarray]:
    """Return inputs of every layer, and the output: (n, in) each."""
    out = [x]
    for number, (weights, biases) in enumerate(layers):
        x = x @ weights.T + biases
        if number < len(layers) - 1:
            np.maximum(x, 0, out=x)
        out.append(x)
    return out


def _gradients(layers: FloatLayers, x: np.ndarray, y: np.ndarray, width: float) -> FloatLayers:
    """Of the mean loss; (weights, biases) of every layer."""
    seen = activations(layers, x)
    g = np.tanh((seen[-1] - y[:, None]) / np.float32(width)) / np.float32(len(y))
    out = []
    for number in range(len(layers) - 1, -1, -1):
        if number < len(layers) - 1:
            g = g * (seen[number + 1] > 0)
        out.append((g.T @ seen[number], g.sum(axis=0)))
        g = g @ layers[number][0]
    return out[::-1]
