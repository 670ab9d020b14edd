"""What a run was asked to do: part of its plan, and what a resumed run must match."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tilepress.codecs.codec import Settings
from tilepress.pipeline.picture import Limits
from tilepress.pipeline.press_tiles import Coding

FIDELITIES = ("pixels", "file", "lossy")


@dataclass(frozen=True)
class PressSettings:
    """Settings that decide what is stored. `codec` is "id" or "id@model hash", already resolved."""

    codec: str
    fidelity: str = "pixels"
    quality: int | None = None
    effort: int | None = None
    tile: int = 512
    limits: Limits = field(default_factory=Limits)

    @property
    def lossy(self) -> bool:
        """Whether latents alone are stored."""
        return self.fidelity == "lossy"

    @property
    def coding(self) -> Coding:
        """How tiles are coded that the chosen codec can represent."""
        return Coding(self.codec, Settings(self.quality, self.effort), self.lossy)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the plan."""
        return asdict(self)
