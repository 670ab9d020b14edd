"""`cae`: a symmetric convolutional autoencoder, the latents behind each down-sampling unit being a compressed image.

The analysis is a chain of down-sampling units, the synthesis the chain of up-sampling units that mirror them (Cheng et
al., "Deep Convolutional AutoEncoder-based Lossy Image Compression", 2018). Behind each unit a convolution makes a few
channels of latents of its features, and the mirror image makes features of latents: one network has as many ratios as
units, and a quality level is the unit at which a picture leaves it, the deepest being the coarsest. Latents are
quantised and coded as those of cnn-ae. Up-sampling units serve the levels of all deeper ones: they are integers once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy.latent_coder import Shapes, numbered
from tilepress.codecs.integer.network import IntegerNetwork
from tilepress.codecs.learned.batches import run_integer
from tilepress.codecs.learned.cae.config import CaeConfig
from tilepress.codecs.learned.coders import ContextLatents, load_stepped, separate_pictures
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.grids import PIXELS_AT_ONCE, joinable, quantised, tiles_from, values_of
from tilepress.codecs.learned.leveled import Level, LeveledCodec
from tilepress.codecs.learned.networks import load_analysis, load_synthesis
from tilepress.codecs.learned.on_device import Tensors
from tilepress.codecs.learned.tensors import chained
from tilepress.codecs.planes.rgb_inputs import pictures_per_tile, to_pictures
from tilepress.codecs.planes.tiling import Tiling

if TYPE_CHECKING:
    import torch


class Cae(LeveledCodec):
    """See the module. Latents of a tile: of the unit that its level codes, int16 (pictures, rows, columns, K)."""

    codec_id: ClassVar[str] = "cae"
    summary: ClassVar[str] = "symmetric convolutional autoencoder (learned): each level of layers is a ratio"
    magic: ClassVar[bytes] = b"CE"
    config_class: ClassVar[type[LeveledConfig]] = CaeConfig
    config: CaeConfig

    def load_level(self, number: int) -> Level:
        """Return the level of the tensors `unit{u}.NAME` of its unit. ModelError."""
        unit = self.config.unit_of(number)
        step, depth = self.config.steps[unit], self.config.latents[unit]
        quantiser, coder = load_stepped(self.model.tensors, f"unit{unit}", step, depth)
        name = numbered(unit)
        return Level(number, {name: quantiser}, ContextLatents(coder, separate_pictures, name))

    def load_networks(self) -> None:
        """Load the analysis, and the synthesis of each level, proven for its latents. ModelError."""
        config, tensors = self.config, self.model.tensors
        self._analyses, self._syntheses = [], []
        for level in self.levels:
            unit = config.unit_of(level.number)
            parts = chained(tensors, config.analysis_parts(unit), "analysis")
            self._analyses.append(load_analysis(config.analysis_plan(unit), parts, self.device))
            parts = chained(tensors, config.synthesis_parts(unit), "synthesis")
            steps = load_synthesis(config.synthesis_plan(unit), parts, config.activation_bits)
            bounds = level.quantisers[numbered(unit)].bounds
            self._syntheses.append(joinable(IntegerNetwork(steps, bounds, self.device), self.config.fraction_bits))

    def shapes(self, spec: TileSpec) -> Shapes:
        """Return (pictures, rows, columns, K) behind each unit."""
        shapes = {}
        for unit, depth in enumerate(self.config.latents):
            cut = self.config.cut(unit)
            grid = cut.grid(spec.height), cut.grid(spec.width)
            shapes[numbered(unit)] = (pictures_per_tile(spec), *grid, depth)
        return shapes

    def latents_of(self, tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, level: Level) -> Tensors:
        """Return the analysis of all pictures as far as the level's unit, quantised."""
        (name, quantiser), cut = next(iter(level.quantisers.items())), self._cut(level)
        pictures, size = to_pictures(tiles, spec, frame, 1), (spec.height, spec.width)
        grids = quantised(self._analyses[level.number], pictures, cut, size, quantiser)
        return {name: grids.reshape(len(tiles), *self.shapes(spec)[name])}

    def tiles_of(self, latents: Tensors, spec: TileSpec, frame: torch.Tensor, level: Level) -> torch.Tensor:
        """Return the tiles that the level's latents decode to, from its unit on."""
        (name, quantiser), cut = next(iter(level.quantisers.items())), self._cut(level)
        x = cut.scatter(values_of(latents[name].flatten(0, 1), quantiser), spec.height, spec.width)
        pieces = run_integer(self._syntheses[level.number], x, cut.stride**2, PIXELS_AT_ONCE)
        return tiles_from(pieces, cut, spec, frame, self.config.fraction_bits)

    def _cut(self, level: Level) -> Tiling:
        return self.config.cut(self.config.unit_of(level.number))
