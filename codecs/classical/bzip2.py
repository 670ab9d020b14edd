"""Codec `bzip2`: the samples through bzip2 (Burrows-Wheeler transform), for tiles that repeat themselves."""

from __future__ import annotations

import bz2

import numpy as np

from tilepress.codecs.classical.base import ClassicalCodec
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import samples_from_bytes, samples_to_bytes


class Bzip2(ClassicalCodec):
    """The samples of `raw` as one bzip2 stream. No filter: what it is good at repeats values, and has no slopes."""

    codec_id = "bzip2"
    summary = "bzip2 of the samples: for digits, masks and drawings, which repeat themselves; quick"
    exact = True
    lossless = True
    magic = b"BZ"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return a bzip2 stream of blocks of 900 kB."""
        return bz2.compress(samples_to_bytes(tile), 9)

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """Return the samples; StreamError for a stream of more, less, or anything behind it."""
        decompressor = bz2.BZ2Decompressor()
        data = decompressor.decompress(payload, spec.nbytes + 1)
        if not decompressor.eof or decompressor.unused_data:
            raise StreamError("bzip2 stream does not end where the tile ends")
        return samples_from_bytes(data, spec)
