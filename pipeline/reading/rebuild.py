"""Stored images back to files. Nothing is returned whose checksums do not match."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import zstandard

from tilepress.codecs.classical.jpeg_transcode import unpack_jpeg
from tilepress.codecs.errors import CodecError
from tilepress.pipeline.archive.checksums import hash_band, hashed
from tilepress.pipeline.archive.index_row import IndexRow, fetch_image_row, fetch_piece
from tilepress.pipeline.archive.part import Fetch
from tilepress.pipeline.archive.schema import FILE, FILE_ZSTD, JPEG, NOT_STORED, TILES
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.decode import read_bands
from tilepress.pipeline.errors import IntegrityError, PictureError, UsageError
from tilepress.pipeline.formats.picture import NO_LIMITS
from tilepress.pipeline.formats.registry import check_container, must_be_exact, read_picture, rebuild

_MAX_PIECE_BYTES = 64 << 20  # expanded: what compress/verbatim.py puts into one value
_FILE_METHODS = (FILE, FILE_ZSTD, JPEG)


@dataclass(frozen=True)
class Outcome:
    """What a restored file is: its hash, and whether that is the source's."""

    sha256: bytes
    byte_identical: bool


def file_chunks(image: IndexRow, fetch: Fetch) -> Iterator[bytes]:
    """Yield the bytes of a file that is stored verbatim or as a transcoded JPEG: no more than the file had."""
    _, _, payload = fetch_image_row(image, fetch)
    left = image.facts.source_bytes
    for stored in chain([payload], (fetch_piece(piece, fetch) for piece in image.pieces)):
        chunk = _expanded(stored, image.facts.method, left)
        left -= len(chunk)
        if left < 0:
            raise IntegrityError(f"it expands beyond the {image.facts.source_bytes} bytes that the file has")
        yield chunk


def _expanded(stored: bytes, method: str, limit: int) -> bytes:
    """The bytes of a file that a payload stands for; IntegrityError before more than `limit` are made of it."""
    if not stored or method == FILE:
        return stored
    try:
        if method == JPEG:
            return unpack_jpeg(stored, limit)
        size = zstandard.frame_content_size(stored)
        if not 0 <= size <= min(limit, _MAX_PIECE_BYTES):
            raise IntegrityError(f"a piece of {size} bytes stands where at most {limit} can be")
        return zstandard.ZstdDecompressor().decompress(stored, max_output_size=size)
    except zstandard.ZstdError as exc:
        raise IntegrityError(f"a file stored verbatim does not decompress: {exc}") from exc
    except CodecError as exc:
        raise IntegrityError(f"the stored JPEG does not decode: {exc}") from exc


def prove(image: IndexRow, fetch: Fetch, pool: CodecPool) -> None:
    """Decode an image's stored bytes and compare with its hashes; IntegrityError unless all is right.

    The pixels of images that are lossy, or within a bound, have no hash but the CRC of each tile.
    """
    facts = image.facts
    digest = hashlib.sha256()
    if facts.method in _FILE_METHODS:
        for chunk in file_chunks(image, fetch):
            digest.update(chunk)
        if digest.digest() != facts.file_sha256:
            raise IntegrityError("the SHA-256 of the file that is stored verbatim differs")
    elif facts.method == TILES:
        container, _, _ = fetch_image_row(image, fetch)  # pixels alone would be proven without it
        check_container(container, facts.width, facts.height)
        for band in read_bands(image, fetch, pool):
            hash_band(digest, band)
        if facts.promised.is_exact and digest.digest() != facts.pixels_sha256:
            raise IntegrityError("the decoded pixels' SHA-256 differs")
    elif facts.method != NOT_STORED:
        raise IntegrityError(f"unknown method {facts.method!r}")


def write_file(image: IndexRow, fetch: Fetch, pool: CodecPool, out: BinaryIO) -> Outcome:
    """Write the image's file to `out` (readable and seekable), and prove it: IntegrityError unless it is right.

    Kept files and JPEGs equal the source byte for byte. Tiled images have the source's pixels, or those within the
    bound that was asked for (checked by decoding the file just written, unless the fidelity is lossy), and metadata,
    and are byte-identical where that is possible.
    """
    if image.facts.method in _FILE_METHODS:
        for chunk in file_chunks(image, fetch):
            out.write(chunk)
        sha256 = _hash_file(out)
        if sha256 != image.facts.file_sha256:
            raise IntegrityError("the restored bytes are not the source's (SHA-256 differs)")
        return Outcome(sha256, True)
    if image.facts.method != TILES:
        raise UsageError(f"{image.facts.path} has no content: {image.facts.reason or image.facts.method}")
    return _write_tiled(image, fetch, pool, out)


def _write_tiled(image: IndexRow, fetch: Fetch, pool: CodecPool, out: BinaryIO) -> Outcome:
    container, _, _ = fetch_image_row(image, fetch)
    digest = hashlib.sha256()
    rebuild(container, hashed(digest, read_bands(image, fetch, pool)), out)
    bound = image.facts.promised.bound
    if bound == 0 and digest.digest() != image.facts.pixels_sha256:
        raise IntegrityError("the decoded pixels are not the source's (SHA-256 differs)")
    sha256 = _hash_file(out)
    identical = sha256 == image.facts.file_sha256
    if not identical and must_be_exact(container):
        raise IntegrityError("this machine compresses otherwise than the file's own description of its bytes says")
    if bound is not None and not identical and pixels_sha256(out) != digest.digest():
        raise IntegrityError("the file just rebuilt does not hold the pixels that went into it")
    return Outcome(sha256, identical)


def pixels_sha256(file: BinaryIO) -> bytes:
    """Return SHA-256 of the pixels of an image file in raster order, little-endian."""
    file.seek(0)
    try:
        picture = read_picture(file.read(), NO_LIMITS, byte_exact=False)
        digest = hashlib.sha256()
        for _ in hashed(digest, picture.read_bands(512)):
            pass
    except PictureError as exc:
        raise IntegrityError(f"the file just rebuilt does not decode: {exc}") from exc
    return digest.digest()


def _hash_file(file: BinaryIO) -> bytes:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]
