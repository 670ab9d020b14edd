"""The small network of the lossless codec: from a sample's surroundings to a mixture of logistic distributions.

A perceptron with two hidden layers in integers: inputs have 4 fractional bits, weights 10 (the last layer's 12),
hidden values are cut to 0..2047. `Network` refuses weights with which a sum could leave int32, whatever the inputs are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.kernels.kernel import Float, borrowing
from tilepress.codecs.lossless.features import FEATURES, LIMIT
from tilepress.codecs.lossless.predictors import CENTRE, PARTS, SHARPNESS, WEIGHT
from tilepress.codecs.lossless.tables import clamp, exp2

OUTPUTS = 16  # logarithms of weights, offsets, logarithms of scales of PARTS distributions; the rest is unused
WIDTHS = range(8, 129)
HIDDEN_MAX = 2047
_SHIFT = 10
INPUT_ONE, WEIGHT_ONE, LAST_ONE = 16, 1 << _SHIFT, 1 << 12
LOG_WEIGHT_LIMIT, OFFSET_LIMIT, LOG_SCALE_LIMIT = 12.0, 20.0, 8.0  # of the outputs, either way
LEAST_SCALE = 0.02
Layers: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_OUT = 1.0 / (INPUT_ONE * LAST_ONE)
_INT32 = (1 << 31) - 1
_NO_LAYER, _NO_BIASES = np.zeros((0, 0), np.int32), np.zeros(0, np.int32)
NO_LAYERS: Layers = (_NO_LAYER, _NO_BIASES, _NO_LAYER, _NO_BIASES, _NO_LAYER, _NO_BIASES)  # without a network


@dataclass(frozen=True)
class Network:
    """Weights (inputs, outputs) and biases of the three layers, int32; ModelError if a sum could overflow."""

    layers: Layers

    def __post_init__(self) -> None:
        first, second = self.layers[0], self.layers[2]
        if any(layer.dtype != np.int32 or layer.ndim != 2 - i % 2 for i, layer in enumerate(self.layers)):
            raise ModelError("the network of a lossless model is not of int32 matrices and vectors")
        if first.shape[1] not in WIDTHS or second.shape[1] not in WIDTHS:
            raise ModelError(f"a hidden layer of a lossless model is not {WIDTHS[0]} to {WIDTHS[-1]} wide")
        shapes = [(FEATURES, first.shape[1]), (first.shape[1], second.shape[1]), (second.shape[1], OUTPUTS)]
        for place, (shape, most) in enumerate(zip(shapes, (LIMIT, HIDDEN_MAX, HIDDEN_MAX), strict=True)):
            weights, biases = self.layers[2 * place], self.layers[2 * place + 1]
            if weights.shape != shape or biases.shape != shape[1:]:
                raise ModelError(f"layer {place} of a lossless model has shape {weights.shape}, not {shape}")
            if int((np.abs(weights.astype(np.int64)).sum(0) * most + np.abs(biases.astype(np.int64))).max()) > _INT32:
                raise ModelError(f"layer {place} of a lossless model can overflow int32: it is not exact")


@borrowing
def _layer(inputs: np.ndarray, weights: np.ndarray, biases: np.ndarray, out: np.ndarray) -> None:
    for j in range(out.size):
        out[j] = biases[j]
    for i in range(inputs.size):
        value = inputs[i]
        for j in range(out.size):
            out[j] += np.int32(value * weights[i, j])


@borrowing
def _rectify(values: np.ndarray) -> None:
    for j in range(values.size):
        values[j] = min(max(values[j] >> _SHIFT, 0), HIDDEN_MAX)


@borrowing
def run_network(
    features: np.ndarray,
    layers: Layers,
    hidden: tuple[np.ndarray, np.ndarray, np.ndarray],
    guess: Float,
    unit: Float,
    mixture: np.ndarray,
) -> Float:
    """Fill in the mixture of distributions that the network predicts; return their mean scale, in levels.

    `features` int32 (FEATURES,): -LIMIT..LIMIT each.
    `layers`: weights int32 (inputs, outputs) and biases int32 (outputs,) of three layers, see Network.
    `hidden`: room for the outputs of each layer, int32.
    `guess`: prediction, which the mixture's centres are relative to, in levels.
    `unit`: size of the error to expect, which centres and scales are multiples of, in levels.
    `mixture` float64 (ROWS_OF_MIXTURE, PARTS), filled.
    """
    first, second, out = hidden
    _layer(features, layers[0], layers[1], first)
    _rectify(first)
    _layer(first, layers[2], layers[3], second)
    _rectify(second)
    _layer(second, layers[4], layers[5], out)
    total = mean = 0.0
    for part in range(PARTS):
        weight = exp2(clamp(out[part] * _OUT, -LOG_WEIGHT_LIMIT, LOG_WEIGHT_LIMIT))
        size = exp2(clamp(out[2 * PARTS + part] * _OUT, -LOG_SCALE_LIMIT, LOG_SCALE_LIMIT))
        scale = unit * size + LEAST_SCALE
        mixture[WEIGHT, part] = weight
        offset = clamp(out[PARTS + part] * _OUT, -OFFSET_LIMIT, OFFSET_LIMIT)
        mixture[CENTRE, part] = guess + unit * offset
        mixture[SHARPNESS, part] = 1.0 / scale
        total += weight
        mean += weight * scale
    for part in range(PARTS):
        mixture[WEIGHT, part] /= total
    return mean / total
