"""`gan` and `gan-ae`: autoencoders with a decoder that was trained against a critic.

Both are networks as those of cnn-ae, their latents quantised and cut alike, stored in 8 bits each, as published, in
fewer, or entropy-coded. A model has two decoders of one shape over the same latents: one of least squared error, whose
tiles are the base, and one that was trained to deceive a critic (Goodfellow et al., "Generative adversarial nets",
2014), whose tiles are view `adversarial`: sharper, and farther from the source. A critic is a way of training alone
(jobs/recipes/adversarial): no model holds one.

`gan`: the latents are the block, down-sampled: the means of 4 x 4 pixels. `gan-ae`: the encoder is learned, too.

The published configurations: 32 x 32 RGB pixels become 8 x 8 latents of 3 channels and 8 bits: 3,072 to 192 bytes.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tilepress.codecs.entropy.latent_coder import LATENTS
from tilepress.codecs.integer.network import IntegerNetwork
from tilepress.codecs.learned.adversarial.config import AdversarialConfig
from tilepress.codecs.learned.cnn_ae.codec import CnnAe
from tilepress.codecs.learned.coders import FixedLatents, stepped_quantiser
from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.grids import joinable
from tilepress.codecs.learned.leveled import Level
from tilepress.codecs.learned.networks import load_synthesis
from tilepress.codecs.learned.tensors import under

ADVERSARIAL = "adversarial"  # the view, and the prefix of its tensors


class GanAe(CnnAe):
    """See the module. Latents of a tile: int16 (pictures, rows, columns, K)."""

    codec_id: ClassVar[str] = "gan-ae"
    summary: ClassVar[str] = "convolutional autoencoder (learned), with a view that was trained against a critic"
    magic: ClassVar[bytes] = b"GE"
    config_class: ClassVar[type[LeveledConfig]] = AdversarialConfig
    config: AdversarialConfig
    views: tuple[str, ...] = (ADVERSARIAL,)

    def load_level(self, number: int) -> Level:
        """Return the level: of tensors, as that of cnn-ae, or of bits alone. ModelError."""
        config = self.config
        if config.coder == "entropy":
            return super().load_level(number)
        top, none = np.full(config.latents, config.top(number)), np.zeros(config.latents, np.int64)
        quantiser = stepped_quantiser(config.steps[number], none, top, none.astype(np.float32))
        return Level(number, {LATENTS: quantiser}, FixedLatents(config.top(number), -1, config.bits))

    def load_networks(self) -> None:
        """Load the analysis and both syntheses, proven for the latents of all levels. ModelError."""
        super().load_networks()
        tensors, (bits, fraction_bits) = under(self.model.tensors, ADVERSARIAL), self.config.adversarial_bits
        steps = load_synthesis(self.config.synthesis_plan, tensors, bits)
        self._adversarial = joinable(IntegerNetwork(steps, self.bounds, self.device), fraction_bits)

    @property
    def synthesis(self) -> IntegerNetwork:
        """The decoder of tiles, or that of the view."""
        return self._adversarial if self.view_name == ADVERSARIAL else super().synthesis

    @property
    def fraction_bits(self) -> int:
        """Pictures come out of `synthesis` in units of 2^-fraction_bits."""
        return self.config.adversarial_bits[1] if self.view_name == ADVERSARIAL else super().fraction_bits


class Gan(GanAe):
    """See the module: the analysis of its models takes means."""

    codec_id: ClassVar[str] = "gan"
    summary: ClassVar[str] = "down-sampled pictures and two generators of the rest (learned), one against a critic"
    magic: ClassVar[bytes] = b"GN"
