"""Trains `cnn-ae`: distortion and estimated rate over all quality levels at once, under quantisation.

Every crop of a batch has its own step, log-uniform between the finest and the coarsest level, and pays for bits what
a uniform quantiser of that step pays at high rate: with D = step^2 / 12 and 6 dB a bit, dD / dR = -ln(2) / 6 step^2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.cnn_ae.config import CnnConfig
from tilepress.codecs.learned.networks import ANALYSIS, SYNTHESIS, UNIT, plan
from tilepress.codecs.model import Model
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.codecs.planes.rgb_inputs import CHANNELS
from tilepress.jobs.recipes.cnn_ae.network import LEVELS_OF_STRENGTH, Autoencoder, Shape, begin, begin_rate
from tilepress.jobs.recipes.export.beginning import (
    Start,
    begin_analysis,
    begin_syntheses,
    require_codec,
    require_same,
)
from tilepress.jobs.recipes.export.calibration import Sample
from tilepress.jobs.recipes.export.stepped import (
    analysis_tensors,
    equal_squares,
    fitted_quantiser,
    named,
    picture_of,
    stepped_tensors,
    values_of,
)
from tilepress.jobs.recipes.export.synthesis import export_synthesis
from tilepress.jobs.recipes.networks.distortion import squared_error
from tilepress.jobs.recipes.networks.normalised import folded, unnormalised
from tilepress.jobs.recipes.networks.pictures import Coded, pictures
from tilepress.jobs.recipes.networks.priors import require_prior
from tilepress.jobs.recipes.networks.stepped_loss import FULL_SCALE, stepped_loss
from tilepress.jobs.recipes.picture_recipe import NOTES, STEPPED, PictureRecipe
from tilepress.jobs.recipes.recipe import Loss
from tilepress.pipeline.errors import UsageError

_TRIED = 1 << 16  # pixels of each level that a synthesis is tried on, unless a picture has more


class CnnAeRecipe(PictureRecipe):
    """See the module. Steps are in units of 1/256 of full scale.

    `codec_id`: of the models that come out; those of codecs built on this one's networks differ in nothing else.
    """

    codec_id: ClassVar[str] = "cnn-ae"
    config_class: ClassVar[type[CnnConfig]] = CnnConfig  # of its models
    defaults: ClassVar[Mapping[str, Any]] = {
        "analysis": ["unshuffle 4", "conv 48 3", "relu", "conv 48 3", "relu", "conv 12 3"],
        "synthesis": ["conv 64 3", "relu", "conv 64 3", "relu", "conv 48 3", "shuffle 4"],
        "block": 0,
        "overlap": 0,
        "quantisation_steps": [128, 96, 64, 48, 32, 24, 16, 12],
        "told": True,
        "bits": 0,
        **STEPPED,
    }
    notes: ClassVar[Mapping[str, str]] = {
        **NOTES,
        "quantisation_steps": "of latents at each level, coarse to fine, in 1/256 of full scale",
        "default_level": "which of them is taken where no quality is asked for; 0: the first",
        "told": "whether the synthesis knows the level",
        "bits": "latents are clipped to what so many bits hold at the finest step; 0: not clipped",
    }

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        self.steps = [int(step) for step in self.model["quantisation_steps"]]
        try:
            analysis = plan(self.model["analysis"], CHANNELS, ANALYSIS)
            synthesis = plan(self.operations(), analysis.outputs + bool(self.model["told"]), SYNTHESIS)
            self.config(8, 16)
        except ModelError as exc:
            raise UsageError(str(exc)) from exc
        if self.steps != sorted(set(self.steps), reverse=True) or not 0 <= self.model["bits"] <= 12:
            raise UsageError("model.quantisation_steps must fall from level to level, and model.bits be 0 to 12")
        ceiling = ((1 << self.model["bits"]) - 1) * self.steps[-1] / UNIT
        require_prior(self.model["prior"])
        told, prior = bool(self.model["told"]), self.model["prior"]
        self.shape = Shape(analysis, synthesis, self.model["block"], ceiling, told, prior)

    def operations(self) -> list[str]:
        """Return the operations of the synthesis that is exported."""
        return list(self.model["synthesis"])

    def config(self, activation_bits: int, fraction_bits: int) -> CnnConfig:
        """Return the configuration of the model that comes out. ModelError if it makes no sense."""
        strengths = [round(UNIT * math.log2(step) / LEVELS_OF_STRENGTH) for step in self.steps if step > 0]
        given = {name: self.model[name] for name in ("analysis", "block", "overlap", "default_level")}
        given["margin"] = 0 if self.model["block"] else self.model["margin"]
        given |= {
            "synthesis": self.operations(),
            "steps": self.steps,
            "strengths": strengths if self.model["told"] else [],
        }
        return CnnConfig.from_json({**given, "activation_bits": activation_bits, "fraction_bits": fraction_bits})

    @property
    def crop_unit(self) -> int:
        """The side of a block, or of what one latent stands for."""
        return self.shape.block or self.shape.analysis.stride

    def build(self) -> torch.nn.Module:
        """Return the network, randomly initialised."""
        network = Autoencoder(self.shape)
        self.freeze(network.analysis)
        return network

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """As principal components, where the shape allows it."""
        assert isinstance(network, Autoencoder)
        begin(network, crops)

    def require_start(self, model: Model) -> None:
        """UsageError unless a model is of this codec, with the same networks."""
        require_codec(model, self.codec_id)
        config, own = self.config_class.from_json(model.config), self.config(8, 16)
        names, told = ("analysis", "synthesis"), bool(own.strengths)
        theirs = {name: getattr(config, name) for name in names} | {"told": bool(config.strengths)}
        require_same(theirs, {name: getattr(own, name) for name in names} | {"told": told})

    def begin_from(self, network: torch.nn.Module, model: Model, crops: torch.Tensor) -> None:
        """Take the weights of the model, and let the estimate of bits begin as it fits the latents of the crops."""
        base, config = self.autoencoder(network), self.config_class.from_json(model.config)
        begin_analysis(base.analysis, self.shape.analysis, model.tensors)
        bits = config.activation_bits, config.fraction_bits
        begin_syntheses([Start(self.shape.synthesis, unnormalised(base.synthesis), model.tensors, *bits)])
        begin_rate(base, crops)

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """Distortion of three samples + price * bits a pixel, each crop relative to its step."""
        step = self.steps_of(crops, network.training)
        coded: Coded = network(crops, step)
        total, figures = self.coding_loss(coded.pictures, coded.bits, crops, step)
        return Loss(total, figures, pictures(crops), coded.pictures)

    def coding_loss(
        self, decoded: torch.Tensor, bits: torch.Tensor, crops: torch.Tensor, step: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of crops (n, h, w, 3), decoded as (n, 3, h, w) from `bits` a pixel (n,), and its figures."""
        x = pictures(crops)
        total = stepped_loss(self.distortion(decoded, x), bits, step, self.model["rate"]).mean()
        return total, {"mse": squared_error(decoded, x).mean() * FULL_SCALE, "bpp": bits.mean()}

    def steps_of(self, crops: torch.Tensor, training: bool) -> torch.Tensor:
        """Return a step (n,) for each of crops (n, h, w, 3); the default level's when only evaluated."""
        low, high = math.log(self.steps[-1]), math.log(self.steps[0])
        if not training:
            return torch.full((len(crops),), self.steps[self.model["default_level"]] / UNIT, device=crops.device)
        return torch.exp(low + (high - low) * torch.rand(len(crops), device=crops.device)) / UNIT

    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        """Return entropy models of all levels, then the synthesis in integers."""
        base, config = self.autoencoder(network), self.config(8, 16)
        stock = _Stock.of(base, config, tiles)
        zone = self.model["dead_zone"]
        quantisers = [fitted_quantiser(stock.latents, step, self.shape.ceiling, zone) for step in self.steps]
        tensors = self.coder_tensors(quantisers, stock.latents, training["seed"])
        bounds = config.input_bounds(np.stack([quantiser.bounds for quantiser in quantisers]))
        samples = stock.samples(config, quantisers)
        exported = export_synthesis(self.shape.synthesis, folded(base.synthesis), bounds, samples)
        more, fields = self.more(network, bounds, samples)
        whole = self.config(exported.activation_bits, exported.fraction_bits).to_json() | fields
        record = {**training, "integer_loss": round(exported.lost, 6)}
        tensors |= analysis_tensors(base.analysis) | exported.tensors | more
        return Model(self.codec_id, whole, record, licence, tensors)

    def autoencoder(self, network: torch.nn.Module) -> Autoencoder:
        """Return the autoencoder that a trained network is, or has."""
        assert isinstance(network, Autoencoder)
        return network

    def more(
        self, network: torch.nn.Module, bounds: np.ndarray, samples: Sequence[Sample]
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return tensors and fields of the configuration that models of a derived family have besides.

        `bounds`, `samples`: as `export_synthesis` takes them.
        """
        return {}, {}

    def coder_tensors(self, quantisers: Sequence[Quantiser], latents: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        """Return the tensors of the levels: of quantisers, and of coders fitted to latents (m, K, rows, columns)."""
        levels = (named(f"level{i}", stepped_tensors(q, latents, seed)) for i, q in enumerate(quantisers))
        return {name: array for level in levels for name, array in level.items()}


@dataclass(frozen=True)
class _Stock:
    """What a model is exported from: pictures uint8 (m, s, s, 3) and their latents (m, K, rows, columns)."""

    pictures: np.ndarray
    latents: np.ndarray

    @classmethod
    def of(cls, network: Autoencoder, config: CnnConfig, tiles: Sequence[np.ndarray]) -> _Stock:
        """Return equal squares of tiles, with their latents."""
        squares = equal_squares(tiles)
        side, latents = squares.shape[1], []
        for square in squares:
            pieces = config.cut.split(config.cut.pad(picture_of(square)))
            latents.append(config.cut.gather(network.latents(pieces), side, side).numpy())
        return cls(squares, np.concatenate(latents))

    def samples(self, config: CnnConfig, quantisers: Sequence[Quantiser]) -> list[Sample]:
        """Return pictures for each level, as the synthesis sees them: one large one, or as many small ones."""
        out, side = [], self.pictures.shape[1]
        some = np.arange(min(len(self.pictures), max(1, _TRIED // side**2)))
        for i, quantiser in enumerate(quantisers):
            at = (i * len(self.latents) // len(quantisers) + some) % len(self.latents)
            grids = values_of(quantiser, self.latents[at])
            values = config.synthesis_inputs(config.cut.scatter(grids, side, side), i)
            shown = torch.cat([picture_of(self.pictures[each]) for each in at])
            out.append(Sample(values.numpy(), config.cut.split(config.cut.pad(shown)).numpy()))
        return out
