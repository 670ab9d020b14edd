"""Recipe of `rbm-autoencoder`: Boltzmann machines first, unrolled and trained on by back-propagation.

Loss: cross-entropy between the samples of a block, as probabilities, and what its codes decode to, or squared error.
Codes are rounded as the levels do it, every block at a level of its own, so that one network serves all of them. Blocks
may be moved and bent while it learns (warp.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch.nn import functional

from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.rbm.codec import RbmAutoencoder
from tilepress.codecs.learned.rbm.config import RbmConfig
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.block.crops import channels_of, export_blocks, plane_blocks, sample_mse
from tilepress.jobs.recipes.networks.numbers import numbers
from tilepress.jobs.recipes.picture_recipe import LOSSES
from tilepress.jobs.recipes.rbm.boltzmann import pretrain
from tilepress.jobs.recipes.rbm.export import Exporter
from tilepress.jobs.recipes.rbm.network import MirroredAutoencoder
from tilepress.jobs.recipes.rbm.warp import Warp
from tilepress.jobs.recipes.recipe import Loss, Recipe
from tilepress.pipeline.errors import UsageError

_SEED = 1  # of the machines


class RbmAutoencoderRecipe(Recipe):
    """See the module."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "colour": "gray",
        "block": 28,
        "layers": [1000, 500, 196],
        "quantisation_steps": [255],
        "default_level": 0,
        "quantiser": "uniform",
        "coder": "entropy",
        "start": "machines",
        "epochs": 10,
        "error": "cross_entropy",
        "shifts": 0,
        "warp": 0.0,
        "weight_bits": 8,
        "activation_bits": 10,
    }
    notes: ClassVar[Mapping[str, str]] = {
        "colour": "gray; or rgb, luma and colour differences through one network",
        "block": "side of the blocks, in samples",
        "layers": "neurons of the encoder's layers, the codes last; the decoder mirrors them",
        "quantisation_steps": "into how many a code's range, 0 to 1, is cut at each level, coarse to fine",
        "default_level": "which of them is taken where no quality is asked for; 0: the first",
        "quantiser": "of codes: uniform, whose steps divide 4080; or kmeans, a codebook for each code",
        "coder": "of codes: entropy; or fixed, a byte for each",
        "start": "the weights at first: machines; klt, principal components; random (Glorot); scaled, 4 times those",
        "epochs": "of contrastive divergence, for each machine",
        "error": "what errors cost: their cross_entropy, or squared",
        "shifts": "samples by which blocks are moved in training, at most",
        "warp": "samples by which blocks are bent in training, standard deviation",
        "weight_bits": "of the exported weights: 8 or 16",
        "activation_bits": "of the decoder's hidden layers",
    }
    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        LOSSES,
        "samples are probabilities here, and errors cost their cross-entropy, or their square with error=squared",
    )

    def __init__(self, model: Mapping[str, Any]) -> None:
        """UsageError unless the model describes a codec."""
        super().__init__(model)
        steps, bits = self.model["quantisation_steps"], self.model["weight_bits"]
        if steps != sorted(set(steps)):
            raise UsageError(f"model.quantisation_steps must rise: {steps}")
        if bits not in (8, 16) or self.model["epochs"] < 1:
            raise UsageError(f"model.weight_bits must be 8 or 16, not {bits}, and model.epochs 1 or more")
        if self.model["start"] not in ("machines", "klt", "random", "scaled"):
            raise UsageError(f"model.start must be machines, klt, random or scaled, not {self.model['start']!r}")
        if self.model["error"] not in ("cross_entropy", "squared"):
            raise UsageError(f"model.error must be cross_entropy or squared, not {self.model['error']!r}")
        if self.model["shifts"] < 0 or self.model["warp"] < 0:
            raise UsageError("model.shifts and model.warp must be at least 0")
        self.warp = Warp(self.model["shifts"], self.model["warp"])
        try:
            self.config = RbmConfig.from_json({**self.model, "steps": steps})
        except ModelError as exc:
            raise UsageError(f"model describes no codec: {exc}") from exc

    @property
    def channels(self) -> int:
        """1 or 3, by `colour`."""
        return channels_of(self.model)

    def build(self) -> MirroredAutoencoder:
        """Return the float network with random weights (Glorot and Bengio 2010)."""
        return MirroredAutoencoder((self.config.block**2, *self.config.layers))

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """Begin as machines trained on the blocks of the crops and unrolled, or as their principal components."""
        new, blocks = cast(MirroredAutoencoder, network), plane_blocks(crops, self.config.block).flatten(0, 2)
        if self.model["start"] == "machines":
            new.unroll(pretrain(blocks, self.config.layers, self.model["epochs"], _SEED))
        if self.model["start"] == "klt":
            new.begin_with_klt(blocks)
        if self.model["start"] == "scaled":
            new.begin_scaled(blocks.mean(dim=0))

    def require_start(self, model: Model) -> None:
        """UsageError: a model has but integers of the mirrored machines."""
        raise UsageError("rbm-autoencoder begins as Boltzmann machines, which no model holds (see the key start)")

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """Return what errors of a block cost: at random levels and warped in training, else at the default level."""
        blocks = plane_blocks(crops, self.config.block)
        steps = numbers(tuple(self.config.steps), blocks.device)
        levels = torch.full(blocks.shape[:3], self.config.default_level, device=blocks.device)
        if network.training:
            levels = torch.randint(0, len(steps), blocks.shape[:3], device=blocks.device)
            blocks = self.warp(blocks)
        logits = network(blocks, steps[levels][..., None]).float()
        errors = torch.sigmoid(logits) - blocks
        costs = errors.square()
        if self.model["error"] == "cross_entropy":  # in nats
            costs = functional.binary_cross_entropy_with_logits(logits, blocks, reduction="none")
        return Loss(costs.sum(dim=-1).mean(), {"mse": sample_mse(errors)})

    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        """Return integer layers, and the codebooks and probability tables of all levels, of the blocks of `tiles`."""
        blocks = torch.from_numpy(export_blocks(tiles, self.config.block)).flatten(0, 3)
        exporter = Exporter(cast(MirroredAutoencoder, network), self.config, self.model["weight_bits"])
        model = Model("rbm-autoencoder", self.config.to_json(), training, licence, exporter.tensors(blocks))
        RbmAutoencoder(model)  # proves that it is exact
        return model
