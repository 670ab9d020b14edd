"""Recipe of `gdn-factorized`: rate-distortion training of one convolutional network for several rates.

Loss: lambda * 255^2 * distortion + bits per pixel, averaged over a batch in which every crop has a level, and with it a
lambda, of its own. Every eighth crop is gray: planes that are not RGB are coded as gray pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import torch

from tilepress.codecs.learned.divisive import ALIGNMENT
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.export.beginning import require_codec, require_same
from tilepress.jobs.recipes.gdn.beginning import begin_transform
from tilepress.jobs.recipes.gdn.network import GdnNetwork
from tilepress.jobs.recipes.networks.distortion import squared_error
from tilepress.jobs.recipes.networks.numbers import numbers
from tilepress.jobs.recipes.networks.pictures import pictures
from tilepress.jobs.recipes.picture_recipe import LOSSES, NOTES, PictureRecipe
from tilepress.jobs.recipes.recipe import Loss
from tilepress.pipeline.errors import UsageError

_KLT_CROPS = 300
_GRAY_EVERY = 8


class GdnFactorizedRecipe(PictureRecipe):
    """`channels`: of the two inner stages and of the latents. `rates`: lambda of every level, coarse to fine."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "channels": [64, 96, 256],
        "rates": [0.003, 0.0067, 0.015, 0.034, 0.076, 0.17],
        "default_level": 3,
        **LOSSES,
    }
    notes: ClassVar[Mapping[str, str]] = {
        **NOTES,
        "channels": "after each of the three stages of the analysis, the latents last",
        "rates": "what squared error costs beside bits a pixel, of each level, coarse to fine: samples are 0 to 255",
        "default_level": "which of them is taken where no quality is asked for; 0: the first",
    }
    refused: ClassVar[Mapping[str, str]] = {"prior": "its bits are always estimated by a factorised density"}

    def __init__(self, model: Mapping[str, Any]) -> None:
        """UsageError unless the model describes a codec."""
        super().__init__(model)
        channels, rates, default = (self.model[key] for key in ("channels", "rates", "default_level"))
        if len(channels) != 3 or min(channels) < 1 or max(channels) > 1024:
            raise UsageError(f"channels must be three numbers from 1 to 1024, not {channels}")
        if not 1 <= len(rates) <= 32 or min(rates) <= 0 or not 0 <= default < len(rates):
            raise UsageError(
                f"rates must be up to 32 numbers above 0, and default_level one of them: {rates}, {default}"
            )

    @property
    def crop_unit(self) -> int:
        """The side of what one latent stands for."""
        return ALIGNMENT

    def build(self) -> torch.nn.Module:
        """Return the float network."""
        first, second, latents = self.model["channels"]
        network = GdnNetwork((first, second, latents), len(self.model["rates"]))
        self.freeze(network.analysis)
        return network

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """KLTs of the crops, with the quantisation step that suits each lambda at high rate."""
        rates = numbers(tuple(self.model["rates"]), crops.device)
        steps = 0.9 * torch.sqrt(18 / np.log(2) / 255**2 / rates)
        cast(GdnNetwork, network).begin(pictures(crops[:_KLT_CROPS]), steps)

    def require_start(self, model: Model) -> None:
        """UsageError unless a model is of this codec, with as many channels and levels."""
        require_codec(model, "gdn-factorized")
        require_same({"channels": model.config["channels"]}, self.model)
        levels = model.config["levels"]
        if levels != len(self.model["rates"]):
            raise UsageError(f"the model to begin with has {levels} levels: set as many rates")

    def begin_from(self, network: torch.nn.Module, model: Model, crops: torch.Tensor) -> None:
        """Take weights and gains of the model, and let the density begin as it fits the latents of the crops."""
        assert isinstance(network, GdnNetwork)
        begin_transform(network, model)
        network.begin_density(network.latents(pictures(crops[:_KLT_CROPS])))

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """Random levels in training; all levels in turn otherwise."""
        x = pictures(crops)
        rates = numbers(tuple(self.model["rates"]), x.device)
        if network.training:
            x[::_GRAY_EVERY] = x[::_GRAY_EVERY].mean(dim=1, keepdim=True)
            levels = torch.randint(0, len(rates), (len(x),), device=x.device)
        else:
            levels = torch.arange(len(x), device=x.device) % len(rates)
        coded = network(x.contiguous(memory_format=torch.channels_last), levels)
        total = (rates[levels] * 255**2 * self.distortion(coded.pictures, x) + coded.bits).mean()
        figures = {"mse": squared_error(coded.pictures, x).mean(), "bpp": coded.bits.mean()}
        return Loss(total, figures, x, coded.pictures)

    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        """Return integer synthesis, tables counted from the quantised latents of `tiles`, float analysis."""
        from tilepress.jobs.recipes.gdn.export import export

        return export(cast(GdnNetwork, network), tiles, self.model, training, licence)
