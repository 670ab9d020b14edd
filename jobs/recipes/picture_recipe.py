"""What recipes share whose networks code whole pictures: what errors cost, a critic, an encoder that stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tilepress.jobs.recipes.networks.critic import GAMES, Adversary, plain_critic
from tilepress.jobs.recipes.networks.distortion import WEIGHTS, WeightedDistortion
from tilepress.jobs.recipes.recipe import Recipe
from tilepress.pipeline.errors import UsageError

LOSSES: Mapping[str, Any] = {  # keys of `model` that every such recipe has
    "measures": dict(WEIGHTS),  # what errors cost: weights of mse, l1, ms_ssim, features; 0 of those not named
    "adversarial": 0.0,  # weight of a critic that tells decoded pictures from real ones; 0: there is none
    "game": "wasserstein",  # or dcgan: what network and critic play
    "freeze": "none",  # or encoder: its weights stay as they begin, the decoder learns
}


class PictureRecipe(Recipe):
    """A recipe with the keys of LOSSES among its own."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        self.distortion = WeightedDistortion(self.model["measures"])
        if self.model["adversarial"] < 0 or self.model["game"] not in GAMES:
            raise UsageError(f"model.adversarial must be at least 0, and model.game one of {', '.join(GAMES)}")
        if self.model["freeze"] not in ("none", "encoder"):
            raise UsageError(f"model.freeze must be none or encoder, not {self.model['freeze']!r}")

    def adversary(self) -> Adversary | None:
        """Return the critic, if there is to be one."""
        weight = self.model["adversarial"]
        return Adversary(self.critic(), self.model["game"], weight) if weight else None

    def critic(self) -> torch.nn.Module:
        """Return the network that is played against, randomly initialised."""
        return plain_critic()

    def freeze(self, *encoder: torch.nn.Module) -> None:
        """Let parts of a network learn nothing, if the encoder is to stay; to be called when it is built."""
        for part in encoder:
            part.requires_grad_(self.model["freeze"] == "none")
