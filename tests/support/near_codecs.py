"""Codecs and a residual coder for the tests of bounds: honest ones, and one that misses its bound."""

from __future__ import annotations

import zlib

import numpy as np

from tilepress.codecs.classical.jpegls import JpegLs
from tilepress.codecs.codec import ResidualCoder, Settings, TileCodec, TileSpec


class Coarse(TileCodec):
    """The upper four bits, as a base for residuals."""

    codec_id, summary, exact, lossless = "near-coarse", "for tests", True, False

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        return zlib.compress(np.ascontiguousarray(tile & 0xF0).tobytes())

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        return np.frombuffer(zlib.decompress(data), spec.dtype).reshape(spec.shape)


class Steps(ResidualCoder):
    """Differences in steps of 2 max_error + 1, deflated."""

    residual_id, near_lossless = "near-steps", True

    def encode(self, tile: np.ndarray, base: np.ndarray, spec: TileSpec, max_error: int = 0) -> bytes:
        steps = (tile.astype(np.int32) - base + max_error) // (2 * max_error + 1)
        return bytes([max_error]) + zlib.compress(steps.astype("<i4").tobytes())

    def decode(self, data: bytes, base: np.ndarray, spec: TileSpec) -> np.ndarray:
        steps = np.frombuffer(zlib.decompress(data[1:]), "<i4").reshape(spec.shape)
        return np.clip(base + steps * (2 * data[0] + 1), 0, spec.maximum).astype(spec.dtype)


class Careless(JpegLs):
    """Takes twice the bound that it was given."""

    codec_id = "near-careless"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        return super().compress(tile, spec, Settings(max_error=2 * (settings.max_error or 0)))
