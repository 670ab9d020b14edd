"""From a trained transform with divisive normalisation to what codecs/learned/divisive.py reads.

Weights of a convolution are rounded with as many bits as their type has, a power of two for each output; activations
carry FRACTION bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import nn

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.steps import ROOT_BOUND
from tilepress.codecs.learned.divisive import BITS, FINE_BITS, SCALE
from tilepress.jobs.recipes.export.rounding import gram, round_in_turn
from tilepress.jobs.recipes.networks.divisive import DivisiveTransform, Gdn

FRACTION = 10  # bits of activations after each convolution and inverse GDN
_FINE = 20  # latents, those of most power, whose weights get FINE_BITS more
_WEIGHTS = (np.int8, np.int16, np.int16)  # of the synthesis
_ANALYSIS = (np.float16, np.int8, np.int8)  # of the analysis, which nothing needs exact

Tensors = dict[str, np.ndarray]


def analysis_tensors(network: DivisiveTransform, pictures: Sequence[torch.Tensor]) -> Tensors:
    """Return the tensors of the float analysis; weights of 8 bits are rounded for `pictures` (1, 3, h, w) in [0, 1)."""
    tensors: Tensors = {}
    convolutions = [m for m in network.analysis if isinstance(m, nn.Conv2d)]
    norms = [m for m in network.analysis if isinstance(m, Gdn)]
    for i, (layer, kind) in enumerate(zip(convolutions, _ANALYSIS, strict=True)):
        weight = layer.weight.detach().numpy()
        if kind == np.int8:
            scale = np.maximum(np.abs(weight).max(axis=(1, 2, 3)), 1e-9) / 127
            tensors[f"analysis{i}.scale"] = scale.astype(np.float32)
            before = network.analysis[: list(network.analysis).index(layer)]
            moments = gram(layer, (before((x - 0.5) * SCALE) for x in pictures))
            weight = round_in_turn(weight / scale[:, None, None, None], moments, 127)
        tensors[f"analysis{i}.weight"] = weight.astype(kind)
        tensors[f"analysis{i}.bias"] = cast(torch.Tensor, layer.bias).detach().numpy().astype(np.float32)
    for i, norm in enumerate(norms):
        tensors[f"gdn{i}.beta"] = norm.beta.detach().numpy().astype(np.float32)
        tensors[f"gdn{i}.gamma"] = norm.gamma.detach().numpy().astype(np.float16)
    return tensors


def synthesis_tensors(
    network: DivisiveTransform,
    reach: Sequence[np.ndarray],
    scaled: Sequence[torch.Tensor],
    unit: np.ndarray,
    input_bits: int,
) -> Tensors:
    """Return the tensors of the integer synthesis. ModelError if it does not fit its integers.

    `reach`: (c,) each, largest |x| after the first convolution, inverse GDN, convolution, inverse GDN.
    `scaled`: inputs (1, c, h, w) in units of `unit`, that the first weights are rounded for.
    `unit`: (c,), what 1 among the inputs is worth in latents; `input_bits`: fraction bits of the integer inputs.
    """
    convolutions = [m for m in network.synthesis if isinstance(m, nn.Conv2d)]
    norms = [m for m in network.synthesis if isinstance(m, Gdn)]
    tensors: Tensors = {}
    before = input_bits
    for i, (layer, kind) in enumerate(zip(convolutions, _WEIGHTS, strict=True)):
        weight = layer.weight.detach().double().numpy()
        bias = cast(torch.Tensor, layer.bias).detach().double().numpy()
        weight = weight * unit[:, None, None] if i == 0 else weight
        after = FRACTION
        if i == len(convolutions) - 1:
            weight, bias, after = weight / SCALE, bias / SCALE + 0.5, BITS
        moments = gram(layer, scaled) if i == 0 else None
        parts = _rounded(weight, bias, (1 << 8 * np.dtype(kind).itemsize - 1) - 1, (before, after), moments)
        if moments is not None:
            parts, tensors["synthesis0.index"], tensors["synthesis0.fine"] = _split(parts, moments)
        for name, array, dtype in zip(("weight", "bias", "shift"), parts, (kind, np.int64, np.int32), strict=True):
            tensors[f"synthesis{i}.{name}"] = array.astype(dtype)
        before = after
    for i, norm in enumerate(norms):
        tensors |= _gdn_tensors(norm, i, reach[2 * i], reach[2 * i + 1])
    return tensors


def _rounded(
    weight: np.ndarray, bias: np.ndarray, top: int, fractions: tuple[int, int], moments: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integer weights up to `top`, biases and shifts of a convolution between fraction bits (before, after); with
    `moments` of its inputs the weights are rounded in turn."""
    before, after = fractions
    largest = np.maximum(np.abs(weight).max(axis=(1, 2, 3)), 1e-9)
    bits = np.clip(np.floor(np.log2(top / largest)), after - before, 24).astype(np.int64)
    real = weight * np.exp2(bits)[:, None, None, None]
    if moments is None:
        scaled = np.rint(real)
    else:
        steps = np.ones(weight.shape[1:])
        steps[_strongest(moments, weight.shape[1])] = 2.0**-FINE_BITS
        scaled = round_in_turn(real, moments, top, steps)
    if np.abs(scaled).max() > top:
        raise ModelError("weights of the synthesis are too large for their type: the training failed")
    shift = bits + before - after
    half = np.where(shift > 0, np.exp2(shift - 1), 0)  # rounds to nearest, since the step itself rounds down
    return scaled, np.rint(bias * np.exp2(bits + before) + half), shift


