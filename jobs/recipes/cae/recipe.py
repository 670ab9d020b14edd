"""Trains `cae`: distortion and an approximated rate of all levels at once.

The rate is what a context model would spend (networks/context_rate.py), priced as in the recipe of cnn-ae: at each
level a bit costs what a uniform quantiser of its step pays at high rate, and error and rate count relative to that
step. Or it is approximated as published, by the energy of the latents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.cae.config import CaeConfig
from tilepress.codecs.learned.networks import UNIT
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.cae.beginning import take_units
from tilepress.jobs.recipes.cae.export import export
from tilepress.jobs.recipes.cae.network import SymmetricAutoencoder, begin, begin_rates, may_begin_linear
from tilepress.jobs.recipes.export.beginning import require_codec, require_same
from tilepress.jobs.recipes.networks.numbers import numbers
from tilepress.jobs.recipes.networks.pictures import pictures
from tilepress.jobs.recipes.networks.priors import require_prior
from tilepress.jobs.recipes.networks.stepped_loss import level_figures, stepped_loss
from tilepress.jobs.recipes.picture_recipe import NOTES, STEPPED, PictureRecipe
from tilepress.jobs.recipes.recipe import Loss
from tilepress.pipeline.errors import UsageError


class CaeRecipe(PictureRecipe):
    """See the module. Units are counted from the picture; steps are in units of 1/256 of full scale."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "down": [
            ["unshuffle 4", "conv 32 3", "relu"],
            ["unshuffle 2", "conv 48 1", "relu"],
            ["unshuffle 2", "conv 64 1", "relu"],
        ],
        "up": [
            ["conv 48 3", "relu", "conv 48 3", "shuffle 4"],
            ["conv 128 3", "relu", "shuffle 2"],
            ["conv 192 1", "relu", "shuffle 2"],
        ],
        "latents": [16, 24, 32],
        "quantisation_steps": [10, 36, 72],
        "energy": 0.0,
        **STEPPED,
    }
    notes: ClassVar[Mapping[str, str]] = {
        **NOTES,
        "down": "units from pictures to latents: conv CHANNELS SIZE, relu, pool (by 2), unshuffle R",
        "up": "their mirrors, the one of the first unit first: conv CHANNELS SIZE, relu, up (by 2), shuffle R",
        "latents": "channels behind each unit",
        "quantisation_steps": "of the latents behind each unit, in 1/256 of full scale",
        "default_level": "the units, less those that a picture passes where no quality is asked for",
        "energy": "what the sum of squared latents costs, a pixel",
    }

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        require_prior(self.model["prior"])
        names = ("down", "up", "latents", "margin", "default_level")
        given = {name: self.model[name] for name in names} | {"steps": self.model["quantisation_steps"]}
        try:
            self.config = CaeConfig.from_json({**given, "activation_bits": 8, "fraction_bits": 16})
        except ModelError as exc:
            raise UsageError(str(exc)) from exc
        if min(self.model["rate"], self.model["energy"]) < 0:
            raise UsageError("model.rate and model.energy must be at least 0")

    @property
    def crop_unit(self) -> int:
        """The side of what one latent of the coarsest level stands for."""
        return self.config.cut(self.config.level_count - 1).stride

    def build(self) -> SymmetricAutoencoder:
        """Return the network, randomly initialised."""
        network = SymmetricAutoencoder(self.config, self.model["prior"])
        self.freeze(network.downs, network.heads)
        return network

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """As principal components, where the shape allows it."""
        assert isinstance(network, SymmetricAutoencoder)
        if may_begin_linear(self.config):
            begin(network, crops)
        elif self.model["prior"] != "context":  # contexts predict fairly from the start
            begin_rates(network, crops)

    def require_start(self, model: Model) -> None:
        """UsageError unless a model is of this codec, with the same units."""
        require_codec(model, "cae")
        both = CaeConfig.from_json(model.config), self.config
        require_same(*({name: getattr(each, name) for name in ("down", "up", "latents")} for each in both))

    def begin_from(self, network: torch.nn.Module, model: Model, crops: torch.Tensor) -> None:
        """Take the weights of the model, and let the estimates of bits begin as they fit the latents of the crops."""
        assert isinstance(network, SymmetricAutoencoder)
        take_units(network, CaeConfig.from_json(model.config), model.tensors)
        begin_rates(network, crops)

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """Distortion of three samples + price * bits a pixel, relative to the step, and energy, over all levels."""
        coded, x = network(crops), pictures(crops)
        steps = numbers(tuple(self.config.steps[::-1]), x.device)[:, None] / UNIT
        total = stepped_loss(self.distortion(coded.pictures, x), coded.bits, steps, self.model["rate"])
        level, total = self.config.default_level, (total + self.model["energy"] * coded.energies).mean()
        return Loss(total, level_figures(coded, x, level), x, coded.pictures[level])

    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        """Return entropy models behind all units, and the syntheses in integers."""
        assert isinstance(network, SymmetricAutoencoder)
        return export(network, tiles, self.model["dead_zone"], training, licence)
