"""Yardstick `webp`: lossy WebP (libwebp)."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.classical.base import imagecodecs_library
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.yardsticks.base import DEFAULT_QUALITY, Yardstick, planes_of, three_planes

_METHODS = 6  # of libwebp, 0 fastest to 6 smallest; 4 is its own choice


class WebP(Yardstick):
    """Lossy WebP at the format's own quality. It always halves the resolution of colour (4:2:0), and codes gray
    pictures as three equal planes, whose colour costs next to nothing. Effort 1 to 9 is method 0 to 6.
    """

    codec_id = "webp"
    summary = "lossy WebP, 4:2:0 as always; its own quality 1 to 100"
    dtypes = frozenset({"uint8"})
    most_side = (1 << 14) - 1

    def compress(self, image: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return a file."""
        method = None if settings.effort is None else settings.effort * _METHODS // 9
        return webp_file(three_planes(image), settings.quality or DEFAULT_QUALITY, method)

    def decompress(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the image."""
        return planes_of(np.asarray(imagecodecs_library().webp_decode(data, hasalpha=False)), spec)


def webp_file(image: np.ndarray, quality: int, method: int | None = None) -> bytes:
    """Return the file of an image (h, w, 3) uint8; `method` 0 to 6, None: libwebp's own."""
    return bytes(imagecodecs_library().webp_encode(image, level=quality, lossless=False, method=method, numthreads=1))
