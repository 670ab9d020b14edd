"""The sealed byte string that rebuilds an image file around its pixels: a small header and some blobs.

Layout: `codecs.stream.write_frame(b"TC", 1, zstd(uint32 LE length of the JSON | JSON | blobs))`. The JSON object
holds the header and, under "blobs", the length of each blob.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import zstandard

from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import read_frame, write_frame
from tilepress.pipeline.errors import IntegrityError

MAX_BYTES = 128 << 20  # of all that is not pixels; a file with more is stored verbatim
_MAGIC = b"TC"
_VERSION = 1
_LENGTH = struct.Struct("<I")
_LEVEL = 12  # blobs are mostly small; 19 gains 1 % on them and is slow on large ones


@dataclass(frozen=True)
class Container:
    """An opened container. `header["format"]` names the image format."""

    header: dict[str, Any]
    blobs: tuple[bytes, ...]


def pack_container(header: dict[str, Any], *blobs: bytes) -> bytes:
    """Return the frame of a JSON-able header and blobs of at most MAX_BYTES together (readers refuse more)."""
    text = json.dumps({**header, "blobs": [len(b) for b in blobs]}, separators=(",", ":")).encode()
    raw = b"".join((_LENGTH.pack(len(text)), text, *blobs))
    return write_frame(_MAGIC, _VERSION, zstandard.ZstdCompressor(level=_LEVEL).compress(raw))


def unpack_container(container: bytes) -> Container:
    """Open a container; IntegrityError for any bytes that `pack_container` did not write."""
    with reading_container():
        raw = _inflate(read_frame(_MAGIC, {_VERSION}, container)[1])
        (size,) = _LENGTH.unpack_from(raw)
        at = _LENGTH.size + size
        header = json.loads(raw[_LENGTH.size : at])
        lengths = [_length(n) for n in header.pop("blobs")]
        if at + sum(lengths) != len(raw):
            raise IntegrityError("image container: its parts do not add up; restore from another copy")
        blobs = []
        for n in lengths:
            blobs.append(raw[at : at + n])
            at += n
        return Container(header, tuple(blobs))


@contextmanager
def reading_container() -> Iterator[None]:
    """Any error while reading a container means that it is not what was written: IntegrityError."""
    try:
        yield
    except IntegrityError:
        raise
    except StreamError as exc:
        raise IntegrityError(f"image container: {exc}") from exc
    except Exception as exc:  # hostile bytes may raise anything in the parsers below
        raise IntegrityError(f"image container cannot be read ({type(exc).__name__}: {exc})") from exc


def whole(value: object, low: int, high: int) -> int:
    """Return an integer of a header within [low, high]; IntegrityError for anything else."""
    if type(value) is not int or not low <= value <= high:
        raise IntegrityError(f"image container: {value!r} where a number from {low} to {high} must be")
    return value


def _length(value: object) -> int:
    return whole(value, 0, MAX_BYTES)


def _inflate(data: bytes) -> bytes:
    size = zstandard.frame_content_size(data)
    if not 0 <= size <= MAX_BYTES + (1 << 20):
        raise IntegrityError(f"image container: claims {size} bytes, which is beyond the limit")
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
