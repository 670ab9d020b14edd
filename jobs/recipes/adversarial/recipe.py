"""Trains `gan` and `gan-ae`: distortion and rate as cnn-ae, and a second decoder against a critic, jointly.

The second decoder minimises `distortion_weight` times its distortion plus `adversarial` times its loss in the
game (networks/critic.py); what it asks of the latents counts beside what the first decoder asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from tilepress.codecs.learned.adversarial.codec import ADVERSARIAL
from tilepress.codecs.learned.adversarial.config import AdversarialConfig
from tilepress.codecs.learned.cnn_ae.config import CnnConfig
from tilepress.codecs.learned.tensors import under
from tilepress.codecs.model import Model
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.codecs.planes.rgb_inputs import CHANNELS
from tilepress.jobs.recipes.adversarial.network import Decoded, TwoDecoders, begin_both, take_means
from tilepress.jobs.recipes.cnn_ae.network import Autoencoder
from tilepress.jobs.recipes.cnn_ae.recipe import CnnAeRecipe
from tilepress.jobs.recipes.export.beginning import Start, begin_syntheses
from tilepress.jobs.recipes.export.calibration import Sample
from tilepress.jobs.recipes.export.stepped import named
from tilepress.jobs.recipes.export.synthesis import export_synthesis
from tilepress.jobs.recipes.networks.critic import normalised_critic
from tilepress.jobs.recipes.networks.normalised import folded, pass_on, unnormalised, without_norms
from tilepress.jobs.recipes.networks.pictures import moved
from tilepress.jobs.recipes.networks.stepped_loss import FULL_SCALE
from tilepress.jobs.recipes.recipe import Loss
from tilepress.pipeline.errors import UsageError

_MOST_BITS = 8  # of latents that are stored as they are
_MOST_SHIFT = 3  # the smallest crops have 4 pixels a side, and what is mirrored must be there
_SEEN = 64  # crops whose means and variances normalisations begin with


class GanAeRecipe(CnnAeRecipe):
    """See the module, and cnn-ae. Of the synthesis, `norm` behind `conv` is batch normalisation."""

    codec_id: ClassVar[str] = "gan-ae"
    config_class: ClassVar[type[CnnConfig]] = AdversarialConfig
    defaults: ClassVar[Mapping[str, Any]] = {
        **CnnAeRecipe.defaults,
        "coder": "entropy",
        "game": "dcgan",
        "adversarial": 1.0,
        "distortion": "l2",
        "distortion_weight": 10.0,
        "shift": 0,
    }
    notes: ClassVar[Mapping[str, str]] = {
        **CnnAeRecipe.notes,
        "synthesis": "of both decoders: conv or beside CHANNELS SIZE, norm, relu, up (by 2), shuffle or repeat R",
        "adversarial": "weight of the critic of the second decoder; 0: there is none",
        "coder": "of latents: entropy, or fixed: as many bits a latent as `bits` says",
        "distortion": "of the adversarial decoder: l2, squared error; l1, absolute error",
        "distortion_weight": "of its mean over samples, full scale being 1",
        "shift": "pixels that batches are moved by at random, mirrored at the edges: more of few small images",
    }

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        wrong = [key for key, known in _KNOWN.items() if self.model[key] not in known]
        if wrong:
            raise UsageError(f"model.{wrong[0]} must be one of {', '.join(_KNOWN[wrong[0]])}")
        if self.model["coder"] == "fixed" and not 1 <= self.model["bits"] <= _MOST_BITS:
            raise UsageError(f"model.coder fixed stores as many bits a latent as model.bits says: 1 to {_MOST_BITS}")
        if self.model["distortion_weight"] < 0 or not 0 <= self.model["shift"] <= _MOST_SHIFT:
            raise UsageError(f"model.distortion_weight must be at least 0, and model.shift from 0 to {_MOST_SHIFT}")

    def operations(self) -> list[str]:
        """Return the operations of both syntheses, without batch normalisation. ModelError."""
        return without_norms(self.model["synthesis"])

    def build(self) -> TwoDecoders:
        """Return the network, randomly initialised."""
        network = TwoDecoders(self.shape, self.model["synthesis"])
        self.freeze(network.base.analysis)
        return network

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """As principal components, where the shape allows it."""
        assert isinstance(network, TwoDecoders)
        begin_both(network, crops)

    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """Loss of cnn-ae, and the distortion of the adversarial decoder."""
        if network.training and self.model["shift"]:
            crops = moved(crops, self.model["shift"])
        step = self.steps_of(crops, network.training)
        coded: Decoded = network(crops, step)
        apart = coded.made - coded.real
        distortion = apart.abs().mean() if self.model["distortion"] == "l1" else apart.square().mean()
        total, figures = self.coding_loss(coded.pictures, coded.bits, crops, step)
        figures["view_mse"] = apart.square().mean() * FULL_SCALE
        return Loss(total + self.model["distortion_weight"] * distortion, figures, coded.real, coded.made)

    def begin_from(self, network: torch.nn.Module, model: Model, crops: torch.Tensor) -> None:
        """Take the weights of the model, of both decoders."""
        assert isinstance(network, TwoDecoders)
        super().begin_from(network, model, crops)
        bits = AdversarialConfig.from_json(model.config).adversarial_bits
        tensors, modules = under(model.tensors, ADVERSARIAL), unnormalised(network.adversarial)
        begin_syntheses([Start(self.shape.synthesis, modules, tensors, *bits)])
        self.let_pass(network, crops)

    def let_pass(self, network: TwoDecoders, crops: torch.Tensor) -> None:
        """Let normalisations change nothing, at first, about what both decoders make of crops."""
        some = crops[:_SEEN]
        _, inputs, _ = network.base.coded(some, self.steps_of(some, training=False))
        for decoder in (network.base.synthesis, network.adversarial):
            pass_on(decoder, inputs)

    def autoencoder(self, network: torch.nn.Module) -> Autoencoder:
        """Return everything but the adversarial decoder."""
        assert isinstance(network, TwoDecoders)
        return network.base

    def more(
        self, network: torch.nn.Module, bounds: np.ndarray, samples: Sequence[Sample]
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the second synthesis, and what the configuration says of it."""
        assert isinstance(network, TwoDecoders)
        exported = export_synthesis(self.shape.synthesis, folded(network.adversarial), bounds, samples)
        fields = {"adversarial_bits": [exported.activation_bits, exported.fraction_bits], "coder": self.model["coder"]}
        if self.model["coder"] == "fixed":
            fields["bits"] = self.model["bits"]
        return named(ADVERSARIAL, exported.tensors), fields

    def coder_tensors(self, quantisers: Sequence[Quantiser], latents: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        """Return the tensors of cnn-ae; none of latents that are stored as they are."""
        return {} if self.model["coder"] == "fixed" else super().coder_tensors(quantisers, latents, seed)


class GanRecipe(GanAeRecipe):
    """See the module: the latents are means of 4 x 4 pixels for good."""

    codec_id: ClassVar[str] = "gan"
    defaults: ClassVar[Mapping[str, Any]] = {
        **GanAeRecipe.defaults,
        "analysis": ["unshuffle 4", "conv 3 1"],
        "synthesis": ["conv 48 3", "relu", "beside 48 3", "conv 64 3", "relu", "conv 48 3", "shuffle 4"],
    }

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        kinds = [each.kind for each in self.shape.analysis.operations]
        if kinds != ["unshuffle", "conv"] or self.shape.analysis.outputs != CHANNELS:
            raise UsageError("model.analysis of gan is unshuffle R and conv 3 1: the means of R x R pixels")

    def build(self) -> TwoDecoders:
        """Return the network, its encoder fixed."""
        network = super().build()
        take_means(network)
        return network

    def critic(self) -> torch.nn.Module:
        """Return the network that is played against, randomly initialised."""
        return normalised_critic()

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:
        """Leave the network as it was built: it repeats means, and normalisations pass those on."""
        assert isinstance(network, TwoDecoders)
        self.let_pass(network, crops)


_KNOWN = {"coder": ("entropy", "fixed"), "distortion": ("l1", "l2")}
