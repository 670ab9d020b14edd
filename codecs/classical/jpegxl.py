"""Codec `jpegxl`: lossless JPEG XL (libjxl, ISO/IEC 18181)."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.classical.base import ClassicalCodec, image_of, imagecodecs_library
from tilepress.codecs.classical.jpegxl_stream import bare_codestream, check_codestream
from tilepress.codecs.codec import Settings, TileSpec

_EFFORT, _EFFORT_OF_NOISE = 7, 3


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
        """Return a bare codestream: the container that libjxl adds beyond 12 bits is 53 bytes of no use here.

        Without a stated effort that of noise is the smaller of two.
        """
        stream = _encoded(tile, spec, settings.effort or _EFFORT)
        if settings.effort or not _is_noisy(stream, spec):
            return stream
        return min(stream, _encoded(tile, spec, _EFFORT_OF_NOISE), key=len)

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """Return the samples, after checking that no header, of image or frame, promises a larger image."""
        check_codestream(payload, spec.width, spec.height, spec.channels, _stated_bits(spec))
        return image_of(imagecodecs_library().jpegxl_decode(payload, numthreads=1), spec)


def _is_noisy(stream: bytes, spec: TileSpec) -> bool:
    """Tell whether a tile is of 16 bits or gray and still takes more than half of its bits.

    Libjxl leaves out what its decision trees cost: of noise, effort 3, which has a fixed tree, is up to 0.7 % smaller
    than effort 7. It takes an eighth of its time (infra/bench/jpegxl/efforts.py).
    """
    bits = spec.height * spec.width * spec.channels * spec.bit_depth
    return (spec.dtype == "uint16" or spec.colour == "gray") and 2 * 8 * len(stream) > bits


def _encoded(tile: np.ndarray, spec: TileSpec, effort: int) -> bytes:
    data = imagecodecs_library().jpegxl_encode(
        tile[:, :, 0] if spec.channels == 1 else tile,
        effort=effort,
        lossless=True,
        numthreads=1,
        usecontainer=False,
        bitspersample=_stated_bits(spec),
    )
    return bare_codestream(data)


def _stated_bits(spec: TileSpec) -> int:
    # Stating 12 bits of 16 saves 2 %; below 8 it saves nothing, and below 9 libjxl would decode to uint8.
    return 8 if spec.dtype == "uint8" else max(9, spec.bit_depth)
