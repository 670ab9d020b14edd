"""Samples as they are, for streams whose coding would not be shorter: little-endian, row by row, interleaved."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError


def to_bytes(tile: np.ndarray) -> bytes:
    """A tile (h, w, c) of uint8 or uint16."""
    return np.ascontiguousarray(tile).astype(tile.dtype.newbyteorder("<"), copy=False).tobytes()


def from_bytes(data: bytes, spec: TileSpec) -> np.ndarray:
    """The tile (h, w, c). StreamError if there are too few or too many bytes, or a sample beyond `spec.maximum`."""
    if len(data) != spec.nbytes:
        raise StreamError(f"stream holds {len(data)} bytes of raw samples, its tile has {spec.nbytes}")
    tile = np.frombuffer(data, np.dtype(spec.dtype).newbyteorder("<")).reshape(spec.shape).astype(spec.dtype)
    if spec.exceeded_by(tile):
        raise StreamError(f"stream holds raw samples above {spec.maximum}")
    return tile
