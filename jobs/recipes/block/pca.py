"""Fits `pca`: the principal components of blocks, and quantisers for them. Nothing is left to learn by steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from tilepress.codecs.learned.block.codec import BlockCodec
from tilepress.codecs.learned.block.pca import Pca
from tilepress.codecs.model import Model
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.jobs.recipes.block.crops import plane_blocks, sample_mse
from tilepress.jobs.recipes.block.levels import kmeans
from tilepress.jobs.recipes.block.recipe import DEFAULTS, NOTES, BlockRecipe
from tilepress.jobs.recipes.networks.pictures import principal_components
from tilepress.jobs.recipes.picture_recipe import LOSSES
from tilepress.jobs.recipes.recipe import Loss
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
        """Return the coefficients (..., K) of blocks (..., N)."""
        return (x - self.mean) @ self.basis.T

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return blocks (..., N) as K coefficients hold them."""
        return self.encode(x) @ self.basis + self.mean


class PcaRecipe(BlockRecipe):
    """See the module; sizes of steps are in units of 1/256 of full scale."""

    codec: ClassVar[type[BlockCodec]] = Pca
    defaults: ClassVar[Mapping[str, Any]] = {
        **DEFAULTS,
        "quantiser": "uniform",
    }
    notes: ClassVar[Mapping[str, str]] = {
        **NOTES,
        "quantiser": "of coefficients: uniform; or kmeans, a codebook for each",
    }
    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        LOSSES, "principal components are those of least squared error, and nothing is learned by steps"
    )

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        self.check("quantiser", ("uniform", "kmeans"))

    def build(self) -> PcaNetwork:
        """Return a network that has learned nothing."""
        return PcaNetwork(self.model["block"] ** 2, self.latents)

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """The whole training."""
        assert isinstance(network, PcaNetwork)
        mean, basis = principal_components(plane_blocks(crops, self.model["block"]).flatten(0, 2), self.latents)
        network.mean.copy_(mean)
        network.basis.copy_(basis)

    def require_start(self, model: Model) -> None:
        """UsageError: there is nothing to go on with."""
        raise UsageError("principal components are those of least squared error, not learned from a start")

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """Return the mean squared error of the unquantised coefficients."""
        blocks = plane_blocks(crops, self.model["block"])
        mse = sample_mse(network(blocks) - blocks)
        return Loss(mse, {"mse": mse})

    def encode(self, network: torch.nn.Module, blocks: torch.Tensor) -> torch.Tensor:
        """Return the coefficients of blocks."""
        assert isinstance(network, PcaNetwork)
        return network.encode(blocks)

    def analysis(self, network: torch.nn.Module) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the tensors of one linear layer."""
        assert isinstance(network, PcaNetwork)
        weight, bias = network.basis.numpy().copy(), (-network.basis @ network.mean).numpy().copy()
        return {"analysis0.weight": weight, "analysis0.bias": bias}, {"quantiser": self.model["quantiser"]}

    def quantiser(self, z: np.ndarray, gray: np.ndarray, step: float) -> Quantiser:
        """Return the quantiser: uniform, or a codebook for each coefficient."""
        return kmeans(z, step, seed=1) if self.model["quantiser"] == "kmeans" else super().quantiser(z, gray, step)
