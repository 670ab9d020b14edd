"""The configuration of a `jpeg-dncnn` model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tilepress.codecs.learned.config import Config
from tilepress.codecs.learned.dncnn.features import INPUTS, OUTPUTS
from tilepress.codecs.learned.networks import NetworkPlan, plan_restoration

_MOST_DEVIATION, _MOST_MARGIN, _MOST_MARGINS, _MOST_BITS = 1 << 15, 1 << 12, 16, 24


@dataclass(frozen=True)
class DncnnConfig(Config):
    """The `config` of a model.

    `network`: operations of learned/networks.py, from INPUTS features of each 8 x 8 block to corrections of its 64
    coefficients. `deviations`: by what each coefficient is divided before the network sees it, in natural order.
    `margins`: sixteenths of a sample that a corrected coefficient stays away from the edges of its cell; a block that
    is recompressed to other coefficients is tried with the next one. `fraction_bits`: corrections are in units of
    2^-fraction_bits quantisation steps.
    """

    network: tuple[str, ...]
    deviations: tuple[int, ...]
    margins: tuple[int, ...]
    activation_bits: int
    fraction_bits: int

    @cached_property
    def network_plan(self) -> NetworkPlan:
        """The operations of `network`. ModelError if they make no sense."""
        return plan_restoration(self.network, INPUTS)

    def sane(self) -> bool:
        """Return whether all fields are within their range and fit together; ModelError that says more."""
        deviations = len(self.deviations) == OUTPUTS and all(1 <= each <= _MOST_DEVIATION for each in self.deviations)
        margins = 1 <= len(self.margins) <= _MOST_MARGINS and all(0 <= each <= _MOST_MARGIN for each in self.margins)
        bits = 1 <= self.activation_bits <= _MOST_BITS and 0 <= self.fraction_bits <= _MOST_BITS
        return self.network_plan.outputs == OUTPUTS and deviations and margins and bits
