"""Residual coder "lossless-quick-1": level quick of the lossless codec on a tile whose base is known.

Stream: magic "rQ", version 1, payload as in lossless/stack.py. There is no model: all that is fixed belongs to the
format.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import ResidualCoder, Settings, TileSpec
from tilepress.codecs.lossless.stack import decode_stack, encode_quickly
from tilepress.codecs.stream import read_frame, write_frame

_MAGIC = b"rQ"
_VERSION = 1


class QuickResidual(ResidualCoder):
    """The lossless codec at its quick level, on top of a base."""

    residual_id = "lossless-quick-1"
    near_lossless: ClassVar[bool] = True

    def encode(self, tile: np.ndarray, base: np.ndarray, spec: TileSpec, max_error: int = 0) -> bytes:
        """Return the stream of a tile (h, w, c) over its base, at most 10 bytes longer than its raw samples.

        UnsupportedError if tile or base are not as `spec` says.
        """
        Settings(max_error=max_error).require()
        return write_frame(_MAGIC, _VERSION, encode_quickly(tile, base, spec, max_error))

    def decode(self, data: bytes, base: np.ndarray, spec: TileSpec) -> np.ndarray:
        """Return the tile (h, w, c). StreamError for damaged bytes. The tile bounds the time, whatever the bytes."""
        spec.require(base, "base")
        _, payload = read_frame(_MAGIC, {_VERSION}, data)
        return decode_stack(payload, base, spec, {})
