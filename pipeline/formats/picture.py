"""What a decoded image file is to the rest of the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tilepress.codecs.codec import COLOUR_PLANES, Colour, TileSpec

Bands = Iterator[np.ndarray]  # (rows, width, channels) from top to bottom

# mode -> (colour, alpha): the modes that codecs represent; 16-bit samples have the same modes with dtype uint16
MODES: dict[str, tuple[Colour, bool]] = {
    "1": ("gray", False),
    "L": ("gray", False),
    "LA": ("gray", True),
    "P": ("indexed", False),
    "RGB": ("rgb", False),
    "RGBA": ("rgb", True),
    "CMYK": ("cmyk", False),
}


@dataclass(frozen=True)
class Limits:
    """Bounds checked before anything is decoded; a file beyond one is stored verbatim."""

    max_pixels: int = 1 << 30  # of one image
    max_file_bytes: int = 8 << 30
    max_whole_bytes: int = 1 << 30  # decoded size of an image whose format cannot be read in bands


NO_LIMITS = Limits(1 << 62, 1 << 62, 1 << 62)  # for what was within limits when it was stored


@dataclass(frozen=True)
class Picture:
    """Header facts of an image file, and a way to read its pixels once, from top to bottom.

    Samples are exactly those of the file: palette indices, 16 bits where the file has 16, no colour management,
    no rotation. 1-bit samples are 0 or 1. `container` is what rebuilds the file around the pixels (see registry.py).
    """

    format: Literal["png", "jpeg", "tiff"]
    mode: str
    width: int
    height: int
    dtype: Literal["uint8", "uint16"]
    bit_depth: int
    container: bytes
    read_bands: Callable[[int], Bands]  # rows a band; may raise DamagedPicture at any band
    has_reserved_value: bool = False  # one value of the samples has a meaning of its own: transparent, "no data"
    palette_size: int | None = None  # of entries, where indices may lie beyond them
    describes_bytes: str = ""  # something in the container describes the stored bytes, and is wrong about any others

    @property
    def colour(self) -> Colour:
        """Colour model, as codecs name it."""
        return MODES[self.mode][0]

    @property
    def channels(self) -> int:
        """Planes, alpha included."""
        return mode_channels(self.mode)

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    @property
    def nbytes(self) -> int:
        """Bytes of the raw pixels."""
        return self.pixels * self.channels * np.dtype(self.dtype).itemsize


def mode_channels(mode: str) -> int:
    """Return planes of a mode, alpha included."""
    colour, alpha = MODES[mode]
    return COLOUR_PLANES[colour] + alpha


def tile_spec(mode: str, dtype: str, bit_depth: int, height: int, width: int) -> TileSpec:
    """Return the codec layer's description of a tile of such an image.

    Args:
        mode: As Pillow names it.
        dtype: "uint8" or "uint16".
        bit_depth: 1 to 16; samples are below 2^bit_depth.
        height: Of the tile in pixels.
        width: The same.
    """
    return TileSpec(height, width, mode_channels(mode), dtype, bit_depth, MODES[mode][0])  # type: ignore[arg-type]
