"""Trains `block-dnn`: fully connected autoencoders over blocks, with ReLU or sigmoid.

The network starts at random, as in the literature, or as the PCA of the blocks: split into positive and negative
parts so that ReLU passes it, or scaled into the part of the sigmoid that is nearly linear. It is trained on what errors
cost (`measures`) plus, if wanted, a proxy of the rate and a penalty for latents that are active. At the export the
decoder is refitted to the quantised latents of every level (levels.py), by least squares: other measures shape the
latents alone. The entropy model is fitted then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from tilepress.codecs.learned.block.codec import BlockCodec
from tilepress.codecs.learned.block.decoder import load_layers
from tilepress.codecs.learned.block.dnn import BlockDnn, BlockDnnConfig
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.block.crops import block_pictures, plane_blocks
from tilepress.jobs.recipes.block.network import ACTIVATIONS, BlockAutoencoder
from tilepress.jobs.recipes.block.recipe import DEFAULTS, NOTES, BlockRecipe
from tilepress.jobs.recipes.export.beginning import require_codec, require_same
from tilepress.jobs.recipes.networks.distortion import WeightedDistortion, squared_error
from tilepress.jobs.recipes.picture_recipe import LOSSES
from tilepress.jobs.recipes.picture_recipe import NOTES as PICTURE_NOTES
from tilepress.jobs.recipes.recipe import Loss
from tilepress.pipeline.errors import UsageError

_LAYERS = 2  # of the encoder


class BlockDnnRecipe(BlockRecipe):
    """See the module; sizes of steps are in units of 1/256 of full scale."""

    codec: ClassVar[type[BlockCodec]] = BlockDnn
    defaults: ClassVar[Mapping[str, Any]] = {
        **DEFAULTS,
        "extra": 32,
        "activation": "relu",
        "init": "pca",
        "rate": 0.0,
        "proxy_step": 96.0,
        "sparsity": "none",
        "sparsity_weight": 1e-3,
        "sparsity_target": 0.05,
        "measures": LOSSES["measures"],
    }
    notes: ClassVar[Mapping[str, str]] = {
        **NOTES,
        "extra": "hidden neurons besides two for each latent",
        "activation": "of the hidden layer and of the latents: relu or sigmoid",
        "init": "the weights at first: pca, principal components; or random",
        "rate": "weight of a proxy of the bits: log2(1 + |z - mean z| / proxy_step) a latent z",
        "proxy_step": "the step of that proxy, in 1/256 of full scale",
        "sparsity": "what active latents cost: none; l1, mean |z|; kl (sigmoid only), divergence of mean activations",
        "sparsity_weight": "of that",
        "sparsity_target": "the mean activation that kl aims at (Ng 2011, CS294A)",
        "measures": PICTURE_NOTES["measures"],
    }
    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        LOSSES.keys() - {"measures"}, "its decoders are linear, and fitted by least squares when it is exported"
    )

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        self.distortion = WeightedDistortion(self.model["measures"])
        self.check("activation", ACTIVATIONS)
        self.check("init", ("pca", "random"))
        self.check("sparsity", ("none", "l1", "kl") if self.model["activation"] == "sigmoid" else ("none", "l1"))
        if not 0 < self.model["sparsity_target"] < 1 or self.model["extra"] < 0 or self.model["proxy_step"] <= 0:
            raise UsageError("model.sparsity_target must be within 0 and 1, extra not negative, proxy_step positive")

    def build(self) -> BlockAutoencoder:
        """Return the network with random orthogonal weights."""
        hidden = 2 * self.latents + self.model["extra"]
        return BlockAutoencoder(self.model["block"] ** 2, hidden, self.latents, self.model["activation"])

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """The PCA of the crops' blocks, if wanted."""
        assert isinstance(network, BlockAutoencoder)
        if self.model["init"] == "pca":
            network.begin_with_pca(plane_blocks(crops, self.model["block"]).flatten(0, 2))

    def require_start(self, model: Model) -> None:
        """UsageError unless a model is of this codec, with layers of the same sizes."""
        require_codec(model, "block-dnn")
        config, hidden = BlockDnnConfig.from_json(model.config), len(model.tensors["analysis0.weight"])
        if config.layers != _LAYERS:
            raise UsageError(f"the model to begin with has {config.layers} layers, and this recipe trains {_LAYERS}")
        theirs = {"block": config.block, "ratio": config.block**2 // config.latents, "activation": config.activation}
        require_same({**theirs, "extra": hidden - 2 * config.latents}, self.model)

    def begin_from(self, network: torch.nn.Module, model: Model, crops: torch.Tensor) -> None:
        """Take the encoder of the model; the decoder begins as the regression from its latents to the crops' blocks."""
        assert isinstance(network, BlockAutoencoder)
        blocks = plane_blocks(crops, self.model["block"]).flatten(0, 2)
        network.begin_with_encoder(load_layers(model, blocks.shape[1], _LAYERS, self.latents), blocks)

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """What errors of a block's samples cost + `rate` * proxy in bits + `sparsity_weight` * penalty."""
        blocks = plane_blocks(crops, self.model["block"])
        decoded, latents, scaled = network(blocks)
        pair = [block_pictures(each, crops.shape[2] // self.model["block"]) for each in (decoded, blocks)]
        total, figures = self.distortion(*pair).mean() * blocks.shape[-1], {"mse": squared_error(*pair).mean()}
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

    def encode(self, network: torch.nn.Module, blocks: torch.Tensor) -> torch.Tensor:
        """Return latents scaled by what they move in pixels."""
        assert isinstance(network, BlockAutoencoder)
        return network.scaled(blocks)

    def analysis(self, network: torch.nn.Module) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the tensors of the encoder."""
        assert isinstance(network, BlockAutoencoder)
        return network.analysis_tensors(), {"layers": _LAYERS, "activation": self.model["activation"]}
