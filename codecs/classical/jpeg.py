"""Codec `jpeg`: each tile a baseline JPEG file (libjpeg-turbo), the usual yardstick."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.classical.base import ClassicalCodec, image_of, imagecodecs_library
from tilepress.codecs.classical.jpeg_header import JpegFrame, read_jpeg_frame
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError

_MAX_SIDE = 65500  # libjpeg's JPEG_MAX_DIMENSION


class Jpeg(ClassicalCodec):
    """Baseline JPEG (libjpeg-turbo), colour at half resolution. Its decoders differ by a level: not exact."""

    codec_id = "jpeg"
    summary = "lossy JPEG, the usual yardstick; quality 1 to 100"
    exact = False
    lossless = False
    dtypes = frozenset({"uint8"})
    channels = frozenset({1, 3})
    colours = frozenset({"gray", "rgb"})
    options = frozenset({"quality"})
    magic = b"JG"

    def supports(self, spec: TileSpec) -> bool:
        """Return whether tiles are 8-bit gray or RGB without alpha, with sides up to 65,500."""
        fits = spec.bit_depth == 8 and not spec.alpha and max(spec.height, spec.width) <= _MAX_SIDE
        return fits and super().supports(spec)

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return a whole JPEG file, 4:2:0, with optimised Huffman tables."""
        image = tile[:, :, 0] if spec.channels == 1 else tile
        quality = 85 if settings.quality is None else settings.quality
        return bytes(imagecodecs_library().jpeg8_encode(image, level=quality, optimize=True, subsampling="420"))

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """Return the samples, after checking that the frame header has the size and channels of `spec`."""
        if read_jpeg_frame(payload) != JpegFrame(0, 8, spec.width, spec.height, spec.channels):
            raise StreamError("JPEG stream does not hold the frame of this tile")
        return image_of(imagecodecs_library().jpeg8_decode(payload), spec)
