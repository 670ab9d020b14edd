"""`cnn-ae`: a convolutional autoencoder, after the published one over 32 x 32 RGB blocks.

The analysis turns pictures of three channels (planes/rgb_inputs.py) into a few channels of latents, one for 4 x 4
pixels: a grid of 8 x 8 for a block. They are quantised uniformly at one of a few levels and coded under the adaptive
entropy model of entropy/context_coder.py, each picture by itself. One integer synthesis serves all levels. A model's
configuration says how pictures go through the networks (planes/tiling.py): blocks side by side, overlapping and
blended, or whole; the archive keeps the model of every stream, so that streams stay decodable whatever later models
choose.

The published configuration: 32 * 32 * 24 bits of a block become 8 * 8 latents of 4 channels and 6 bits, 24,576 to
1,536 bits, which is 16:1, before entropy coding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy.latent_coder import LATENTS, Shapes
from tilepress.codecs.integer.network import IntegerNetwork
from tilepress.codecs.learned.batches import run_integer
from tilepress.codecs.learned.cnn_ae.config import CnnConfig
from tilepress.codecs.learned.coders import ContextLatents, load_stepped, separate_pictures
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.grids import PIXELS_AT_ONCE, joinable, quantised, tiles_from, values_of
from tilepress.codecs.learned.leveled import Level, LeveledCodec
from tilepress.codecs.learned.networks import load_analysis, load_synthesis
from tilepress.codecs.learned.on_device import Tensors
from tilepress.codecs.planes.rgb_inputs import pictures_per_tile, to_pictures

if TYPE_CHECKING:
    import torch


class CnnAe(LeveledCodec):
    """See the module. Latents of a tile: int16 (pictures, rows, columns, K)."""

    codec_id: ClassVar[str] = "cnn-ae"
    summary: ClassVar[str] = "convolutional autoencoder (learned): a few latents for 4 x 4 pixels, integer decoder"
    magic: ClassVar[bytes] = b"CA"
    config_class: ClassVar[type[LeveledConfig]] = CnnConfig
    config: CnnConfig

    def load_level(self, number: int) -> Level:
        """Return the level of tensors `level{i}.zero`, `.dead` and those of its coder. ModelError."""
        step, depth = self.config.steps[number], self.config.latents
        quantiser, coder = load_stepped(self.model.tensors, f"level{number}", step, depth)
        return Level(number, {LATENTS: quantiser}, ContextLatents(coder, separate_pictures))

    def load_networks(self) -> None:
        """Load the analysis, and the synthesis, proven for the latents of all levels. ModelError."""
        config, tensors = self.config, self.model.tensors
        self._analysis = load_analysis(config.analysis_plan, tensors, self.device)
        self.bounds = config.input_bounds(np.stack([level.quantiser.bounds for level in self.levels]))
        self.steps = load_synthesis(config.synthesis_plan, tensors, config.activation_bits)
        self._synthesis = joinable(IntegerNetwork(self.steps, self.bounds, self.device), self.fraction_bits)

    def shapes(self, spec: TileSpec) -> Shapes:
        """Return (pictures, rows, columns, K)."""
        cut = self.config.cut
        return {LATENTS: (pictures_per_tile(spec), cut.grid(spec.height), cut.grid(spec.width), self.config.latents)}

    def latents_of(self, tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, level: Level) -> Tensors:
        """Return the analysis of all pictures, quantised."""
        pictures, size = to_pictures(tiles, spec, frame, 1), (spec.height, spec.width)
        grids = quantised(self._analysis, pictures, self.config.cut, size, level.quantiser)
        return {LATENTS: grids.reshape(len(tiles), *self.shapes(spec)[LATENTS])}

    def tiles_of(self, latents: Tensors, spec: TileSpec, frame: torch.Tensor, level: Level) -> torch.Tensor:
        """Return the tiles of latents in steps, decoded as the model's configuration cuts them."""
        pieces = self.decoded(self.inputs_of(latents, spec, level))
        return tiles_from(pieces, self.config.cut, spec, frame, self.fraction_bits)

    @property
    def synthesis(self) -> IntegerNetwork:
        """The decoder of tiles."""
        return self._synthesis

    @property
    def fraction_bits(self) -> int:
        """Pictures come out of `synthesis` in units of 2^-fraction_bits."""
        return self.config.fraction_bits

    def pieces_of(self, tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor) -> torch.Tensor:
        """Return what the analysis takes of tiles: float32 (m, 3, H, W), with margins or in blocks."""
        cut = self.config.cut
        return cut.split(cut.pad(to_pictures(tiles, spec, frame, 1)))

    def inputs_of(self, latents: Tensors, spec: TileSpec, level: Level) -> torch.Tensor:
        """Return what the synthesis takes of latents: integers (m, K, h, w), with margins or in blocks."""
        config, grids = self.config, latents[LATENTS].flatten(0, 1)
        values = config.cut.scatter(values_of(grids, level.quantiser), spec.height, spec.width)
        return config.synthesis_inputs(values, level.number)

    def decoded(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what the synthesis makes of `inputs_of`: (m, 3, H, W) in units of 2^-fraction_bits, in floats."""
        return run_integer(self.synthesis, inputs, self.config.cut.stride**2, PIXELS_AT_ONCE)
