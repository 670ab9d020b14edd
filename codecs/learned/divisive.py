"""The convolutional transform with divisive normalisation: pictures to real latents by a float network, quantised
latents back to pictures by an integer one. It knows nothing of entropy coding: every prior can follow it.

Analysis: convolutions 8x8 / 4, 5x5 / 2, 5x5 / 2 with GDN between (Ballé, Laparra, Simoncelli 2017). Synthesis: three
times a 3x3 convolution and a pixel shuffle, with inverse GDN between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import PixelShuffle, Step
from tilepress.codecs.learned.tensors import convolution, inverse_gdn
from tilepress.codecs.model import tensor

if TYPE_CHECKING:
    import torch

ALIGNMENT = 16  # pixels of a latent's side
SCALE = 4.0  # by which the analysis multiplies pixels, centred on 0, since GDN wants them around one
BITS = 16  # fraction bits of decoded pictures
FINE_BITS = 7  # of the first synthesis weights, besides the 8 that are stored for all
_SHAPES = ((8, 4, 2), (5, 2, 2), (5, 2, 2))  # kernel, stride, padding of the analysis

Tensors = Mapping[str, np.ndarray]


class GdnAnalysis:
    """The float network on one device. Tensors `analysis{i}.weight`, `.bias`, `gdn{i}.beta`, `.gamma`; weights of
    int8 come with `analysis{i}.scale` for every output. Nothing here has to be repeatable."""

    def __init__(self, tensors: Tensors, channels: Sequence[int], device: str) -> None:
        """`channels`: of the outputs of each stage. ModelError if a tensor does not fit."""
        import torch

        layers = analysis_layers(tensors, channels)
        self._layers = [{name: torch.from_numpy(array).to(device) for name, array in each.items()} for each in layers]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return latents (m, c, H / 16, W / 16) of pictures (m, 3, H, W) in [0, 1], sides multiples of ALIGNMENT."""
        import torch
        from torch.nn.functional import conv2d

        x = ((x - 0.5) * SCALE).contiguous(memory_format=torch.channels_last)
        for layer, (_, stride, padding) in zip(self._layers, _SHAPES, strict=True):
            x = conv2d(x, layer["weight"], layer["bias"], stride, padding)
            if "beta" in layer:
                x = x * conv2d(x.square(), layer["gamma"], layer["beta"]).clamp_min(1e-6).rsqrt()
        return x.contiguous()


def analysis_layers(tensors: Tensors, channels: Sequence[int]) -> list[dict[str, np.ndarray]]:
    """Return `weight`, `bias` and, but for the last, `beta` (c,) and `gamma` (c, c, 1, 1) of each stage, in float32.

    `channels`: of the outputs of each stage. ModelError if a tensor does not fit.
    """
    layers = []
    for i, (inputs, outputs) in enumerate(zip((3, *channels), channels, strict=False)):
        side = _SHAPES[i][0]
        layer = {"weight": _float_weight(tensors, i, (outputs, inputs, side, side))}
        layer["bias"] = tensor(tensors, f"analysis{i}.bias", ("float32",), (outputs,))
        if i < len(channels) - 1:
            gamma = tensor(tensors, f"gdn{i}.gamma", ("float16", "float32"), (outputs, outputs))
            layer["beta"] = tensor(tensors, f"gdn{i}.beta", ("float32",), (outputs,))
            layer["gamma"] = gamma[:, :, None, None]
        layers.append({name: np.array(array, np.float32) for name, array in layer.items()})
    return layers


def synthesis_steps(tensors: Tensors, channels: Sequence[int], reach: Sequence[int]) -> list[Step]:
    """Return the steps from quantised latents times their inverse gain to pictures in units of 2^-BITS.

    `channels`: as of the analysis, `reach`: clip of what the first two convolutions give. ModelError.
    """
    first, second, latents = channels
    shapes = ((4 * second, latents, 3, 3), (4 * first, second, 3, 3), (3 * 16, first, 3, 3))
    clips = ((-reach[0], reach[0]), (-reach[1], reach[1]), (-(1 << BITS), 2 << BITS))
    steps: list[Step] = []
    for i, (shape, clip) in enumerate(zip(shapes, clips, strict=True)):
        layer = convolution(tensors, f"synthesis{i}", shape, *clip)
        steps.append(replace(layer, weight=_refined(tensors, layer.weight)) if i == 0 else layer)
        steps.append(PixelShuffle(4 if i == 2 else 2))
        if i < 2:
            steps.append(inverse_gdn(tensors, f"igdn{i}", shape[0] // 4))
    return steps


def _refined(tensors: Tensors, weight: np.ndarray) -> np.ndarray:
    """Weights of 8 bits in units of 2^FINE_BITS, and `synthesis0.fine` added where the inputs are `synthesis0.index`:
    the few latents of great power, whose products would otherwise be wrong by more than all others together."""
    out = weight << FINE_BITS
    index = tensor(tensors, "synthesis0.index", ("int32",))
    if index.ndim != 1 or ((index < 0) | (index >= weight.shape[1])).any() or len(np.unique(index)) != len(index):
        raise ModelError("the finer weights of the synthesis are for inputs that it does not have")
    out[:, index] += tensor(tensors, "synthesis0.fine", ("int8",), (len(weight), len(index), *weight.shape[2:]))
    return out


def _float_weight(tensors: Tensors, i: int, shape: tuple[int, ...]) -> np.ndarray:
    weight = tensor(tensors, f"analysis{i}.weight", ("int8", "float16", "float32"), shape).astype(np.float32)
    if tensors[f"analysis{i}.weight"].dtype == np.int8:
        weight = weight * tensor(tensors, f"analysis{i}.scale", ("float32",), shape[:1])[:, None, None, None]
    return weight
