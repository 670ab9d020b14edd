"""What a run was asked to do: part of its plan, and what a resumed run must match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tilepress.codecs.codec import Settings
from tilepress.codecs.registry import QUICK, RESIDUAL_NAMES
from tilepress.pipeline.archive.fidelity import LOSSY, PIXELS, Fidelity
from tilepress.pipeline.coding.tile_coding import Coding
from tilepress.pipeline.formats.picture import Limits


@dataclass(frozen=True)
class EncodeSettings:
    """Settings that decide what is stored. `codec` is "id" or "id@model hash", already resolved.

    `max_error`: levels that a sample may differ by; None is exact.
    """

    codec: str
    fidelity: str = PIXELS
    quality: int | None = None
    effort: int | None = None
    tile: int = 512
    limits: Limits = field(default_factory=Limits)
    max_error: int | None = None
    sparse: bool = False  # look for tiles that repeat themselves, as `auto` does
    quick: bool = False  # and for tiles of which level quick of `lossless` makes less, as `auto` does
    residual: str | None = None  # a name of RESIDUAL_NAMES; None: quick

    @property
    def lossy(self) -> bool:
        """Whether latents alone are stored."""
        return self.fidelity == LOSSY

    @property
    def wanted(self) -> Fidelity:
        """How exactly images are to come back."""
        return Fidelity.within(self.max_error) if self.max_error else Fidelity.parse(self.fidelity)

    @property
    def coding(self) -> Coding:
        """How tiles are coded that the chosen codec can represent."""
        settings = Settings(self.quality, self.effort, self.max_error)
        return Coding(self.codec, settings, self.lossy, self.residual_id, sparse=self.sparse, quick=self.quick)

    @property
    def residual_id(self) -> str:
        """The residual coder of tiles with a lossy base."""
        return RESIDUAL_NAMES[self.residual or QUICK]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> EncodeSettings:
        """Return the settings that a plan records."""
        return cls(**{**values, "limits": Limits(**values["limits"])})

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for the plan; what was not asked for as in plans of releases that did not know it."""
        later = ("max_error", "sparse", "quick", "residual")
        return {name: value for name, value in asdict(self).items() if name not in later or value}
