"""The configuration of a `cae` model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.networks import ANALYSIS, SYNTHESIS, NetworkPlan, plan
from tilepress.codecs.planes.rgb_inputs import CHANNELS
from tilepress.codecs.planes.tiling import Tiling

HEAD = 3  # side of the convolutions to latents and from latents
_MAX_STEP, _MAX_UNITS = 1 << 14, 4
Parts = list[tuple[str, int]]  # prefix of tensors, number of convolutions


@dataclass(frozen=True)
class CaeConfig(LeveledConfig):
    """The `config` of a model: units are counted from the picture, levels from the deepest unit.

    `down`, `up`: operations of each unit, see learned/networks.py: from what is before it to its features, and back.
    `latents`: channels of latents behind each unit. `steps`: their quantisation step, in units of 1 / UNIT.
    `margin`: latents that are replicated around a picture, at each level.
    `fraction_bits`: decoded pictures are in units of 2^-fraction_bits of full scale.
    """

    down: tuple[tuple[str, ...], ...]
    up: tuple[tuple[str, ...], ...]
    latents: tuple[int, ...]
    steps: tuple[int, ...]
    margin: int
    activation_bits: int
    fraction_bits: int

    @property
    def level_count(self) -> int:
        """One for each unit."""
        return len(self.down)

    def unit_of(self, level: int) -> int:
        """Return the unit whose latents a quality level codes: the deepest is level 0."""
        return self.level_count - 1 - level

    @cached_property
    def features(self) -> list[int]:
        """Channels before the first unit, and behind each."""
        return list(accumulate(self.down, lambda inputs, unit: plan(unit, inputs, ANALYSIS).outputs, initial=CHANNELS))

    def down_plan(self, unit: int) -> NetworkPlan:
        """Return the operations of a down-sampling unit."""
        return plan(self.down[unit], self.features[unit], ANALYSIS)

    def up_plan(self, unit: int) -> NetworkPlan:
        """Return the operations of an up-sampling unit."""
        return plan(self.up[unit], self.features[unit + 1], SYNTHESIS)

    def analysis_plan(self, unit: int) -> NetworkPlan:
        """Return the operations from pictures to the latents of a unit: down-sampling units, and a head."""
        downs = [operation for u in range(unit + 1) for operation in self.down[u]]
        return plan([*downs, *self.head(unit)], CHANNELS, ANALYSIS)

    def synthesis_plan(self, unit: int) -> NetworkPlan:
        """Return the operations from the latents of a unit to pictures: an entry, and up-sampling units."""
        ups = [operation for u in range(unit, -1, -1) for operation in self.up[u]]
        return plan([*self.entry(unit), *ups], self.latents[unit], SYNTHESIS)

    def head(self, unit: int) -> list[str]:
        """Return the operation from the features of a unit to its latents."""
        return [f"conv {self.latents[unit]} {HEAD}"]

    def entry(self, unit: int) -> list[str]:
        """Return the operations from the latents of a unit to its features."""
        return [f"conv {self.features[unit + 1]} {HEAD}", "relu"]

    def analysis_parts(self, unit: int) -> Parts:
        """Return the parts of `analysis_plan`, as `chained` of learned/tensors.py takes them."""
        downs = [(f"down{u}", len(self.down_plan(u).convolutions)) for u in range(unit + 1)]
        return [*downs, (f"head{unit}", 1)]

    def synthesis_parts(self, unit: int) -> Parts:
        """Return the parts of `synthesis_plan`."""
        ups = [(f"up{u}", len(self.up_plan(u).convolutions)) for u in range(unit, -1, -1)]
        return [(f"entry{unit}", 1), *ups]

    def cut(self, unit: int) -> Tiling:
        """Return how pictures go through the networks of a unit: whole."""
        return Tiling(self.analysis_plan(unit).stride, margin=self.margin)

    def sane(self) -> bool:
        """Return whether all fields are within their range, and the networks fit together. ModelError."""
        units = self.level_count
        if not 1 <= units == len(self.up) == len(self.latents) == len(self.steps) <= _MAX_UNITS:
            return False
        steps = all(1 <= step <= _MAX_STEP for step in self.steps)
        bits = 4 <= self.activation_bits <= 16 and 8 <= self.fraction_bits <= 20
        return super().sane() and steps and bits and all(self._fits(unit) for unit in range(units))

    def _fits(self, unit: int) -> bool:
        """Return whether a unit is undone by its mirror image, and has no more latents than the picture samples."""
        stride = self.analysis_plan(unit).stride
        back = self.up_plan(unit).outputs == self.features[unit] and self.synthesis_plan(unit).stride == stride
        return back and self.latents[unit] <= CHANNELS * stride**2 and self.cut(unit).sane
