"""Codec `jpegxl`: lossless JPEG XL (libjxl, ISO/IEC 18181)."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.classical.base import ClassicalCodec, image_of, imagecodecs_library
from tilepress.codecs.classical.jpegxl_stream import bare_codestream, check_codestream
from tilepress.codecs.codec import Settings, TileSpec


class JpegXl(ClassicalCodec):
    """Lossless JPEG XL (libjxl, ISO/IEC 18181). CMYK goes through as three planes and an extra one."""

    codec_id = "jpegxl"
    summary = "lossless JPEG XL: the best of the classical codecs, for every kind of image"
    exact = True
    lossless = True
    channels = frozenset({1, 2, 3, 4})
    options = frozenset({"effort"})
    magic = b"JX"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return a bare codestream: the container that libjxl adds beyond 12 bits is 53 bytes of no use here."""
        data = imagecodecs_library().jpegxl_encode(
            tile[:, :, 0] if spec.channels == 1 else tile,
            effort=settings.effort or 7,
            lossless=True,
            numthreads=1,
            usecontainer=False,
            bitspersample=_stated_bits(spec),
        )
        return bare_codestream(data)

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """Return the samples, after checking that no header, of image or frame, promises a larger image."""
        check_codestream(payload, spec.width, spec.height, spec.channels, _stated_bits(spec))
        return image_of(imagecodecs_library().jpegxl_decode(payload, numthreads=1), spec)


def _stated_bits(spec: TileSpec) -> int:
    # Stating 12 bits of 16 saves 2 %; below 8 it saves nothing, and below 9 libjxl would decode to uint8.
    return 8 if spec.dtype == "uint8" else max(9, spec.bit_depth)
