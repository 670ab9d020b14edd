"""What the block codecs share: latents of W x W blocks, entropy-coded, and a linear integer decoder.

Every plane is cut into blocks after a reversible colour transform (planes/blocks.py); a family's analysis turns each
block of N = W * W samples into K latents (analysis.py). They are quantised at one of a few levels that the
model names; each level has its own integer decoder matrix and its own frozen entropy model
(entropy/latent_coder.py). Only the analysis computes in float, and only its symbols count.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import Symbols, Tiles, TileSpec
from tilepress.codecs.entropy.context_model import LatentLayout
from tilepress.codecs.learned.block.analysis import BlockAnalysis
from tilepress.codecs.learned.block.model import BlockConfig, Level, load_level
from tilepress.codecs.learned.leveled import LeveledCodec
from tilepress.codecs.model import Model
from tilepress.codecs.planes.blocks import from_blocks, to_blocks

_BLOCKS_AT_ONCE = 1 << 14


class BlockCodec(LeveledCodec):
    """See the module. Latents of a tile: int16 (c, rows, columns, K)."""

    config: BlockConfig
    config_class: ClassVar[type[BlockConfig]] = BlockConfig

    def __init__(self, model: Model, device: str = "cpu"):
        """ModelError if the model is of another family, damaged, or its decoder is not provably exact."""
        import torch

        super().__init__(model)
        self.config = self.config_class.from_json(model.config)
        self.device = torch.device(device)
        self._analysis = self.load_analysis()
        self._levels = [
            load_level(model, i, self.config, self.load_table(i), device) for i in range(self.config.levels)
        ]

    @abstractmethod
    def load_analysis(self) -> BlockAnalysis:
        """The analysis that the model holds; ModelError if it is damaged."""

    def load_table(self, level: int) -> np.ndarray | None:
        """What symbols stand for in the decoder, int32 (K, S) that rises along S; None: themselves."""
        return None

    def latents_shape(self, spec: TileSpec) -> tuple[int, int, int, int]:
        """(c, rows, columns, K)."""
        rows, columns = (-(-side // self.config.block) for side in (spec.height, spec.width))
        return spec.channels, rows, columns, self.config.latents

    def latents_of(self, tiles: Tiles, spec: TileSpec, frame: np.ndarray, level: int) -> np.ndarray:
        """The analysis of all blocks, quantised."""
        blocks = to_blocks(tiles, spec, frame, self.config.block)
        return self._analysis(blocks, (spec.height, spec.width), self._levels[level].quantiser)

    def encode_latents(self, latents: np.ndarray, level: int, spec: TileSpec) -> bytes:
        """One rANS stream; planes 1 and 2 of RGB are colour differences."""
        return self._levels[level].coder.encode(latents, _layout(spec))

    def decode_latents(self, stream: bytes, level: int, spec: TileSpec) -> np.ndarray:
        """Inverse of `encode_latents`."""
        return self._levels[level].coder.decode(stream, self.latents_shape(spec), _layout(spec))

    def synthesise(self, symbols: Symbols, shared: bytes = b"", level: int | None = None) -> Tiles:
        """Exact integers: the same on every device, in batches of any size."""
        latents, frame, levels = (symbols.arrays[key] for key in ("latents", "frame", "level"))
        fixed = np.empty((*latents.shape[:-1], self.config.block**2), np.int32)
        for value in np.unique(levels):
            chosen = levels == value
            rows = latents[chosen].reshape(-1, latents.shape[-1])
            fixed[chosen] = self._multiply(rows, self._levels[int(value)]).reshape(-1, *fixed.shape[1:])
        return from_blocks(fixed, symbols.spec, frame, self.config.block, self.config.fraction_bits)

    def _multiply(self, rows: np.ndarray, level: Level) -> np.ndarray:
        out = np.empty((len(rows), self.config.block**2), np.int32)
        for i in range(0, len(rows), _BLOCKS_AT_ONCE):
            out[i : i + _BLOCKS_AT_ONCE] = level.decode(rows[i : i + _BLOCKS_AT_ONCE])
        return out


def _layout(spec: TileSpec) -> LatentLayout:
    return LatentLayout.of(spec.channels, spec.colour == "rgb")
