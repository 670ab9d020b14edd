"""Codec `raw`: the samples themselves."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.classical.base import ClassicalCodec
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.stream import samples_from_bytes, samples_to_bytes


class Raw(ClassicalCodec):
    """The samples themselves, little-endian, row by row, channels interleaved."""

    codec_id = "raw"
    summary = "samples as they are; for measuring, and for tiles that nothing shortens"
    exact = True
    lossless = True
    magic = b"RW"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the samples, 1 or 2 bytes each."""
        return samples_to_bytes(tile)

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """Return the samples; StreamError if their number is wrong."""
        return samples_from_bytes(payload, spec)
