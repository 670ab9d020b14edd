"""What configurations have in common of codecs whose analysis is one network, through which pictures are cut."""

from __future__ import annotations

from functools import cached_property

from tilepress.codecs.learned.config import LeveledConfig
from tilepress.codecs.learned.networks import ANALYSIS, NetworkPlan, plan
from tilepress.codecs.planes.rgb_inputs import CHANNELS
from tilepress.codecs.planes.tiling import Tiling


class CutConfig(LeveledConfig):
    """Has what follows from four fields, which the dataclass of a codec that derives from this one has.

    `analysis`: see learned/networks.py. `block`, `overlap`, `margin`: see planes/tiling.py.
    """

    analysis: tuple[str, ...]
    block: int
    overlap: int
    margin: int

    @cached_property
    def analysis_plan(self) -> NetworkPlan:
        """From pictures of three channels to latents."""
        return plan(self.analysis, CHANNELS, ANALYSIS)

    @property
    def latents(self) -> int:
        """Channels of latents."""
        return self.analysis_plan.outputs

    @property
    def cut(self) -> Tiling:
        """How pictures go through the networks."""
        return Tiling(self.analysis_plan.stride, self.block, self.overlap, self.margin)
