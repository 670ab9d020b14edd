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
from tilepress.codecs.learned.block.model import BlockConfig, load_layers
from tilepress.codecs.model import tensor


@dataclass(frozen=True)
class PcaConfig(BlockConfig):
    """Adds how coefficients are quantised. With k-means, `steps` are those of uniform levels of the same error."""

    quantiser: str

    def sane(self) -> bool:
        """Whether all fields are within their range."""
        return super().sane() and self.quantiser in ("uniform", "kmeans")


class Pca(BlockCodec):
    """See the module."""

    codec_id: ClassVar[str] = "pca"
    summary: ClassVar[str] = "principal components of blocks, the linear baseline of the block autoencoders"
    magic: ClassVar[bytes] = b"PC"
    config: PcaConfig
    config_class: ClassVar[type[BlockConfig]] = PcaConfig

    def load_analysis(self) -> BlockAnalysis:
        """One linear layer: the components, `analysis0.weight` (K, N), and minus the mean block's coefficients."""
        layers = load_layers(self.model, self.config.block**2, 1, self.config.latents)
        return BlockAnalysis(layers, self.device, "linear")

    def load_table(self, level: int) -> np.ndarray | None:
        """The centres of k-means, in units of 2^-VALUE_BITS of full scale."""
        if self.config.quantiser == "uniform":
            return None
        table = tensor(self.model.tensors, f"level{level}.centres", ("int16", "int32")).astype(np.int32)
        if table.ndim != 2 or len(table) != self.config.latents or (np.diff(table.astype(np.int64)) < 0).any():
            raise ModelError(f"the centres of level {level} do not rise for each latent: the model is damaged")
        return table
