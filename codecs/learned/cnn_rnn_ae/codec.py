"""`cnn-rnn-ae`: a convolutional autoencoder applied to a picture, then to the error that is left, and so on.

The first iteration codes the picture, each later one the difference between the picture and the exact sum of what the
iterations before it decode (Toderici et al., "Full Resolution Image Compression with Recurrent Neural Networks", 2017,
section 3: additive reconstruction). Latents are quantised and coded as those of cnn-ae, each iteration in a part of the
stream of its own: a decoder may stop after any part. Quality level i has the first 1 + i iterations. A model's
iterations share one autoencoder, as published, or each has its own; then the synthesis of an iteration sees the latents
of all before it, which is the state of the recurrence.

The published configuration: 8 x 8 latents of 4 channels and 2 bits for 32 x 32 pixels, three times: 24,576 to 1,536
bits, which is 16:1, before entropy coding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy.latent_coder import Shapes, numbered
from tilepress.codecs.integer.network import IntegerNetwork
from tilepress.codecs.learned.batches import run_integer
from tilepress.codecs.learned.cnn_rnn_ae.config import RecurrentConfig
from tilepress.codecs.learned.coders import ContextLatents, SeveralLatents, load_stepped, separate_pictures
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.grids import PIXELS_AT_ONCE, joinable, quantised, values_of
from tilepress.codecs.learned.leveled import Level, LeveledCodec
from tilepress.codecs.learned.networks import load_analysis, load_synthesis
from tilepress.codecs.learned.on_device import Tensors
from tilepress.codecs.learned.tensors import under
from tilepress.codecs.planes.rgb_inputs import from_pictures, pictures_per_tile, to_pictures

if TYPE_CHECKING:
    import torch


class CnnRnnAe(LeveledCodec):
    """See the module. Latents of a tile: for each iteration int16 (pictures, rows, columns, K)."""

    codec_id: ClassVar[str] = "cnn-rnn-ae"
    summary: ClassVar[str] = "convolutional autoencoder applied to its own remaining error (learned): progressive"
    magic: ClassVar[bytes] = b"CR"
    config_class: ClassVar[type[LeveledConfig]] = RecurrentConfig
    config: RecurrentConfig

    def load_level(self, number: int) -> Level:
        """Return the first 1 + `number` iterations, of tensors `iteration{i}.NAME`. ModelError."""
        quantisers, coders = {}, []
        for i in range(1 + number):
            name = numbered(i)
            loaded = load_stepped(self.model.tensors, f"iteration{i}", self.config.steps[i], self.config.latents)
            quantisers[name], coder = loaded
            coders.append(ContextLatents(coder, separate_pictures, name))
        return Level(number, quantisers, SeveralLatents(tuple(coders)))

    def load_networks(self) -> None:
        """Load the analyses, and the syntheses, proven for the latents of the finest level. ModelError."""
        config = self.config
        bounds = config.bounds_of([quantiser.bounds for quantiser in self.levels[-1].quantisers.values()])
        self._analyses, self._syntheses = [], []
        for at, synthesis in enumerate(config.synthesis_plans):
            tensors = under(self.model.tensors, f"network{at}")
            self._analyses.append(load_analysis(config.analysis_plan, tensors, self.device))
            steps = load_synthesis(synthesis, tensors, config.activation_bits[at])
            least = min(
                bits for bits, network in zip(config.errors_bits, config.networks, strict=True) if network == at
            )
            self._syntheses.append(joinable(IntegerNetwork(steps, bounds[at], self.device), least, config.picture_bits))

    def shapes(self, spec: TileSpec) -> Shapes:
        """Return (pictures, rows, columns, K) for each iteration."""
        cut = self.config.cut
        shape = (pictures_per_tile(spec), cut.grid(spec.height), cut.grid(spec.width), self.config.latents)
        return {numbered(i): shape for i in range(self.config.iterations)}

    def latents_of(self, tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, level: Level) -> Tensors:
        """Return the analysis of all pictures, then of the errors that the exact syntheses leave, quantised."""
        import torch

        config, size = self.config, (spec.height, spec.width)
        whole = replace(config.cut, margin=0).pad(to_pictures(tiles, spec, frame, 1))
        error, decoded = whole, torch.zeros_like(whole, dtype=torch.float64)
        latents: dict[str, torch.Tensor] = {}
        values: list[torch.Tensor] = []
        for i, (name, quantiser) in enumerate(level.quantisers.items()):
            analysis = self._analyses[config.networks[i]]
            grids = quantised(analysis, error * 2.0 ** config.shifts[i], config.cut, size, quantiser)
            latents[name] = grids.reshape(len(tiles), *self.shapes(spec)[name])
            if i < level.number:
                values.append(values_of(grids, quantiser))
                decoded = decoded + self._decoded(values, spec)
                error = whole - (decoded * 2.0**-config.picture_bits).float()
        return latents

    def tiles_of(self, latents: Tensors, spec: TileSpec, frame: torch.Tensor, level: Level) -> torch.Tensor:
        """Return the tiles of the iterations that the level has and `latents` holds, added up."""
        total: torch.Tensor | None = None
        values: list[torch.Tensor] = []
        for name, quantiser in level.quantisers.items():
            if name in latents:
                values.append(values_of(latents[name].flatten(0, 1), quantiser))
                added = self._decoded(values, spec)
                total = added if total is None else total + added
        assert total is not None
        return from_pictures(total, spec, frame, self.config.picture_bits)

    def _decoded(self, values: list[torch.Tensor], spec: TileSpec) -> torch.Tensor:
        """Return float64 (m, 3, H, W): what the last iteration of `values` adds, in units of 2^-picture_bits."""
        config, iteration = self.config, len(values) - 1
        inputs = config.cut.scatter(config.inputs_of(values), spec.height, spec.width)
        synthesis = self._syntheses[config.networks[iteration]]
        pieces = run_integer(synthesis, inputs, config.cut.stride**2, PIXELS_AT_ONCE)
        shift = config.picture_bits - config.errors_bits[iteration]
        return config.cut.join(pieces.double() * 2.0**shift, spec.height, spec.width)
