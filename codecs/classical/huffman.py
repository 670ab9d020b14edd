"""Codec "huffman": codes the samples of each plane by one Huffman code. The simplest codec; a floor for comparisons."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.classical.base import ClassicalCodec
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.entropy import huffman
from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import samples_from_bytes, samples_to_bytes

_RAW, _CODED = 0, 1


class Huffman(ClassicalCodec):
    """Payload: kind uint8, then the samples (0, where coding would not be shorter) or Huffman codes (1)."""

    codec_id = "huffman"
    summary = "Huffman code of raw samples, one code a plane: the simplest lossless codec"
    exact = True
    lossless = True
    magic = b"HU"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the payload of a tile, at most one byte longer than its raw samples."""
        coded = huffman.encode([tile[..., plane] for plane in range(spec.channels)], spec.maximum + 1)
        if len(coded) < spec.nbytes:
            return bytes([_CODED]) + coded
        return bytes([_RAW]) + samples_to_bytes(tile)

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """Return the samples; StreamError for bytes that `compress` did not write."""
        if payload[:1] == bytes([_RAW]):
            return samples_from_bytes(payload[1:], spec)
        if payload[:1] != bytes([_CODED]):
            raise StreamError("huffman stream is of an unknown kind or empty")
        planes = huffman.decode(payload[1:], spec.channels, spec.height * spec.width, spec.maximum + 1)
        return np.ascontiguousarray(planes.T.astype(spec.dtype))
