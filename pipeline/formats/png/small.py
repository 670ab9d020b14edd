"""Small PNG files, many at a time: what takes a call a file when they are read alone takes a call for all of a kind."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from tilepress.pipeline.errors import PictureError
from tilepress.pipeline.formats.bands import regroup
from tilepress.pipeline.formats.packed_samples import unpack_samples
from tilepress.pipeline.formats.picture import Limits, Picture
from tilepress.pipeline.formats.png.chunks import SIGNATURE, Header, PngFile, chunk, has_chunk, parse_header, scan
from tilepress.pipeline.formats.png.container import MOST_ROW_BYTES, one_chunk_container
from tilepress.pipeline.formats.png.rows import choose_types_of_all, unfilter_all
from tilepress.pipeline.formats.zlib_settings import SettingsSearch

_MOST_FILE_BYTES = 1 << 18
_BATCH_BYTES = 1 << 20  # of filtered rows
_SKELETONS = 64  # that are kept: files of one writer have the same one
_CHUNK = 8  # bytes of length and type before a chunk's content, and
_CRC = 4  # behind it
_HEADER = slice(16, 29)  # of a file: what its first chunk says
_LAST_TYPE = 4  # of the row filters


@dataclass(frozen=True)
class _Skeleton:
    """What the chunks around the pixels say."""

    header: Header
    file: PngFile  # without pixels
    head: bytes
    tail: bytes
    has_reserved_value: bool
    rows: int
    row_bytes: int  # with the filter type

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return self.rows * self.row_bytes


@dataclass(frozen=True)
class _Inflated:
    """One file: where it is among those given, its compressed stream, and its filtered rows."""

    at: int
    skeleton: _Skeleton
    stream: bytes
    rows: bytes


def read_small_pngs(sources: Sequence[bytes], limits: Limits) -> list[Picture | None]:
    """Describe PNG files as `read_png` does, pixels in memory; None for each that has to be read alone.

    Those are files that are no PNG, too large, damaged, interlaced, or with other than one IDAT chunk: reading them
    alone tells what they are.
    """
    pictures: list[Picture | None] = [None] * len(sources)
    kinds: dict[bytes, list[_Inflated]] = {}
    for at, source in enumerate(sources):
        inflated = _inflated(at, source, limits)
        if inflated is not None:
            kinds.setdefault(source[_HEADER], []).append(inflated)
    for files in kinds.values():
        step = max(1, _BATCH_BYTES // len(files[0].rows))
        for start in range(0, len(files), step):
            _read_kind(files[start : start + step], pictures)
    return pictures


def may_be_small(source: bytes) -> bool:
    """Tell whether a file may be one that `read_small_pngs` reads, by its size and its first bytes."""
    return len(source) <= _MOST_FILE_BYTES and source.startswith(SIGNATURE)


def _inflated(at: int, source: bytes, limits: Limits) -> _Inflated | None:
    """A file whose pixels are all in the first IDAT chunk; chunks, checksums and lengths are right."""
    found = source.find(b"IDAT") + 4  # where the chunk begins, unless a chunk before it has these bytes too
    if found < _CHUNK or len(source) > min(_MOST_FILE_BYTES, limits.max_file_bytes):
        return None
    end = found + int.from_bytes(source[found - _CHUNK : found - 4])
    skeleton = _skeleton(source[: found - _CHUNK], source[end + _CRC :], limits)
    if skeleton is None or zlib.crc32(source[found - 4 : end]) != int.from_bytes(source[end : end + _CRC]):
        return None
    stream = source[found:end]
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(stream, skeleton.nbytes + 1)
    except zlib.error:
        return None
    whole = inflater.eof and not inflater.unused_data and len(rows) == skeleton.nbytes
    return _Inflated(at, skeleton, stream, rows) if whole and max(rows[:: skeleton.row_bytes]) <= _LAST_TYPE else None


@lru_cache(maxsize=_SKELETONS)
def _skeleton(head: bytes, tail: bytes, limits: Limits) -> _Skeleton | None:
    """The chunks of a file whose one IDAT chunk lies between `head` and `tail`; None if they are not that, or large."""
    empty = head + chunk(b"IDAT", b"") + tail
    if not head.startswith(SIGNATURE):
        return None
    try:
        header = parse_header(empty)
        file = scan(empty, header, limits)
    except PictureError:
        return None
    row_bytes = 1 + header.row_bytes(header.width)
    skeleton = _Skeleton(header, file, head, tail, has_chunk(head, b"tRNS"), header.height, row_bytes)
    alone = file.offsets.tolist() == [len(head) + _CHUNK]
    return skeleton if alone and skeleton.nbytes <= MOST_ROW_BYTES and not header.interlaced else None


def _read_kind(files: Sequence[_Inflated], pictures: list[Picture | None]) -> None:
    """Put the pictures of files with one header where they belong."""
    kind = files[0].skeleton
    header = kind.header
    rows = np.frombuffer(b"".join([file.rows for file in files]), np.uint8)
    rows = rows.reshape(len(files), kind.rows, kind.row_bytes)
    types = np.ascontiguousarray(rows[:, :, 0])
    packed = unfilter_all(rows, header.pixel_bytes)
    samples = unpack_samples(packed.reshape(-1, packed.shape[2]), header.width, header.channels, header.bits)
    samples = samples.reshape(len(files), header.height, header.width, header.channels)
    least = np.zeros(len(files), bool)
    if header.chooses_types:
        least = (choose_types_of_all(packed, header.pixel_bytes) == types).all(axis=1)
    search = SettingsSearch()
    for file, pixels, kinds, is_least in zip(files, samples, types, least.tolist(), strict=True):
        skeleton = file.skeleton
        settings = search.find(file.rows, file.stream)
        filters = None if is_least or settings is None else kinds.tobytes()
        container = one_chunk_container(
            skeleton.head, skeleton.tail, settings, filters, exact=bool(skeleton.file.describes_bytes)
        )
        pictures[file.at] = _picture(skeleton, container, pixels)


def _picture(skeleton: _Skeleton, container: bytes, pixels: np.ndarray) -> Picture:
    header, file = skeleton.header, skeleton.file
    return Picture(
        "png",
        header.mode,
        header.width,
        header.height,
        header.dtype,
        header.bits,
        container,
        partial(regroup, (pixels,)),
        skeleton.has_reserved_value,
        file.palette_size,
        file.describes_bytes,
    )
