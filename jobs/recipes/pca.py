"""Fits `pca`: the principal components of blocks, and quantisers for them. Nothing is left to learn by steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from tilepress.codecs.model import Model
from tilepress.codecs.pca import Pca, PcaConfig
from tilepress.jobs.recipe import Loss, Recipe
from tilepress.jobs.recipes.block_crops import (
    channels_of,
    export_blocks,
    in_parts,
    latents_of,
    plane_blocks,
    principal_components,
    sample_mse,
)
from tilepress.jobs.recipes.block_dnn import check_levels
from tilepress.jobs.recipes.block_levels import Quantisation, kmeans, level_tensors, uniform
from tilepress.pipeline.errors import UsageError


class PcaNetwork(torch.nn.Module):
    """x -> basis^T basis (x - mean) + mean, over the last axis. Begins with the first K samples of a block."""

    def __init__(self, size: int, latents: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("basis", torch.eye(size)[:latents].clone())
        self.mean: torch.Tensor
        self.basis: torch.Tensor

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Blocks (..., N) to coefficients (..., K)."""
        return (x - self.mean) @ self.basis.T

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Blocks (..., N) to what K coefficients hold of them."""
        return self.encode(x) @ self.basis + self.mean


class PcaRecipe(Recipe):
    """See the module; sizes of steps are in units of 1/256 of full scale."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "colour": "rgb",  # rgb: luma and colour differences in one transform; gray
        "block": 16,
        "ratio": 16,  # samples of a block for one coefficient
        "quantiser": "uniform",  # or kmeans: a codebook for each coefficient
        "quantisation_steps": [256.0, 128.0, 64.0, 32.0, 24.0, 16.0, 12.0, 8.0],  # of the levels, coarse to fine
        "default_level": 1,
    }

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        self.latents = latents_of(self.model)
        check_levels(self.model)
        if self.model["quantiser"] not in ("uniform", "kmeans"):
            raise UsageError(f"model.quantiser must be uniform or kmeans, not {self.model['quantiser']!r}")

    @property
    def channels(self) -> int:
        """1 or 3, by `colour`."""
        return channels_of(self.model)

    def build(self) -> PcaNetwork:
        """Without anything learned."""
        return PcaNetwork(self.model["block"] ** 2, self.latents)

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """The whole training."""
        assert isinstance(network, PcaNetwork)
        mean, basis = principal_components(plane_blocks(crops, self.model["block"]).flatten(0, 2), self.latents)
        network.mean.copy_(mean)
        network.basis.copy_(basis)

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """The mean squared error of the unquantised coefficients."""
        blocks = plane_blocks(crops, self.model["block"])
        mse = sample_mse(network(blocks) - blocks)
        return Loss(mse, {"mse": mse})

    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        """Quantisers, decoders and entropy models of all levels."""
        assert isinstance(network, PcaNetwork)
        blocks = export_blocks(tiles, self.model["block"])
        z = in_parts(network.encode, blocks)
        gray = in_parts(network.encode, np.full((1, blocks.shape[-1]), 0.5, np.float32))[0].astype(np.float64)
        steps = [step / 256 for step in self.model["quantisation_steps"]]
        tensors, bits = level_tensors([self._quantisation(z, gray, step) for step in steps], z, blocks, seed=1)
        tensors["analysis0.weight"] = network.basis.numpy().copy()
        tensors["analysis0.bias"] = (-network.basis @ network.mean).numpy().copy()
        level, quantiser = self.model["default_level"], self.model["quantiser"]
        config = PcaConfig(self.model["block"], self.latents, tuple(steps), level, bits, quantiser)
        model = Model("pca", config.to_json(), training, licence, tensors)
        Pca(model)  # proves that it is exact
        return model

    def _quantisation(self, z: np.ndarray, gray: np.ndarray, step: float) -> Quantisation:
        return uniform(z, gray, step) if self.model["quantiser"] == "uniform" else kmeans(z, step, seed=1)
