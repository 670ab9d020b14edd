"""The configuration of the models of `gan` and `gan-ae`."""

from __future__ import annotations

from dataclasses import dataclass

from tilepress.codecs.learned.cnn_ae.config import CnnConfig
from tilepress.codecs.planes.rgb_inputs import MIN_BITS


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig(CnnConfig):
    """The `config` of a model: that of cnn-ae, and of a second synthesis of the same operations.

    `adversarial_bits`: activation bits and fraction bits of the second synthesis. `coder`: fixed or entropy. `bits`: of
    a latent that is fixed.
    """

    adversarial_bits: tuple[int, int]
    coder: str
    bits: int = 8

    def top(self, level: int) -> int:
        """Return the largest symbol at a level, of fixed latents: all levels have one range."""
        return ((1 << self.bits) - 1) * self.steps[-1] // self.steps[level]

    def sane(self) -> bool:
        """Return whether all fields are within their range, and the networks fit together. ModelError."""
        activation, fraction = self.adversarial_bits
        bits = 4 <= activation <= 16 and 8 <= fraction <= MIN_BITS + 4
        falling = self.coder == "entropy" or list(self.steps) == sorted(self.steps, reverse=True)
        return super().sane() and bits and falling and 1 <= self.bits <= 8 and self.coder in ("fixed", "entropy")
