"""The configuration of the models of the block codecs."""

from __future__ import annotations

from dataclasses import dataclass

from tilepress.codecs.learned.config import LeveledConfig

_MIN_BITS, _MAX_BITS = 18, 22  # fraction bits; 17 bits of colour difference must fit below them


@dataclass(frozen=True)
class BlockConfig(LeveledConfig):
    """The `config` of a model; families add fields, with defaults where they came later.

    `steps`: quantisation step of the latents at each level, coarse to fine, where a block's pixels are in [0, 1].
    """

    block: int
    latents: int
    steps: tuple[float, ...]
    fraction_bits: int

    @property
    def level_count(self) -> int:
        """How many quality levels there are."""
        return len(self.steps)

    def sane(self) -> bool:
        """Return whether all fields are within their range."""
        steps = 1 <= len(self.steps) <= 16 and all(1e-6 < s < 1e6 for s in self.steps)
        shape = 2 <= self.block <= 64 and 1 <= self.latents <= min(self.block**2, 1024)
        return super().sane() and shape and steps and _MIN_BITS <= self.fraction_bits <= _MAX_BITS
