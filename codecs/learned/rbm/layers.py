"""The layers of `rbm-autoencoder` as its models hold them: integers for both halves, exact in the decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from tilepress.codecs.integer.network import IntegerLayer, IntegerNetwork, Step
from tilepress.codecs.integer.sigmoid import SIGMOID_BITS, Sigmoid
from tilepress.codecs.model import tensor

_WEIGHTS = ("int8", "int16")
Tensors = Mapping[str, np.ndarray]


def load_encoder(tensors: Tensors, sizes: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weights (out, in) and biases (out,), float32, of the layers between `sizes` neurons.

    Of tensors `encoder{j}.weight`, times `.scale` of each neuron, and `.bias`. ModelError if one is missing or of
    another shape or type.
    """
    layers = []
    for j, (inputs, outputs) in enumerate(pairwise(sizes)):
        weight = tensor(tensors, f"encoder{j}.weight", _WEIGHTS, (outputs, inputs))
        scale, bias = (tensor(tensors, f"encoder{j}.{name}", ("float32",), (outputs,)) for name in ("scale", "bias"))
        layers.append((weight.astype(np.float32) * scale[:, None], bias))
    return layers


def load_decoder(
    tensors: Tensors, sizes: Sequence[int], activation_bits: int, bounds: np.ndarray, device: str = "cpu"
) -> IntegerNetwork:
    """Return the integer network of tensors `decoder{j}.weight`, `.bias` and `.shift`.

    ModelError if one is missing or of another shape or type, or if the network is not provably exact.

    Args:
        tensors: Of a model.
        sizes: Neurons, the codes first and the samples of a block last.
        activation_bits: Fraction bits of what hidden layers give; the last one gives SIGMOID_BITS.
        bounds: Largest value of each code, (K,).
        device: Where it runs, "cpu" or "cuda".
    """
    steps: list[Step] = []
    for j, (inputs, outputs) in enumerate(pairwise(sizes)):
        weight = tensor(tensors, f"decoder{j}.weight", _WEIGHTS, (outputs, inputs))
        bias = tensor(tensors, f"decoder{j}.bias", ("int32",), (outputs,))
        shift = tensor(tensors, f"decoder{j}.shift", ("int8",), (outputs,))
        last = j == len(sizes) - 2
        layer = IntegerLayer(weight.astype(np.int64), bias.astype(np.int64), shift.astype(np.int64))
        steps += [layer, Sigmoid(SIGMOID_BITS if last else activation_bits)]
    return IntegerNetwork(steps, bounds, device)
