"""The base of the block codecs: latents of W x W blocks, entropy-coded, and a linear integer decoder.

Every plane is cut into blocks after a reversible colour transform (planes/blocks.py); a family's analysis turns each
block of N = W * W samples into K latents (analysis.py). They are quantised at one of a few levels that the model
names; each level has its own integer decoder matrix (decoder.py) and its own frozen entropy model
(entropy/context_coder.py). Only the analysis computes in float, and only its symbols count.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy.context_coder import load_coder
from tilepress.codecs.entropy.context_model import LatentLayout
from tilepress.codecs.entropy.latent_coder import LATENTS, Shapes
from tilepress.codecs.learned.block.analysis import BlockAnalysis
from tilepress.codecs.learned.block.config import BlockConfig
from tilepress.codecs.learned.block.decoder import load_decoder
from tilepress.codecs.learned.coders import ContextLatents
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.leveled import Level, LeveledCodec
from tilepress.codecs.learned.on_device import Tensors
from tilepress.codecs.model import tensor
from tilepress.codecs.planes.blocks import from_blocks, to_blocks
from tilepress.codecs.planes.quantiser import Quantiser

if TYPE_CHECKING:
    import torch


class BlockCodec(LeveledCodec):
    """See the module. Latents of a tile: int16 (c, rows, columns, K)."""

    config_class: ClassVar[type[LeveledConfig]] = BlockConfig
    config: BlockConfig

    @abstractmethod
    def load_analysis(self) -> BlockAnalysis:
        """Return the analysis that the model holds. ModelError if it is damaged."""

    def load_quantiser(self, number: int, top: np.ndarray) -> Quantiser:
        """Return the quantiser of a level with the symbols 0..`top` (K,). ModelError if it is damaged."""
        shift, name = None, f"level{number}.zero"
        if name in self.model.tensors:
            shift = tensor(self.model.tensors, name, ("float32",), top.shape).astype(np.float64)
        return Quantiser(np.zeros_like(top), top, step=self.config.steps[number], shift=shift)

    def load_level(self, number: int) -> Level:
        """Return a level of the model. ModelError."""
        coder = load_coder(self.model.tensors, f"level{number}", self.config.latents)
        quantiser = self.load_quantiser(number, coder.fitted.top)
        return Level(number, {LATENTS: quantiser}, ContextLatents(coder, _layout))

    def load_networks(self) -> None:
        """Load the analysis, and a decoder for each level. ModelError."""
        self._analysis = self.load_analysis()
        self._decoders = [
            load_decoder(self.model, level.number, self.config, level.quantiser, self.device) for level in self.levels
        ]

    def shapes(self, spec: TileSpec) -> Shapes:
        """Return (c, rows, columns, K)."""
        rows, columns = (-(-side // self.config.block) for side in (spec.height, spec.width))
        return {LATENTS: (spec.channels, rows, columns, self.config.latents)}

    def latents_of(self, tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, level: Level) -> Tensors:
        """Return the analysis of all blocks, quantised."""
        blocks = to_blocks(tiles, spec, frame, self.config.block)
        return {LATENTS: self._analysis(blocks, (spec.height, spec.width), self._decoders[level.number])}

    def tiles_of(self, latents: Tensors, spec: TileSpec, frame: torch.Tensor, level: Level) -> torch.Tensor:
        """Return the tiles of the blocks that latents decode to."""
        blocks = self._decoders[level.number](latents[LATENTS])
        return from_blocks(blocks, spec, frame, self.config.block, self.config.fraction_bits)


def _layout(spec: TileSpec) -> LatentLayout:
    return LatentLayout.of(spec.channels, differences=spec.colour == "rgb")
