"""The configuration of a `cnn-rnn-ae` model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.learned.cut_config import CutConfig
from tilepress.codecs.learned.networks import SYNTHESIS, NetworkPlan, plan
from tilepress.codecs.planes.rgb_inputs import CHANNELS, MIN_BITS

if TYPE_CHECKING:
    import torch

MAX_STEP = 1 << 14
_MAX_ITERATIONS, _MAX_SHIFT = 8, 8


@dataclass(frozen=True)
class RecurrentConfig(CutConfig):
    """The `config` of a model.

    `analysis`, `synthesis`: of each iteration, see learned/networks.py. `block`, `overlap`, `margin`: see
    planes/tiling.py. `shared`: all iterations have the same two networks. If not, each has its own, and its synthesis
    sees the latents of all iterations up to it.
    `steps`: quantisation step of the latents of each iteration, in units of 1 / UNIT.
    `shifts`: iteration i sees, and decodes, 2^shifts[i] times the error that is left.
    `activation_bits`, `fraction_bits`: of each synthesis; what it decodes is in units of 2^-fraction_bits.
    """

    analysis: tuple[str, ...]
    synthesis: tuple[str, ...]
    shared: bool
    block: int
    overlap: int
    margin: int
    steps: tuple[int, ...]
    shifts: tuple[int, ...]
    activation_bits: tuple[int, ...]
    fraction_bits: tuple[int, ...]

    @cached_property
    def synthesis_plans(self) -> list[NetworkPlan]:
        """From latents to errors: of each synthesis."""
        seen = [1] if self.shared else range(1, 1 + self.iterations)
        return [plan(self.synthesis, self.latents * count, SYNTHESIS) for count in seen]

    @property
    def iterations(self) -> int:
        """How many times the autoencoder is applied, at most."""
        return len(self.steps)

    @property
    def level_count(self) -> int:
        """As many as there are iterations: each level stops after one more."""
        return self.iterations

    @property
    def networks(self) -> list[int]:
        """The number of the networks that each iteration has."""
        return [0] * self.iterations if self.shared else list(range(self.iterations))

    @cached_property
    def errors_bits(self) -> list[int]:
        """Fraction bits of what each iteration decodes, its shift undone."""
        return [self.fraction_bits[at] + shift for at, shift in zip(self.networks, self.shifts, strict=True)]

    @property
    def picture_bits(self) -> int:
        """Fraction bits of decoded pictures."""
        return max(MIN_BITS, *self.errors_bits)

    def inputs_of(self, values: list[torch.Tensor]) -> torch.Tensor:
        """Return what the synthesis of the last iteration takes, given the latents (m, K, h, w) of all up to it."""
        import torch

        return values[-1] if self.shared else torch.cat(values, dim=1)

    def bounds_of(self, bounds: list[np.ndarray]) -> list[np.ndarray]:
        """Return max |input| of each synthesis, given that of the latents (K,) of each iteration."""
        if self.shared:
            return [np.max(bounds, axis=0)]
        return [np.concatenate(bounds[: 1 + at]) for at in range(self.iterations)]

    def sane(self) -> bool:
        """Return whether all fields are within their range, and the networks fit together. ModelError."""
        if not 1 <= self.iterations <= _MAX_ITERATIONS or len(self.shifts) != self.iterations:
            return False
        syntheses = self.synthesis_plans
        if not len(self.activation_bits) == len(self.fraction_bits) == len(syntheses):
            return False
        steps = all(1 <= step <= MAX_STEP for step in self.steps) and all(0 <= s <= _MAX_SHIFT for s in self.shifts)
        bits = all(4 <= b <= 16 for b in self.activation_bits) and all(8 <= b <= 20 for b in self.fraction_bits)
        few = self.latents <= CHANNELS * self.analysis_plan.stride**2  # no more numbers than the picture has
        back = all(p.stride == self.analysis_plan.stride and p.outputs == CHANNELS for p in syntheses)
        return super().sane() and steps and bits and few and back and self.block >= 0 and self.cut.sane
