"""The frame around every byte string that a tilepress codec writes: magic, version, CRC-32, payload."""

import struct
import zlib

from tilepress.codecs.errors import StreamError

_HEADER = struct.Struct("<2sBI")


def seal(magic: bytes, version: int, payload: bytes) -> bytes:
    """`magic` (2 bytes) | version (uint8) | CRC-32 of the payload (uint32 LE) | payload."""
    return _HEADER.pack(magic, version, zlib.crc32(payload)) + payload


def unseal(magic: bytes, versions: frozenset[int] | set[int], data: bytes) -> tuple[int, bytes]:
    """Version and payload of a sealed stream; StreamError if anything about it is wrong."""
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
