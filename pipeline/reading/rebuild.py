"""Stored images back to files. Nothing is returned whose checksums do not match."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, cast

import numpy as np
import zstandard

from tilepress.codecs.classical.jpeg_transcode import unpack_jpeg
from tilepress.codecs.errors import CodecError, MissingPackage
from tilepress.pipeline.archive.checksums import hash_band, hashed
from tilepress.pipeline.archive.fidelity import WHOLE_FILE
from tilepress.pipeline.archive.index_row import IndexRow, fetch_image_row, fetch_piece
from tilepress.pipeline.archive.part import Fetch
from tilepress.pipeline.archive.schema import (
    CONTENTLESS,
    FILE,
    FILE_ZSTD,
    JPEG,
    NO_FILES,
    NOT_STORED,
    PIXEL_METHODS,
    ImageFacts,
)
from tilepress.pipeline.errors import IntegrityError, PictureError, UsageError
from tilepress.pipeline.formats.container import Container
from tilepress.pipeline.formats.picture import NO_LIMITS, mode_channels
from tilepress.pipeline.formats.registry import fast_container, must_be_exact, read_picture, rebuild
from tilepress.pipeline.reading.pixels import PartReader
from tilepress.pipeline.storage.base import LINK

_MAX_PIECE_BYTES = 64 << 20  # expanded: what compress/verbatim.py puts into one value
_BAND_ROWS = 512
_IN_MEMORY = 16 << 20  # bytes of a scratch file
_FILE_METHODS = {FILE, FILE_ZSTD, JPEG, *NO_FILES}


@dataclass(frozen=True)
class Outcome:
    """What a restored file is: its hash, and whether that is the source's."""

    sha256: bytes
    byte_identical: bool


def file_chunks(image: IndexRow, fetch: Fetch) -> Iterator[bytes]:
    """Yield the bytes of a file that is stored verbatim or as a transcoded JPEG: no more than the file had.

    Of a link, its target; of a folder, nothing.
    """
    _, _, payload = fetch_image_row(image, fetch)
    left = image.facts.source_bytes
    method = image.facts.method
    further = FILE_ZSTD if method == JPEG else method  # what follows a JPEG's image in its file
    pieces = ((fetch_piece(piece, fetch), further) for piece in image.pieces)
    for stored, how in chain([(payload, method)], pieces):
        chunk = _expanded(stored, how, left)
        left -= len(chunk)
        if left < 0:
            raise IntegrityError(f"it expands beyond the {image.facts.source_bytes} bytes that the file has")
        yield chunk


def _expanded(stored: bytes, method: str, limit: int) -> bytes:
    """The bytes of a file that a payload stands for; IntegrityError before more than `limit` are made of it."""
    if method == LINK and (not stored or b"\0" in stored):
        raise IntegrityError("no link can have the stored target: it is empty, or has a NUL character")
    if not stored or method == FILE or method in NO_FILES:
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


def prove(image: IndexRow, reader: PartReader, *, file: bool = False) -> None:
    """Decode an image's stored bytes and compare with its hashes; IntegrityError unless all is right.

    The pixels of images that are lossy, or within a bound, have no hash but the CRC of each tile. `file`: prove too
    that `write_file` can make the file around the pixels. A blank image stands for them, which is made and read in a
    tenth of the time; where the file must be the source's byte for byte, the file itself is made.
    """
    facts = image.facts
    if facts.method in _FILE_METHODS:
        digest = hashlib.sha256()
        for chunk in file_chunks(image, reader.fetch):
            digest.update(chunk)
        if digest.digest() != facts.file_sha256:
            raise IntegrityError("the SHA-256 of the file that is stored verbatim differs")
    elif facts.method in PIXEL_METHODS:
        _prove_pixels(image, reader, file=file)
    elif facts.method != NOT_STORED:
        raise _unknown_method(image, reader.fetch)


