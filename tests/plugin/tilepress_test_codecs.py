"""Codecs of another package, as tests need them: one that is slow, and one that breaks its process."""

from __future__ import annotations

import os
import time
from typing import ClassVar

import numpy as np
import zstandard

from tilepress.codecs.codec import Settings, TileCodec, TileSpec

SECONDS = "TILEPRESS_TEST_SECONDS"  # environment variable: what a tile takes
ENCODING_ABORTS, ENCODING_HANGS, DECODING_ABORTS = 13, 14, 15  # what the first sample of a tile does to Bomb


class Slow(TileCodec):
    """Zstandard, after a while in which a processor could do something else."""

    codec_id: ClassVar[str] = "test-slow"
    summary: ClassVar[str] = "a slow codec for tests"
    exact: ClassVar[bool] = True
    lossless: ClassVar[bool] = True

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        time.sleep(float(os.environ.get(SECONDS, "0.05")))
        return self.compressed(tile)

    def compressed(self, tile: np.ndarray) -> bytes:
        return zstandard.ZstdCompressor(level=1).compress(np.ascontiguousarray(tile).tobytes())

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        samples = zstandard.ZstdDecompressor().decompress(data, max_output_size=spec.nbytes)
        return np.frombuffer(samples, spec.dtype).reshape(spec.shape)


class Bomb(Slow):
    """Breaks its process as a bug in a native library does."""

    codec_id: ClassVar[str] = "test-bomb"
    summary: ClassVar[str] = "a codec for tests that crashes"

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        if tile[0, 0, 0] == ENCODING_ABORTS:
            os.abort()
        if tile[0, 0, 0] == ENCODING_HANGS:
            time.sleep(3600)
        return self.compressed(tile)

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        tile = super().decode_tile(data, spec)
        if tile[0, 0, 0] == DECODING_ABORTS:
            os.abort()
        return tile
