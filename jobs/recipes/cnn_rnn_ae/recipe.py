"""Trains `cnn-rnn-ae`: distortion and estimated rate after every iteration, all of them at once.

After iteration i a bit costs what a uniform quantiser of its step pays at high rate, and error and rate count relative
to that step, as in the recipe of cnn-ae: the sums after all iterations are then of about the same size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.cnn_rnn_ae.config import RecurrentConfig
from tilepress.codecs.learned.networks import UNIT
from tilepress.codecs.learned.tensors import under
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.cnn_rnn_ae.export import export
from tilepress.jobs.recipes.cnn_rnn_ae.network import RecurrentAutoencoder, begin
from tilepress.jobs.recipes.export.beginning import (
    Start,
    begin_analysis,
    begin_syntheses,
    require_codec,
    require_same,
)
from tilepress.jobs.recipes.networks.numbers import numbers
from tilepress.jobs.recipes.networks.pictures import pictures
from tilepress.jobs.recipes.networks.priors import require_prior
from tilepress.jobs.recipes.networks.stepped_loss import level_figures, stepped_loss
from tilepress.jobs.recipes.picture_recipe import NOTES, STEPPED, PictureRecipe
from tilepress.jobs.recipes.recipe import Loss
from tilepress.pipeline.errors import UsageError


class CnnRnnAeRecipe(PictureRecipe):
    """See the module. Steps are in units of 1/256 of full scale."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "analysis": ["unshuffle 4", "conv 32 3", "relu", "conv 16 3"],
        "synthesis": ["conv 48 3", "relu", "conv 48 3", "relu", "conv 48 3", "shuffle 4"],
        "shared": False,
        "block": 0,
        "overlap": 0,
        "quantisation_steps": [108, 36, 12],
        "shifts": [0, 0, 0],
        "bits": 0,
        **STEPPED,
    }
    notes: ClassVar[Mapping[str, str]] = {
        **NOTES,
        "shared": "true: one autoencoder for all iterations, as published; false: one each, which sees those before",
        "quantisation_steps": "of the latents of each iteration, in 1/256 of full scale",
        "shifts": "each iteration sees 2^shift times the error that is left",
        "default_level": "how many iterations follow the first where no quality is asked for",
        "bits": "latents are clipped to what so many bits hold; 0: not clipped",
    }

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        require_prior(self.model["prior"])
        try:
            self.config = self._config()
        except ModelError as exc:
            raise UsageError(str(exc)) from exc
        if not 0 <= self.model["bits"] <= 12:
            raise UsageError(f"model.bits must be 0 to 12, not {self.model['bits']}")
        top = (1 << self.model["bits"]) - 1
        self.ceilings = [top * step / UNIT for step in self.config.steps]
        scales = zip(self.config.steps, self.config.shifts, strict=True)
        self.steps = tuple(step / UNIT / 2.0**shift for step, shift in scales)

    def _config(self) -> RecurrentConfig:
        """Return the configuration of the model that comes out, before its numbers of bits are known. ModelError."""
        names = ("analysis", "synthesis", "shared", "block", "overlap", "shifts", "default_level")
        given = {name: self.model[name] for name in names} | {"steps": self.model["quantisation_steps"]}
        given["margin"] = 0 if self.model["block"] else self.model["margin"]
        networks = 1 if self.model["shared"] else len(self.model["quantisation_steps"])
        bits = {"activation_bits": [8] * networks, "fraction_bits": [16] * networks}
        return RecurrentConfig.from_json(given | bits)

    @property
    def crop_unit(self) -> int:
        """The side of a block, or of what one latent stands for."""
        return self.config.block or self.config.analysis_plan.stride

    def build(self) -> RecurrentAutoencoder:
        """Return the network, randomly initialised."""
        network = RecurrentAutoencoder(self.config, self.ceilings, self.model["prior"])
        self.freeze(network.analyses)
        return network

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """As principal components, where the shape allows it."""
        assert isinstance(network, RecurrentAutoencoder)
        begin(network, crops)

    def require_start(self, model: Model) -> None:
        """UsageError unless a model is of this codec, with the same networks, as many iterations, and their shifts."""
        require_codec(model, "cnn-rnn-ae")
        config = RecurrentConfig.from_json(model.config)
        names = ("analysis", "synthesis", "shared", "shifts")
        require_same(*({name: getattr(each, name) for name in names} for each in (config, self.config)))

    def begin_from(self, network: torch.nn.Module, model: Model, crops: torch.Tensor) -> None:
        """Take the weights of the model, and let the estimates of bits begin as they fit the latents of the crops."""
        assert isinstance(network, RecurrentAutoencoder)
        config = RecurrentConfig.from_json(model.config)
        starts = []
        for at, synthesis in enumerate(config.synthesis_plans):
            tensors, (analysis, modules) = under(model.tensors, f"network{at}"), network.pair(at)
            begin_analysis(analysis, config.analysis_plan, tensors)
            bits = config.activation_bits[at], config.fraction_bits[at]
            starts.append(Start(synthesis, modules, tensors, *bits))
        begin_syntheses(starts)
        begin(network, crops, anew=False)

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """Distortion of three samples + price * bits a pixel, relative to the step, over all iterations."""
        coded, x = network(crops), pictures(crops)
        steps = numbers(self.steps, x.device)[:, None]
        total = stepped_loss(self.distortion(coded.pictures, x), coded.bits, steps, self.model["rate"]).mean()
        level = self.config.default_level
        return Loss(total, level_figures(coded, x, level), x, coded.pictures[level])

    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        """Return entropy models of all iterations, and the syntheses in integers."""
        assert isinstance(network, RecurrentAutoencoder)
        return export(network, tiles, self.model["dead_zone"], training, licence)
