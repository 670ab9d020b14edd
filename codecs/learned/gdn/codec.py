"""`gdn-factorized`: the factorised-prior model of Ballé, Laparra, Simoncelli 2017, decoded in integers.

The transform is in `learned/divisive.py`, the prior in `entropy/factorized_prior.py`. One model serves several rates:
`quality` chooses the level. A level has a gain for every channel: latents are multiplied by `gain` before they are
rounded, and by the integer `inverse` after. Every level has its own frozen tables, one for each channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy.factorized_prior import FactorizedPrior, FactorizedTables
from tilepress.codecs.entropy.latent_coder import LATENTS, Shapes
from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import IntegerNetwork
from tilepress.codecs.learned.batches import run_float, run_integer
from tilepress.codecs.learned.coders import FactorizedLatents
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.divisive import ALIGNMENT, BITS, GdnAnalysis, synthesis_steps
from tilepress.codecs.learned.grids import joinable
from tilepress.codecs.learned.leveled import Level, LeveledCodec
from tilepress.codecs.learned.on_device import Tensors
from tilepress.codecs.model import tensor
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.codecs.planes.rgb_inputs import from_pictures, padded_size, pictures_per_tile, to_pictures

if TYPE_CHECKING:
    import torch

_PIXELS_AT_ONCE = 1 << 20
_MAX_CHANNELS, _MAX_LEVELS = 1024, 32
_MAX_LATENT = (1 << 15) - 1


@dataclass(frozen=True)
class GdnConfig(LeveledConfig):
    """The `config` of a model.

    `channels`: after each stage of the analysis, the latents last. `reach`: clip of what the first two convolutions
    of the synthesis give. `dead_zone`: of each level, by how much of a step latents are drawn to 0 before rounding.
    """

    channels: tuple[int, int, int]
    levels: int
    reach: tuple[int, int]
    dead_zone: tuple[float, ...]

    @property
    def level_count(self) -> int:
        """How many levels there are."""
        return self.levels

    def sane(self) -> bool:
        """Return whether all fields are within their range."""
        sizes = all(1 <= c <= _MAX_CHANNELS for c in self.channels) and all(1 <= r < 1 << 24 for r in self.reach)
        zones = len(self.dead_zone) == self.levels <= _MAX_LEVELS and all(0 <= z <= 0.5 for z in self.dead_zone)
        return super().sane() and sizes and zones


class GdnFactorized(LeveledCodec):
    """See the module. Latents of a tile: int16 (pictures, c, h, w)."""

    codec_id: ClassVar[str] = "gdn-factorized"
    summary: ClassVar[str] = "convolutional transform with divisive normalisation, factorised prior (learned)"
    alignment: ClassVar[int] = ALIGNMENT
    magic: ClassVar[bytes] = b"GF"
    config_class: ClassVar[type[LeveledConfig]] = GdnConfig
    config: GdnConfig

    def load_level(self, number: int) -> Level:
        """Return the level of tensors `level{i}.gain`, `.inverse` and those of its prior. ModelError."""
        tensors, prefix, channels = self.model.tensors, f"level{number}", self.config.channels[2]
        prior = FactorizedPrior(FactorizedTables.of(tensors, prefix), channels)
        gain = tensor(tensors, f"{prefix}.gain", ("float32",), (channels,))
        inverse = tensor(tensors, f"{prefix}.inverse", ("int32",), (channels,)).astype(np.int64)
        if (inverse < 1).any() or prior.bounds.max() > _MAX_LATENT:
            raise ModelError(f"level {number} has an inverse gain that is not positive, or latents beyond 16 bits")
        dead = np.full(channels, self.config.dead_zone[number])
        quantiser = Quantiser(prior.low, prior.high, gain=np.array(gain), worth=inverse, dead=dead)
        return Level(number, {LATENTS: quantiser}, FactorizedLatents(prior))

    def load_networks(self) -> None:
        """Load the transform, proven for the latents of all levels. ModelError."""
        self._analysis = GdnAnalysis(self.model.tensors, self.config.channels, self.device)
        bounds = np.max([level.quantiser.bounds for level in self.levels], axis=0)
        steps = synthesis_steps(self.model.tensors, self.config.channels, self.config.reach)
        self._synthesis = joinable(IntegerNetwork(steps, bounds, self.device), BITS)

    def shapes(self, spec: TileSpec) -> Shapes:
        """Return (pictures, c, h, w)."""
        height, width = (side // ALIGNMENT for side in padded_size(spec, ALIGNMENT))
        return {LATENTS: (pictures_per_tile(spec), self.config.channels[2], height, width)}

    def latents_of(self, tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, level: Level) -> Tensors:
        """Return the analysis of all pictures, quantised."""
        z = run_float(self._analysis, to_pictures(tiles, spec, frame, ALIGNMENT), _PIXELS_AT_ONCE)
        symbols = level.quantiser.latents(z.movedim(1, -1)).movedim(-1, 1)
        return {LATENTS: symbols.reshape(len(tiles), *self.shapes(spec)[LATENTS])}

    def tiles_of(self, latents: Tensors, spec: TileSpec, frame: torch.Tensor, level: Level) -> torch.Tensor:
        """Return the tiles of latents times `inverse`."""
        scaled = level.quantiser.values(latents[LATENTS].flatten(0, 1).movedim(1, -1)).movedim(-1, 1)
        return from_pictures(run_integer(self._synthesis, scaled, ALIGNMENT**2, _PIXELS_AT_ONCE), spec, frame, BITS)