def _strongest(moments: np.ndarray, channels: int) -> np.ndarray:
    """(_FINE,): the inputs of most power."""
    power = np.diag(moments).reshape(channels, -1).sum(axis=1)
    return np.sort(np.argsort(-power)[:_FINE])


def _split(
    parts: tuple[np.ndarray, np.ndarray, np.ndarray], moments: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Weights, biases and shifts with whole weights; the inputs with finer ones; what those have besides."""
    weight, bias, shift = parts
    index = _strongest(moments, weight.shape[1])
    whole = np.clip(np.rint(weight), -127, 127)
    fine = np.rint((weight - whole)[:, index] * 2.0**FINE_BITS)
    return (whole, bias * 2.0**FINE_BITS, shift + FINE_BITS), index.astype(np.int32), fine.astype(np.int8)


def _gdn_tensors(norm: Gdn, i: int, inside: np.ndarray, outside: np.ndarray) -> Tensors:
    """gamma with as many bits as the proof of the root leaves."""
    gamma, beta = norm.gamma.detach().double().numpy(), norm.beta.detach().double().numpy()
    squares = np.full(len(beta), float(fixed_point(float(inside.max()))) ** 2)
    bits = min(24, 30 - int(np.ceil(np.log2(gamma.max() + 1))) // 2 * 2)
    while (np.rint(gamma * 2.0**bits) @ squares + beta * 2.0 ** (bits + 2 * FRACTION)).max() >= ROOT_BOUND / 2:
        bits -= 2
    if bits < 8:
        raise ModelError("divisive normalisation of the synthesis does not fit its integers: the training failed")
    return {
        f"igdn{i}.gamma": np.rint(gamma * 2.0**bits).astype(np.int32),
        f"igdn{i}.beta": np.rint(beta * 2.0 ** (bits + 2 * FRACTION)).astype(np.int64),
        f"igdn{i}.limit": np.array([fixed_point(float(v)) for v in outside], np.int32),
        f"igdn{i}.shift": np.array([FRACTION + bits // 2], np.int32),
    }


def fixed_point(value: float) -> int:
    """Return an activation's bound in units of 2^-FRACTION."""
    return min(int(np.ceil(value * 2**FRACTION)), (1 << 24) - 1)
