"""Checks a whole PNG stream before libpng sees it (ISO/IEC 15948), so that libpng never fails.

Whenever libpng fails, imagecodecs gives up a reference to None and leaks the image. A process that reads enough damaged
streams is aborted (measured with 2026.3.6: png_decode of a truncated file, one reference a call).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import inflate

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> IHDR colour type (table 11.1)
_MAX_FILTER = 4
_CHUNK_EXTRA = 12  # length, kind, CRC


def check_png(data: bytes, width: int, height: int, channels: int, bytes_per_sample: int) -> None:
    """Raise StreamError unless this is a whole PNG file, not interlaced, of that size with IHDR, IDAT and IEND only.

    Allocates the samples once, and no more.

    Args:
        data: The file.
        width: Columns in pixels.
        height: Rows in pixels.
        channels: 1 to 4, alpha included.
        bytes_per_sample: 1 or 2.
    """
    chunks = list(_chunks(data))
    header = struct.pack(">II5B", width, height, 8 * bytes_per_sample, _COLOUR_TYPE[channels], 0, 0, 0)
    kinds = [kind for kind, _ in chunks]
    if not chunks or chunks[0] != (b"IHDR", header) or chunks[-1] != (b"IEND", b""):
        raise StreamError("PNG stream does not hold the header of this tile and an end")
    if set(kinds[1:-1]) != {b"IDAT"}:
        raise StreamError("PNG stream has chunks that tilepress never writes")
    stride = 1 + width * channels * bytes_per_sample
    rows = inflate(b"".join(body for _, body in chunks[1:-1]), stride * height, "PNG stream")
    if np.frombuffer(rows, np.uint8)[::stride].max() > _MAX_FILTER:
        raise StreamError("PNG stream has a row of an unknown filter")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of every chunk, checksums verified."""
    at = len(_SIGNATURE)
    if not data.startswith(_SIGNATURE):
        raise StreamError("not a PNG stream")
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + length + _CHUNK_EXTRA
        if end > len(data) or zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise StreamError("PNG stream is truncated or damaged")
        yield data[at + 4 : at + 8], data[at + 8 : end - 4]
        at = end
