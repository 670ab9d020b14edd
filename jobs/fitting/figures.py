"""What fitting gained on the held-out images, by level and kind of image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tilepress.jobs.fitting.images import Window

ALL = "all"


@dataclass(frozen=True)
class Figure:
    """Bytes of some held-out images at a level: raw, as JPEG XL, by the starting model and by the fitted one."""

    level: str
    images: str  # which: ALL, or "source 1", "source 1, gray"
    count: int
    raw: int
    jpegxl: int
    start: int
    fitted: int

    @property
    def against_jpegxl(self) -> float:
        """Percent by which the fitted model's bytes differ from those of JPEG XL; negative: smaller."""
        return round(100 * (self.fitted / self.jpegxl - 1), 2)

    @property
    def against_start(self) -> float:
        """The same for the starting model's."""
        return round(100 * (self.fitted / self.start - 1), 2)

    def to_json(self) -> dict[str, Any]:
        """For model.json and --json."""
        return {**asdict(self), "against_jpegxl": self.against_jpegxl, "against_start": self.against_start}


def figures_of(
    level: str, windows: Sequence[Window], jpegxl: Sequence[int], start: Sequence[int], fitted: Sequence[int]
) -> list[Figure]:
    """Return the figures of a level: of all windows first; then, if there are several kinds, of each.

    Args:
        level: Its name.
        windows: The held-out images.
        jpegxl: Bytes of each window by JPEG XL e7.
        start: Bytes of each by the model that fitting went on from.
        fitted: Bytes of each by the fitted one.
    """
    raw = [window.samples.nbytes for window in windows]
    kinds = [f"source {window.source + 1}{', gray' if window.gray else ''}" for window in windows]
    names = sorted(set(kinds))
    out = []
    for name in [ALL, *(names if len(names) > 1 else [])]:
        places = [at for at, kind in enumerate(kinds) if name in (ALL, kind)]
        sums = (sum(sizes[at] for at in places) for sizes in (raw, jpegxl, start, fitted))
        out.append(Figure(level, name, len(places), *sums))
    return out
