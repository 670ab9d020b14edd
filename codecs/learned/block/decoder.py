"""The decoder of the block codecs: a linear layer in integers for each level, and what the encoder knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import IntegerLayer, IntegerNetwork
from tilepress.codecs.learned.block.config import BlockConfig
from tilepress.codecs.model import Model, tensor
from tilepress.codecs.planes.quantiser import Quantiser

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class BlockDecoder:
    """Blocks decode to matrix @ values + offset. `matrix` (N, K), `offset` (N,): float64, full scale 1."""

    network: IntegerNetwork
    quantiser: Quantiser
    matrix: np.ndarray
    offset: np.ndarray

    @cached_property
    def placed(self) -> tuple[torch.Tensor, torch.Tensor]:
        """`matrix` and `offset` on the device of the network."""
        import torch

        matrix, offset = (torch.from_numpy(each).to(self.network.device) for each in (self.matrix, self.offset))
        return matrix, offset

    def __call__(self, symbols: torch.Tensor) -> torch.Tensor:
        """Return blocks (..., N) in fixed point, whole numbers in floats, of symbols int16 (..., K). Exact."""
        rows = self.quantiser.values(symbols.reshape(-1, symbols.shape[-1]))
        return self.network.floats(rows).reshape(*symbols.shape[:-1], -1)


def load_decoder(model: Model, number: int, config: BlockConfig, quantiser: Quantiser, device: str) -> BlockDecoder:
    """Return the decoder of tensors `level{i}.decoder` and `.offset`. ModelError unless it is proven exact.

    Args:
        model: Of a block codec.
        number: Which level, i.
        config: The model's configuration.
        quantiser: The level's, whose range bounds the inputs.
        device: Where it runs, "cpu" or "cuda".
    """
    size, one = config.block**2, 1 << config.fraction_bits
    weight = tensor(model.tensors, f"level{number}.decoder", ("int16", "int32"), (size, config.latents))
    bias = tensor(model.tensors, f"level{number}.offset", ("int32",), (size,))
    layer = IntegerLayer(weight.astype(np.int64), bias.astype(np.int64), low=-one, high=2 * one)
    network = IntegerNetwork([layer], quantiser.bounds, device)
    return BlockDecoder(network, quantiser, layer.weight / one, layer.bias / one)


def load_layers(model: Model, inputs: int, count: int, outputs: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weights (out, in) and biases (out,) float32 of `count` layers of an analysis.

    ModelError if they do not lead from `inputs` to `outputs`.
    """
    layers, width = [], inputs
    for i in range(count):
        weight = tensor(model.tensors, f"analysis{i}.weight", ("float32",))
        if weight.ndim != 2 or weight.shape[1] != width:
            raise ModelError(f"analysis layer {i} has weights of {weight.shape} for {width} inputs")
        layers.append((weight, tensor(model.tensors, f"analysis{i}.bias", ("float32",), weight.shape[:1])))
        width = len(weight)
    if width != outputs:
        raise ModelError(f"the analysis gives {width} latents, not {outputs}")
    return layers
