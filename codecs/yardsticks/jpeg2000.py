"""Yardstick `jpeg2000`: the irreversible 9/7 transform (OpenJPEG, ISO/IEC 15444-1)."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.classical.base import imagecodecs_library
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.yardsticks.base import DEFAULT_QUALITY, Yardstick


class Jpeg2000(Yardstick):
    """Irreversible JPEG 2000, one tile, no sub-sampling. The format has no scale of its own: quality q aims at a PSNR
    of 25 + q/4 dB, so 10 means 27.5 dB and 90 means 47.5 dB.
    """

    codec_id = "jpeg2000"
    summary = "lossy JPEG 2000 (9/7), a bare code stream; quality q aims at a PSNR of 25 + q/4 dB; up to 16 bits"
    options = frozenset({"quality"})
    depths = frozenset(range(2, 17))
    most_side = (1 << 31) - 1

    def compress(self, image: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return a bare code stream, which is 85 bytes shorter than a JP2 file."""
        return irreversible(image, 25 + (settings.quality or DEFAULT_QUALITY) / 4, spec.bit_depth)

    def decompress(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the image."""
        return np.asarray(imagecodecs_library().jpeg2k_decode(data, numthreads=1))


def irreversible(image: np.ndarray, decibels: float, bits: int = 8) -> bytes:
    """Return the code stream of an image, (h, w) or (h, w, 3) of `bits` a sample, that aims at a PSNR."""
    encode = imagecodecs_library().jpeg2k_encode
    return bytes(encode(image, level=decibels, codecformat="j2k", reversible=False, bitspersample=bits, numthreads=1))
