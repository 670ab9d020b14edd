"""The trained network in the integers of the codec."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.lossless.network import INPUT_ONE, OUTPUTS, Network
from tilepress.jobs.fitting.network import SCALES, MixtureNetwork


def network_of(module: MixtureNetwork) -> Network:
    """Return weights and biases rounded; outputs beyond those of the mixture are 0. ModelError if it could overflow."""
    layers = []
    for place, ((weight, bias), one) in enumerate(zip(module.weights(), SCALES, strict=True)):
        unused = OUTPUTS - weight.shape[1] if place == len(SCALES) - 1 else 0
        layers.append(np.pad(_rounded(weight, one), ((0, 0), (0, unused))))
        layers.append(np.pad(_rounded(bias, one * INPUT_ONE), (0, unused)))
    first, first_bias, second, second_bias, third, third_bias = layers
    return Network((first, first_bias, second, second_bias, third, third_bias))


def _rounded(values: np.ndarray, one: int) -> np.ndarray:
    return np.ascontiguousarray(np.rint(values.astype(np.float64) * one).astype(np.int32))
