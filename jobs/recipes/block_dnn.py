"""Trains `block-dnn`: fully connected autoencoders over blocks, with ReLU or sigmoid.

The network starts at random, as in the literature, or as the PCA of the blocks: split into positive and negative
parts so that ReLU passes it, or scaled into the part of the sigmoid that is nearly linear. It is trained on the mean
squared error plus, if wanted, a proxy of the rate and a penalty for latents that are active. At the export the decoder
is refitted to the quantised latents of every level (block_levels.py), and the entropy model is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from tilepress.codecs.block_dnn import BlockDnn, BlockDnnConfig
from tilepress.codecs.model import Model
from tilepress.jobs.recipe import Loss, Recipe
from tilepress.jobs.recipes.block_crops import (
    channels_of,
    export_blocks,
    in_parts,
    latents_of,
    plane_blocks,
    sample_mse,
)
from tilepress.jobs.recipes.block_levels import level_tensors, uniform
from tilepress.jobs.recipes.block_network import ACTIVATIONS, BlockAutoencoder
from tilepress.pipeline.errors import UsageError


class BlockDnnRecipe(Recipe):
    """See the module; sizes of steps are in units of 1/256 of full scale."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "colour": "rgb",  # rgb: luma and colour differences through one network; gray
        "block": 16,
        "ratio": 16,  # samples of a block for one latent
        "extra": 32,  # hidden neurons besides 2 K
        "activation": "relu",  # or sigmoid: of the hidden layer and of the latents
        "init": "pca",  # or random
        "rate": 0.0,  # weight of the proxy of the rate, log2(1 + |z - mean z| / proxy_step) a latent
        "proxy_step": 96.0,
        "sparsity": "none",  # l1: mean |z|; kl (sigmoid only): KL divergence of mean activations (Ng 2011, CS294A)
        "sparsity_weight": 1e-3,
        "sparsity_target": 0.05,  # of kl
        "quantisation_steps": [256.0, 128.0, 64.0, 32.0, 24.0, 16.0, 12.0, 8.0],  # of the levels, coarse to fine
        "default_level": 1,
    }

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        self.latents = latents_of(self.model)
        self._check("activation", ACTIVATIONS)
        self._check("init", ("pca", "random"))
        self._check("sparsity", ("none", "l1", "kl") if self.model["activation"] == "sigmoid" else ("none", "l1"))
        check_levels(self.model)
        if not 0 < self.model["sparsity_target"] < 1 or self.model["extra"] < 0 or self.model["proxy_step"] <= 0:
            raise UsageError("model.sparsity_target must be within 0 and 1, extra not negative, proxy_step positive")

    @property
    def channels(self) -> int:
        """1 or 3, by `colour`."""
        return channels_of(self.model)

    def build(self) -> BlockAutoencoder:
        """Random orthogonal weights."""
        hidden = 2 * self.latents + self.model["extra"]
        return BlockAutoencoder(self.model["block"] ** 2, hidden, self.latents, self.model["activation"])

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """The PCA of the crops' blocks, if wanted."""
        assert isinstance(network, BlockAutoencoder)
        if self.model["init"] == "pca":
            network.begin_with_pca(plane_blocks(crops, self.model["block"]).flatten(0, 2))

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """Squared error of a block's samples + `rate` * proxy in bits + `sparsity_weight` * penalty."""
        blocks = plane_blocks(crops, self.model["block"])
        decoded, latents, scaled = network(blocks)
        mse = sample_mse(decoded - blocks)
        total, figures = mse * blocks.shape[-1], {"mse": mse}
        if self.model["rate"]:
            rest = scaled.detach().mean(dim=(0, 1, 2))
            bits = torch.log2(1 + (scaled - rest).abs() * (256 / self.model["proxy_step"])).sum(dim=-1).mean()
            total = total + self.model["rate"] * bits
            figures["proxy_bits"] = bits  # a block
        if self.model["sparsity"] != "none":
            figures["sparsity"] = self._penalty(latents)
            total = total + self.model["sparsity_weight"] * figures["sparsity"]
        return Loss(total, figures)

    def _penalty(self, latents: torch.Tensor) -> torch.Tensor:
        """The sum over latents of what `sparsity` says."""
        if self.model["sparsity"] == "l1":
            return latents.abs().mean(dim=(0, 1, 2)).sum()
        target = self.model["sparsity_target"]
        mean = latents.mean(dim=(0, 1, 2)).clamp(1e-6, 1 - 1e-6)
        active, idle = torch.log(target / mean), torch.log((1 - target) / (1 - mean))
        total: torch.Tensor = (target * active + (1 - target) * idle).sum()
        return total

    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        """Latents scaled by what they move in pixels, quantised at every level, and the levels fitted to them."""
        assert isinstance(network, BlockAutoencoder)
        blocks = export_blocks(tiles, self.model["block"])
        z = in_parts(network.scaled, blocks)
        gray = in_parts(network.scaled, np.full((1, blocks.shape[-1]), 0.5, np.float32))[0]
        steps = [step / 256 for step in self.model["quantisation_steps"]]
        tensors, bits = level_tensors([uniform(z, gray.astype(np.float64), s) for s in steps], z, blocks, seed=1)
        level, activation = self.model["default_level"], self.model["activation"]
        config = BlockDnnConfig(self.model["block"], self.latents, tuple(steps), level, bits, 2, activation)
        model = Model("block-dnn", config.to_json(), training, licence, tensors | network.analysis_tensors())
        BlockDnn(model)  # proves that it is exact
        return model

    def _check(self, key: str, known: Sequence[str]) -> None:
        if self.model[key] not in known:
            raise UsageError(f"model.{key} must be one of {', '.join(known)}, not {self.model[key]!r}")


def check_levels(model: Mapping[str, Any]) -> None:
    """UsageError unless `quantisation_steps` fall and `default_level` is one of them."""
    steps = model["quantisation_steps"]
    if not 1 <= len(steps) <= 16 or min(steps) < 0.5 or steps != sorted(set(steps), reverse=True):
        raise UsageError(f"model.quantisation_steps must be 1 to 16 numbers that fall, 0.5 or more: {steps}")
    if not 0 <= model["default_level"] < len(steps):
        raise UsageError(f"model.default_level must be 0 to {len(steps) - 1}, the place of one of quantisation_steps")
