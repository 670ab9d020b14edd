"""The sealed byte string that rebuilds an image file around its pixels: a small header and some blobs.

Layout: `codecs.stream.write_frame(b"TC", 1, zstd(uint32 LE length of the JSON | JSON | blobs))`. The JSON object
holds the header and, under "blobs", the length of each blob.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import zstandard

from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import read_frame, write_frame
from tilepress.pipeline.errors import IntegrityError

MAX_BYTES = 128 << 20  # of all that is not pixels; a file with more is stored verbatim
_MAGIC = b"TC"
_STACK_MAGIC = b"TS"
HASH_BYTES = 4  # of the SHA-256 of a file in a stack; the stack has the SHA-256 of all of them
_MAX_STACK_BYTES = 32 << 20  # of the containers of a stack; writers stay below a third of that
_OPEN = 8  # containers of a stack that are kept open: most have the same one
_VERSION = 1
_LENGTH = struct.Struct("<I")
_LEVEL = 12  # blobs are mostly small; 19 gains 1 % on them and is slow on large ones
_LARGE, _LEVEL_OF_LARGE = 4 << 20, 3  # bytes: what is large is mostly compressed already, such as a video


@dataclass(frozen=True)
class Container:
    """An opened container. `header["format"]` names the image format."""

    header: dict[str, Any]
    blobs: tuple[bytes, ...]


def pack_container(header: dict[str, Any], *blobs: bytes) -> bytes:
    """Return the frame of a JSON-able header and blobs of at most MAX_BYTES together (readers refuse more)."""
    text = json.dumps({**header, "blobs": [len(b) for b in blobs]}, separators=(",", ":")).encode()
    raw = b"".join((_LENGTH.pack(len(text)), text, *blobs))
    level = _LEVEL if len(raw) <= _LARGE else _LEVEL_OF_LARGE
    return write_frame(_MAGIC, _VERSION, zstandard.ZstdCompressor(level=level).compress(raw))


def unpack_container(container: bytes) -> Container:
    """Open a container; IntegrityError for any bytes that `pack_container` did not write."""
    with reading_container():
        return _parsed(_inflate(read_frame(_MAGIC, {_VERSION}, container)[1]))


def pack_containers(containers: Sequence[bytes], hashes: Sequence[bytes]) -> bytes:
    """Return the frame of the containers of a stack, and of the SHA-256s of its files, in the order of its cells.

    Equal containers are there once, and of each hash the first HASH_BYTES.

    Layout: `write_frame(b"TS", 1, zstd(uint32 LE n, number of different containers | n uint32 LE lengths | their
    contents, as within the frame of a container, inflated | uint32 LE a cell: which of them it has | hashes))`.
    """
    numbers: dict[bytes, int] = {}
    cells = [numbers.setdefault(each, len(numbers)) for each in containers]
    contents = [_inflate(read_frame(_MAGIC, {_VERSION}, each)[1]) for each in numbers]
    lengths = _numbers([len(contents), *map(len, contents)])
    raw = b"".join((lengths, *contents, _numbers(cells), *(each[:HASH_BYTES] for each in hashes)))
    return write_frame(_STACK_MAGIC, _VERSION, zstandard.ZstdCompressor(level=_LEVEL).compress(raw))


class StackedContainers:
    """The containers of a stack, opened one by one."""

    def __init__(self, frame: bytes, cells: int) -> None:
        """IntegrityError for any bytes that `pack_containers` did not write for so many cells."""
        with reading_container():
            self._raw = _inflate(read_frame(_STACK_MAGIC, {_VERSION}, frame)[1], _MAX_STACK_BYTES)
            (count,) = _LENGTH.unpack_from(self._raw)
            behind = (_LENGTH.size + HASH_BYTES) * cells
            self._hashes = len(self._raw) - HASH_BYTES * cells
            lengths = np.frombuffer(self._raw, "<u4", whole(count, 1, cells), _LENGTH.size).astype(np.int64)
            self._ends = _LENGTH.size * (1 + count) + np.cumsum(lengths)
            self._starts = self._ends - lengths
            self._cells = np.frombuffer(self._raw, "<u4", cells, len(self._raw) - behind)
            if int(self._ends[-1]) != len(self._raw) - behind or int(self._cells.max()) >= count:
                raise IntegrityError("stack of containers: its parts do not add up; restore from another copy")
        self._open = lru_cache(maxsize=_OPEN)(self._parse)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return len(self._raw)

    def open(self, cell: int) -> Container:
        """Return the container of a cell."""
        return self._open(int(self._cells[cell]))

    def hash(self, cell: int) -> bytes:
        """Return the first HASH_BYTES of the SHA-256 of the file of a cell."""
        at = self._hashes + HASH_BYTES * cell
        return self._raw[at : at + HASH_BYTES]

    def _parse(self, number: int) -> Container:
        with reading_container():
            return _parsed(self._raw[self._starts[number] : self._ends[number]])


def _numbers(values: Sequence[int]) -> bytes:
    return np.array(values, "<u4").tobytes()


def _parsed(raw: bytes) -> Container:
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


def _inflate(data: bytes, most: int = MAX_BYTES + (1 << 20)) -> bytes:
    size = zstandard.frame_content_size(data)
    if not 0 <= size <= most:
        raise IntegrityError(f"image container: claims {size} bytes, which is beyond the limit")
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
