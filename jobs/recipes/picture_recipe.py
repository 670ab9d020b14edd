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
    "measures": dict(WEIGHTS),
    "adversarial": 0.0,
    "game": "wasserstein",
    "freeze": "none",
}
STEPPED: Mapping[str, Any] = {  # those, and the keys of recipes whose latents are quantised in the steps of levels
    "margin": 3,
    "default_level": 2,
    "dead_zone": 0.1,
    "rate": 1.0,
    "prior": "context",
    **LOSSES,
}
NOTES: Mapping[str, str] = {  # of those keys, and of others that several such recipes have
    "analysis": "from pictures to latents, an operation each: conv CHANNELS SIZE, relu, pool (by 2), unshuffle R",
    "synthesis": "from latents to pictures: conv or beside CHANNELS SIZE, relu, up (by 2), shuffle or repeat R",
    "block": "side of the blocks that pictures are cut into; 0: whole pictures",
    "overlap": "pixels that neighbouring blocks share",
    "margin": "latents replicated around whole pictures; as far as the synthesis sees",
    "dead_zone": "of latents that are mostly 0, in steps; 0: plain rounding",
    "rate": "what bits cost, relative to a uniform quantiser; 0: distortion alone",
    "prior": "how bits are estimated: context, from neighbours; factorized, each channel by itself",
    "measures": "weights of what errors cost: squared error, absolute error, 1 - MS-SSIM, distance of features",
    "adversarial": "weight of a critic that tells decoded pictures from real ones; 0: there is none",
    "game": "what network and critic play: wasserstein or dcgan",
    "freeze": "encoder: its weights stay as they begin, the decoder learns; none: both learn",
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
