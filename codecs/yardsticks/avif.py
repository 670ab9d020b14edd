"""Yardstick `avif`: AVIF of AV1 (libavif)."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.classical.base import imagecodecs_library
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.yardsticks.base import DEFAULT_QUALITY, Yardstick, planes_of, three_planes

_EFFORT = 4  # speed 6, which avifenc and Pillow take
_CODED = (8, 10, 12)  # bits that AV1 has; other depths are shifted up to the next


class Avif(Yardstick):
    """AVIF at the format's own quality, colour at full resolution (4:4:4), as avifenc codes what is no video.

    Gray pictures are three equal planes, whose colour costs next to nothing at half resolution. Quality 100 is
    lossless. Effort e is libavif's speed 10 - e.
    """

    codec_id = "avif"
    summary = "AVIF, 4:4:4 as avifenc codes pictures; its own quality 1 to 100; up to 12 bits"
    depths = frozenset(range(8, 13))
    most_side = 1 << 16

    def compress(self, image: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return a file."""
        bits = _coded_bits(spec)
        return bytes(
            imagecodecs_library().avif_encode(
                three_planes(image << (bits - spec.bit_depth)),
                level=settings.quality or DEFAULT_QUALITY,
                speed=10 - (settings.effort or _EFFORT),
                pixelformat="yuv420" if spec.channels == 1 else "yuv444",
                bitspersample=bits,
                numthreads=1,
            )
        )

    def decompress(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the image, rounded to its own depth."""
        image = planes_of(np.asarray(imagecodecs_library().avif_decode(data, numthreads=1)), spec)
        shift = _coded_bits(spec) - spec.bit_depth
        return (image + (1 << shift >> 1)) >> shift if shift else image


def _coded_bits(spec: TileSpec) -> int:
    return next(bits for bits in _CODED if bits >= spec.bit_depth)
