"""Whether a JPEG file decodes to the pixels that were made from it, and where it does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.formats.registry import read_picture

_BAND_ROWS = 512


@dataclass(frozen=True)
class Likeness:
    """How a decoded JPEG file differs from a picture: in so many pixels within a rectangle, or in its size."""

    differing: int = 0
    within: Box | None = None
    size: tuple[int, int] | None = None  # width and height, where they are others

    @property
    def exact(self) -> bool:
        """Whether all pixels are equal."""
        return not self.differing and self.size is None

    @property
    def text(self) -> str:
        """What there is to say, for people."""
        if self.size is not None:
            return f"decodes to {self.size[0]} x {self.size[1]} pixels, of which the picture is a part"
        if self.within is None:
            return "decodes to exactly these pixels"
        box = self.within
        pixels = "1 pixel" if self.differing == 1 else f"{self.differing:,} pixels"
        return f"decodes to other values of {pixels}, within {box.w} x {box.h} at {box.x},{box.y}"


def compare_jpeg(file: bytes, pixels: np.ndarray) -> Likeness:
    """Decode a JPEG file by libjpeg and compare. PictureError if it does not decode.

    Args:
        file: The JPEG file.
        pixels: The picture, (h, w, c); that of a gray file may be in RGB, or have an opaque alpha.
    """
    decoded = np.concatenate(list(read_picture(file, byte_exact=False).read_bands(_BAND_ROWS)))
    height, width, channels = decoded.shape
    if (height, width) != pixels.shape[:2]:
        return Likeness(size=(width, height))
    colours = pixels[:, :, : max(channels, 3 if pixels.shape[2] > 2 else 1)]
    differing = (colours != decoded).any(axis=2)
    if not differing.any():
        return Likeness()
    rows, columns = (np.flatnonzero(differing.any(axis=axis)) for axis in (1, 0))
    box = Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    return Likeness(int(differing.sum()), box)
