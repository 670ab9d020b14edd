"""Yardstick `jpegxl-lossy`: lossy JPEG XL (libjxl, ISO/IEC 18181)."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.classical.base import imagecodecs_library
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.yardsticks.base import DEFAULT_QUALITY, Yardstick

_EFFORT = 7  # libjxl's own


class JpegXlLossy(Yardstick):
    """Lossy JPEG XL in its XYB colours, no sub-sampling, at cjxl's quality. 100, which cjxl takes for lossless, is the
    finest lossy distance of that scale here; lossless JPEG XL is the codec `jpegxl`.
    """

    codec_id = "jpegxl-lossy"
    summary = "lossy JPEG XL, a bare code stream; quality 1 to 100 as cjxl's; up to 16 bits"
    depths = frozenset(range(8, 17))
    most_side = 1 << 30

    def compress(self, image: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return a bare code stream."""
        distance = distance_of(settings.quality or DEFAULT_QUALITY)
        return codestream(image, distance, settings.effort or _EFFORT, spec.bit_depth)

    def decompress(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the image."""
        return np.asarray(imagecodecs_library().jpegxl_decode(data, numthreads=1))


def distance_of(quality: int) -> float:
    """Return the Butteraugli distance, in units of a just noticeable one, of a quality 1..100: that of libjxl's
    JxlEncoderDistanceFromQuality, but 0.1 for 100.
    """
    if quality >= 30:
        return 0.1 + (100 - quality) * 0.09
    return 53 / 3000 * quality * quality - 23 / 20 * quality + 25


def codestream(image: np.ndarray, distance: float, effort: int, bits: int = 8) -> bytes:
    """Return the bare code stream of an image, (h, w) or (h, w, 3) of `bits` a sample."""
    encode = imagecodecs_library().jpegxl_encode
    return bytes(encode(image, distance=distance, effort=effort, usecontainer=False, bitspersample=bits, numthreads=1))
