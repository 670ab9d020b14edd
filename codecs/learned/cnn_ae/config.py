"""The configuration of a `cnn-ae` model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.learned.cut_config import CutConfig
from tilepress.codecs.learned.networks import SYNTHESIS, UNIT, NetworkPlan, plan
from tilepress.codecs.planes.rgb_inputs import CHANNELS, MIN_BITS

if TYPE_CHECKING:
    import torch

_MAX_STEP = 1 << 14


@dataclass(frozen=True)
class CnnConfig(CutConfig):
    """The `config` of a model.

    `analysis`, `synthesis`: see learned/networks.py. `block`, `overlap`, `margin`: see planes/tiling.py.
    `steps`: quantisation step of the latents at each level, coarse to fine, in units of 1 / UNIT.
    `strengths`: what the synthesis is told of each level in a channel of its own behind the latents, or nothing.
    `fraction_bits`: decoded pictures are in units of 2^-fraction_bits of full scale.
    """

    analysis: tuple[str, ...]
    synthesis: tuple[str, ...]
    block: int
    overlap: int
    steps: tuple[int, ...]
    strengths: tuple[int, ...]
    activation_bits: int
    fraction_bits: int
    margin: int = 0

    @cached_property
    def synthesis_plan(self) -> NetworkPlan:
        """From latents, and the level's strength where there is one, to pictures."""
        return plan(self.synthesis, self.latents + bool(self.strengths), SYNTHESIS)

    @property
    def level_count(self) -> int:
        """How many quality levels there are."""
        return len(self.steps)

    def synthesis_inputs(self, values: torch.Tensor, level: int) -> torch.Tensor:
        """Return latents (m, K, h, w) as the synthesis takes them: with the level's strength behind, if it is told."""
        import torch

        if not self.strengths:
            return values
        return torch.cat([values, torch.full_like(values[:, :1], self.strengths[level])], dim=1)

    def input_bounds(self, bounds: np.ndarray) -> np.ndarray:
        """Return max |input| of each channel of the synthesis; `bounds` (levels, K): of the latents at each level."""
        largest: np.ndarray = bounds.max(axis=0)
        return np.append(largest, max(self.strengths)) if self.strengths else largest

    def sane(self) -> bool:
        """Return whether all fields are within their range, and the networks fit together. ModelError."""
        steps = 1 <= len(self.steps) <= 16 and all(1 <= s <= _MAX_STEP for s in self.steps)
        told = len(self.strengths) in (0, len(self.steps)) and all(0 <= s <= UNIT for s in self.strengths)
        bits = 4 <= self.activation_bits <= 16 and 8 <= self.fraction_bits <= MIN_BITS + 4
        few = self.latents <= CHANNELS * self.analysis_plan.stride**2  # no more numbers than the picture has
        back = self.synthesis_plan.stride == self.analysis_plan.stride and self.synthesis_plan.outputs == CHANNELS
        return super().sane() and steps and told and bits and few and back and self.block >= 0 and self.cut.sane
