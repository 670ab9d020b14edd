"""Whether a JPEG file decodes to the pixels that were made from it, and where it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.formats.registry import read_picture

if TYPE_CHECKING:
    from tilepress.codecs.jpeg.decoders import Decoder

_BAND_ROWS = 512


@dataclass(frozen=True)
class Likeness:
    """How a decoded JPEG file differs from a picture: in so many pixels within a rectangle, or in its size.

    `part`: of the picture, which the file holds if not all; outside of it there are `outside` pixels.
    `decoder`: by which the file was decoded, where libjpeg's usual one makes other pixels.
    """

    differing: int = 0
    within: Box | None = None
    size: tuple[int, int] | None = None  # width and height, where they are others
    part: Box | None = None
    outside: int = 0
    decoder: str = ""

    @property
    def exact(self) -> bool:
        """Whether all pixels are equal, those outside of the part among them."""
        return not self.differing and self.size is None and not self.outside

    @property
    def text(self) -> str:
        """What there is to say, for people."""
        if self.size is not None:
            return f"decodes to {self.size[0]} x {self.size[1]} pixels, of which the picture is a part"
        by = f" by {self.decoder}" if self.decoder else ""
        others = f"other values of {_pixels(self.differing)}, within {_place(self.within)}" if self.within else ""
        if self.part is None:
            return f"decodes{by} to {others or 'exactly these pixels'}"
        there = f"decodes{by} to {others or 'exactly the pixels there'}"
        return f"{there}; {_pixels(self.outside)} lie outside of {_place(self.part)}"


def compare_jpeg(file: bytes, pixels: np.ndarray, part: Box | None = None, decoder: Decoder | None = None) -> Likeness:
    """Decode a JPEG file by libjpeg, or if that makes other pixels by another decoder, and compare.

    PictureError if the file does not decode.

    Args:
        file: The JPEG file.
        pixels: The picture, (h, w, c); that of a gray file may be in RGB, or have an opaque alpha.
        part: Of the picture, which the file holds; None for all.
        decoder: The one that made the picture, of a file that an origin gave; None for libjpeg's usual one.
    """
    decoded = np.concatenate(list(read_picture(file, byte_exact=False).read_bands(_BAND_ROWS)))
    likeness = _compare(decoded, pixels, part)
    if decoder is None or not likeness.differing:
        return likeness
    from tilepress.codecs.jpeg.decode import decode
    from tilepress.codecs.jpeg.decoders import USUAL
    from tilepress.codecs.jpeg.file.reader import read_blocks_of, read_header

    if decoder is USUAL:
        return likeness
    return replace(_compare(decode(read_blocks_of(read_header(file)), decoder), pixels, part), decoder=decoder.name)


def _compare(decoded: np.ndarray, pixels: np.ndarray, part: Box | None) -> Likeness:
    """How what was decoded, uint8 (h, w, 1 or 3), differs from a picture or a part of one."""
    box = part or Box(0, 0, pixels.shape[1], pixels.shape[0])
    height, width, channels = decoded.shape
    if (height, width) != (box.h, box.w):
        return Likeness(size=(width, height))
    colours = pixels[box.y : box.y + box.h, box.x : box.x + box.w, : max(channels, 3 if pixels.shape[2] > 2 else 1)]
    differing = (colours != decoded).any(axis=2)
    outside = pixels.shape[0] * pixels.shape[1] - differing.size
    if not differing.any():
        return Likeness(part=part, outside=outside)
    rows, columns = (np.flatnonzero(differing.any(axis=axis)) for axis in (1, 0))
    at = box.x + int(columns[0]), box.y + int(rows[0])
    within = Box(*at, int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    return Likeness(int(differing.sum()), within, part=part, outside=outside)


def _pixels(count: int) -> str:
    return "1 pixel" if count == 1 else f"{count:,} pixels"


def _place(box: Box) -> str:
    return f"{box.w} x {box.h} at {box.x},{box.y}"
