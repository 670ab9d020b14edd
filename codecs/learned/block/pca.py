"""`pca`: the Karhunen-Loeve transform of blocks, the best linear coder of K numbers a block.

The K = N / ratio first principal components of W x W blocks, learned from data (Karhunen 1947; Loeve 1948; Hotelling
1933), are quantised uniformly or by k-means (each coefficient with its own codebook: Lloyd 1957/1982, Max 1960) and
entropy-coded. It is the baseline of every autoencoder over the same blocks: a linear decoder of K latents cannot have
a smaller squared error on the data that it was made for. What all block codecs share is in codec.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.block.analysis import BlockAnalysis
from tilepress.codecs.learned.block.codec import BlockCodec
from tilepress.codecs.learned.block.config import BlockConfig
from tilepress.codecs.learned.block.decoder import load_layers
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.dense import DenseNetwork
from tilepress.codecs.model import tensor
from tilepress.codecs.planes.quantiser import Quantiser

VALUE_BITS = 8  # fraction bits of the centres of k-means


@dataclass(frozen=True)
class PcaConfig(BlockConfig):
    """Adds how coefficients are quantised. With k-means, `steps` are those of uniform levels of the same error."""

    quantiser: str

    def sane(self) -> bool:
        """Return whether all fields are within their range."""
        return super().sane() and self.quantiser in ("uniform", "kmeans")


class Pca(BlockCodec):
    """See the module."""

    codec_id: ClassVar[str] = "pca"
    summary: ClassVar[str] = "principal components of blocks, the linear baseline of the block autoencoders"
    magic: ClassVar[bytes] = b"PC"
    config: PcaConfig
    config_class: ClassVar[type[LeveledConfig]] = PcaConfig

    def load_analysis(self) -> BlockAnalysis:
        """Return one linear layer: components `analysis0.weight` (K, N), and minus the mean block's coefficients."""
        layers = load_layers(self.model, self.config.block**2, 1, self.config.latents)
        return BlockAnalysis(DenseNetwork(layers, self.device, "linear"))

    def load_quantiser(self, number: int, top: np.ndarray) -> Quantiser:
        """Return uniform steps, or the centres of k-means in units of 2^-VALUE_BITS of full scale. ModelError."""
        if self.config.quantiser == "uniform":
            return super().load_quantiser(number, top)
        table = tensor(self.model.tensors, f"level{number}.centres", ("int16", "int32")).astype(np.int64)
        if table.ndim != 2 or len(table) != self.config.latents or (np.diff(table) < 0).any():
            raise ModelError(f"the centres of level {number} do not rise for each latent: the model is damaged")
        if table.shape[1] <= top.max():
            raise ModelError(f"level {number} has latents without a value: the model is damaged")
        return Quantiser(np.zeros_like(top), top, step=2.0**-VALUE_BITS, table=table)
