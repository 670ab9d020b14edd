"""`block-dnn`: the block autoencoder of the literature, a fully connected network over W x W blocks.

Encoder: N = W * W inputs in [0, 1], hidden layers, the last of K = N / ratio neurons, the latents; all ReLU (latents
>= 0) or all sigmoid (latents in (0, 1), scaled by what they move in pixels, so that one step suits all of them).
Decoder: one linear layer, in integers. What all block codecs share is in codec.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tilepress.codecs.learned.block.analysis import BlockAnalysis
from tilepress.codecs.learned.block.codec import BlockCodec
from tilepress.codecs.learned.block.config import BlockConfig
from tilepress.codecs.learned.block.decoder import load_layers
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.dense import DenseNetwork
from tilepress.codecs.model import tensor


@dataclass(frozen=True)
class BlockDnnConfig(BlockConfig):
    """Adds the shape of the analysis: `layers` of `activation`."""

    layers: int
    activation: str = "relu"

    def sane(self) -> bool:
        """Return whether all fields are within their range."""
        return super().sane() and 1 <= self.layers <= 8 and self.activation in ("relu", "sigmoid")


class BlockDnn(BlockCodec):
    """See the module."""

    codec_id: ClassVar[str] = "block-dnn"
    summary: ClassVar[str] = "block autoencoder (learned): linear integer decoder, four to sixteen times fewer values"
    magic: ClassVar[bytes] = b"BD"
    config: BlockDnnConfig
    config_class: ClassVar[type[LeveledConfig]] = BlockDnnConfig

    def load_analysis(self) -> BlockAnalysis:
        """Return the layers of tensors `analysis{i}.weight`, `.bias`, and of sigmoid networks `analysis.scale` (K,)."""
        config, scale = self.config, None
        layers = load_layers(self.model, config.block**2, config.layers, config.latents)
        if config.activation == "sigmoid":
            scale = tensor(self.model.tensors, "analysis.scale", ("float32",), (config.latents,))
        scale = None if scale is None else np.asarray(scale)
        return BlockAnalysis(DenseNetwork(layers, self.device, config.activation, scale))
