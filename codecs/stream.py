"""What every byte string of a codec is made of: a frame with magic, version and CRC-32 around its payload.

Two payloads that several codecs write are here too: samples as they are, and zlib streams of a known size.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError

_HEADER = struct.Struct("<2sBI")


def write_frame(magic: bytes, version: int, payload: bytes) -> bytes:
    """Return `magic` (2 bytes) | version (uint8) | CRC-32 of the payload (uint32 LE) | payload."""
    return _HEADER.pack(magic, version, zlib.crc32(payload)) + payload


def read_frame(magic: bytes, versions: frozenset[int] | set[int], data: bytes) -> tuple[int, bytes]:
    """Return version and payload of a framed stream; StreamError if anything about the frame is wrong."""
    if len(data) < _HEADER.size:
        raise StreamError(f"stream of {len(data)} bytes is shorter than its header")
    found, version, crc = _HEADER.unpack_from(data)
    payload = bytes(data[_HEADER.size :])
    if found != magic:
        raise StreamError(f"stream begins with {found!r}, not {magic!r}: another codec wrote it")
    if version not in versions:
        raise StreamError(f"stream version {version} is not known to this tilepress; use a newer one")
    if zlib.crc32(payload) != crc:
        raise StreamError("stream checksum does not match: the bytes are damaged")
    return version, payload


def samples_to_bytes(tile: np.ndarray) -> bytes:
    """Return the samples of a tile (h, w, c) of uint8 or uint16: little-endian, row by row, channels interleaved."""
    return np.ascontiguousarray(tile).astype(tile.dtype.newbyteorder("<"), copy=False).tobytes()


def samples_from_bytes(data: bytes, spec: TileSpec) -> np.ndarray:
    """Return the tile (h, w, c) of `spec`. StreamError for too few or too many bytes, or a sample beyond its bits."""
    if len(data) != spec.nbytes:
        raise StreamError(f"stream holds {len(data)} bytes of raw samples, its tile has {spec.nbytes}")
    tile = np.frombuffer(data, np.dtype(spec.dtype).newbyteorder("<")).reshape(spec.shape).astype(spec.dtype)
    if spec.exceeded_by(tile):
        raise StreamError(f"stream holds raw samples above {spec.maximum}")
    return tile


def inflate(data: bytes, size: int, what: str) -> bytes:
    """Return exactly `size` bytes of one whole zlib stream (RFC 1950), and never make more of it, whatever it claims.

    StreamError, which begins with `what`, if `data` is not one whole stream of them.
    """
    inflater = zlib.decompressobj()
    try:
        out = inflater.decompress(data, size + 1)
    except zlib.error as exc:
        raise StreamError(f"{what} does not inflate: {exc}") from exc
    if len(out) != size or not inflater.eof or inflater.unused_data:
        raise StreamError(f"{what} does not hold the {size} bytes that belong there")
    return out
