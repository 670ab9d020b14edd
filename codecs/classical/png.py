"""Codec `png`: each tile a PNG file (libpng, ISO/IEC 15948)."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.classical.base import ClassicalCodec, image_of, imagecodecs_library
from tilepress.codecs.classical.png_stream import check_png
from tilepress.codecs.codec import Settings, TileSpec


class Png(ClassicalCodec):
    """PNG (libpng, ISO/IEC 15948) of gray, gray and alpha, RGB or RGBA; CMYK in the place of RGBA."""

    codec_id = "png"
    summary = "PNG: larger than JPEG XL, decodes quickly everywhere"
    exact = True
    lossless = True
    channels = frozenset({1, 2, 3, 4})
    options = frozenset({"effort"})
    magic = b"PN"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return a whole PNG file; effort is zlib's level."""
        image = tile[:, :, 0] if spec.channels == 1 else tile
        # imagecodecs by itself reserves too little for noise in many short rows.
        room = tile.nbytes + tile.nbytes // 64 + 8 * spec.height + 4096
        return bytes(imagecodecs_library().png_encode(image, level=settings.effort or 6, out=room))

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """Return the samples of a stream that was found whole: libpng must not fail (see png_stream.py)."""
        check_png(payload, spec.width, spec.height, spec.channels, np.dtype(spec.dtype).itemsize)
        return image_of(imagecodecs_library().png_decode(payload), spec)