def write_file(image: IndexRow, reader: PartReader, out: BinaryIO, *, pixels_only: bool = False) -> Outcome:
    """Write the image's file to `out` (readable and seekable), and prove it: IntegrityError unless it is right.

    Kept files and JPEGs equal the source byte for byte. Tiled images have the source's pixels, or those within the
    bound that was asked for (checked by decoding the file just written, unless the fidelity is lossy), and metadata,
    and are byte-identical where that is possible.

    `pixels_only`: tiled images need not be that, whatever was promised, and are written fast; but for files that
    describe their own bytes, and images of a stack, which are small.
    """
    if image.facts.method in _FILE_METHODS:
        for chunk in file_chunks(image, reader.fetch):
            out.write(chunk)
        sha256 = _hash_file(out)
        if sha256 != image.facts.file_sha256:
            raise IntegrityError("the restored bytes are not the source's (SHA-256 differs)")
        return Outcome(sha256, True)
    if image.facts.method in CONTENTLESS:
        raise UsageError(f"{image.facts.path} has no content: {image.facts.reason or image.facts.method}")
    if image.facts.method not in PIXEL_METHODS:
        raise _unknown_method(image, reader.fetch)
    return _write_pixels(image, reader, out, fast=pixels_only and image.stack is None)


def _unknown_method(image: IndexRow, fetch: Fetch) -> MissingPackage:
    """The error of an image that is held in a way of later versions; IntegrityError if its row is damaged instead."""
    fetch_image_row(image, fetch)
    return MissingPackage(f"it is held by the method {image.facts.method!r}, which a later tilepress knows")


def _prove_pixels(image: IndexRow, reader: PartReader, *, file: bool) -> None:
    container, facts, digest = reader.container(image), image.facts, hashlib.sha256()
    if file and (image.stack is not None or _must_be_identical(facts, container)):  # a small image takes no time
        _write_pixels(image, reader, io.BytesIO() if image.stack is not None else _scratch())
        return
    for band in reader.bands(image):  # of a stack, the whole of which was hashed
        if image.stack is None:
            hash_band(digest, band)
    if facts.promised.is_exact and image.stack is None and digest.digest() != facts.pixels_sha256:
        raise IntegrityError("the decoded pixels' SHA-256 differs")
    if file:
        out = _scratch()
        _prove_rebuilt(facts, _rebuild(container, _blank(facts), out), out)


def _write_pixels(image: IndexRow, reader: PartReader, out: BinaryIO, *, fast: bool = False) -> Outcome:
    stored, facts = reader.container(image), image.facts
    container = fast_container(stored) if fast else stored
    pixels = _rebuild(container, reader.bands(image), out)
    if facts.promised.bound == 0 and image.stack is None and pixels != facts.pixels_sha256:
        raise IntegrityError("the decoded pixels are not the source's (SHA-256 differs)")
    sha256 = _hash_file(out)
    identical = reader.is_of(image, sha256) and out.seek(0, io.SEEK_END) == facts.source_bytes
    if not identical and container is stored and _must_be_identical(facts, container):
        raise IntegrityError(
            "its pixels are right, but this machine's zlib makes other bytes of them than are promised: "
            "restore it where zlib is the one that stored it, or read its pixels"
        )
    if not identical:
        _prove_rebuilt(facts, pixels, out)
    return Outcome(sha256, identical)


def _must_be_identical(facts: ImageFacts, container: Container) -> bool:
    """Whether the file is wanted byte for byte or not at all."""
    return facts.fidelity == WHOLE_FILE or must_be_exact(container)


def _scratch() -> BinaryIO:
    """A file without a name, whose space is free again when nobody holds it."""
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))


def _blank(facts: ImageFacts) -> Iterator[np.ndarray]:
    """Bands of an image of the size and kind that the facts say, all samples 0."""
    for y in range(0, facts.height, _BAND_ROWS):
        rows = min(_BAND_ROWS, facts.height - y)
        yield np.zeros((rows, facts.width, mode_channels(facts.mode)), facts.dtype)


def _rebuild(container: Container, bands: Iterator[np.ndarray], out: BinaryIO) -> bytes:
    """Write a file around `bands` to `out`; the SHA-256 of its pixels."""
    digest = hashlib.sha256()
    rebuild(container, hashed(digest, bands), out)
    return digest.digest()


def _prove_rebuilt(facts: ImageFacts, pixels: bytes, out: BinaryIO) -> None:
    """IntegrityError unless the file in `out`, if it promises anything, has the pixels with this SHA-256."""
    if facts.promised.bound is not None and pixels_sha256(out) != pixels:
        raise IntegrityError("the file rebuilt around its pixels does not hold the pixels that went into it")


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
