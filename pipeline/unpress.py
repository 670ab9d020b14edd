"""Stored rows back to pixels and files. Nothing is returned whose checksums do not match."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO

import numpy as np
import zstandard

from tilepress.codecs.errors import CodecError
from tilepress.codecs.jpeg_transcode import unpack_jpeg
from tilepress.pipeline.checksums import hash_band, hashed, samples_crc
from tilepress.pipeline.errors import IntegrityError, PictureError, UsageError
from tilepress.pipeline.image_file import read_picture, rebuild
from tilepress.pipeline.part import Fetch
from tilepress.pipeline.picture import MODES, Limits, tile_spec
from tilepress.pipeline.rows import FILE, FILE_ZSTD, JPEG, NOT_STORED, TILES, ImageFacts, TileFacts
from tilepress.pipeline.stored import (
    StoredImage,
    StoredTile,
    fetch_image_row,
    fetch_piece,
    fetch_tile_rows,
)
from tilepress.pipeline.tiles import Box, chunks, grid, join_band
from tilepress.pipeline.toolbox import Toolbox

_FETCH_BYTES = 64 << 20  # payload of the rows of tiles that are fetched together
_MAX_PIECE_BYTES = 64 << 20  # expanded: what kept.py puts into one value
_FILE_METHODS = (FILE, FILE_ZSTD, JPEG)
_NO_LIMITS = Limits(max_pixels=1 << 62, max_file_bytes=1 << 62, max_whole_bytes=1 << 62)

Loaded = tuple[StoredTile, bytes, bytes]


@dataclass(frozen=True)
class Outcome:
    """What a restored file is: its hash, and whether that is the source's."""

    sha256: bytes
    byte_identical: bool


def read_bands(
    image: StoredImage, fetch: Fetch, tools: Toolbox, area: Box | None = None, *, preview: bool = False
) -> Iterator[np.ndarray]:
    """Pixels of a tiled image from top to bottom, a row of tiles at a time: (rows, area.w, channels).

    `preview`: the base that the latents alone decode to. IntegrityError names the first tile that is not as written.
    """
    whole = Box(0, 0, image.facts.width, image.facts.height)
    area = whole if area is None else area
    _check_grid(image)
    wanted = [tile for tile in image.tiles if _box(tile.facts).intersect(area)]
    for chunk in _fetch_chunks(wanted):
        loaded = fetch_tile_rows(chunk, fetch, residuals=not preview)
        decoded = decode_tiles(image.facts, loaded, tools, preview=preview)
        placed = [(_box(tile.facts), samples) for (tile, _, _), samples in zip(loaded, decoded, strict=True)]
        for _, row in groupby(placed, key=lambda pair: pair[0].y):
            yield join_band(list(row), area)


def decode_tiles(
    facts: ImageFacts, loaded: Sequence[Loaded], tools: Toolbox, *, preview: bool = False
) -> list[np.ndarray]:
    """Samples (h, w, channels) of each tile, in order, checked against the CRCs of base and pixels."""
    order = sorted(range(len(loaded)), key=lambda at: _kind(loaded[at][0].facts))
    batches = [
        chunk
        for (_, height, width), group in groupby(order, key=lambda at: _kind(loaded[at][0].facts))
        for chunk in chunks(list(group), width, height)
    ]
    results = tools.map(lambda batch: _decode_batch(facts, [loaded[at] for at in batch], tools, preview), batches)
    samples: list[np.ndarray] = [np.empty(0)] * len(loaded)
    for batch, decoded in zip(batches, results, strict=True):
        for at, tile in zip(batch, decoded, strict=True):
            samples[at] = tile
    return samples


def _decode_batch(image: ImageFacts, batch: Sequence[Loaded], tools: Toolbox, preview: bool) -> Iterable[np.ndarray]:
    facts = batch[0][0].facts
    spec = tile_spec(image.mode, image.dtype, image.bit_depth, facts.h, facts.w)
    codec = tools.codec(facts.codec)
    try:
        symbols = codec.unpack([latents for _, latents, _ in batch], spec)
        bases = tools.synthesise(facts.codec, symbols)
        for (tile, _, _), base in zip(batch, bases, strict=True):
            _check(tile.facts, "base", tile.facts.base_crc, base)
        if preview:
            return list(bases)
        decoded = [
            tools.residual(tile.facts.residual_codec).decode(rest, base, spec) if rest else base
            for (tile, _, rest), base in zip(batch, bases, strict=True)
        ]
    except CodecError as exc:
        raise IntegrityError(f"tile {facts.tile} or one beside it does not decode: {exc}") from exc
    for (tile, _, _), samples in zip(batch, decoded, strict=True):
        _check(tile.facts, "pixels", tile.facts.pixels_crc, samples)
    return decoded


def _check(facts: TileFacts, what: str, crc: int | None, samples: np.ndarray) -> None:
    if crc is not None and samples_crc(samples) != crc:
        raise IntegrityError(
            f"tile {facts.tile}: its {what} decoded by {facts.codec.partition('@')[0]} on this machine differ "
            "from what was checked when it was stored"
        )


def file_chunks(image: StoredImage, fetch: Fetch) -> Iterator[bytes]:
    """The bytes of a file that is kept as such or as a transcoded JPEG."""
    _, _, payload = fetch_image_row(image, fetch)
    try:
        if image.facts.method == JPEG:
            yield unpack_jpeg(payload)
            return
        expand = _expand if image.facts.method == FILE_ZSTD else bytes
        yield expand(payload)
        for piece in image.pieces:
            yield expand(fetch_piece(piece, fetch))
    except CodecError as exc:
        raise IntegrityError(f"the stored JPEG does not decode: {exc}") from exc


def _expand(data: bytes) -> bytes:
    if not data:
        return b""
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= _MAX_PIECE_BYTES:
            raise IntegrityError(f"a kept file claims pieces of {size} bytes; the limit is {_MAX_PIECE_BYTES}")
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as exc:
        raise IntegrityError(f"a kept file does not decompress: {exc}") from exc


def prove(image: StoredImage, fetch: Fetch, tools: Toolbox) -> None:
    """Decode an image's stored bytes and compare with its hashes; IntegrityError unless all is right."""
    facts = image.facts
    digest = hashlib.sha256()
    if facts.method in _FILE_METHODS:
        for chunk in file_chunks(image, fetch):
            digest.update(chunk)
        if digest.digest() != facts.file_sha256:
            raise IntegrityError("the kept file's SHA-256 differs")
    elif facts.method == TILES:
        for band in read_bands(image, fetch, tools):
            hash_band(digest, band)
        if facts.fidelity != "lossy" and digest.digest() != facts.pixels_sha256:
            raise IntegrityError("the decoded pixels' SHA-256 differs")
    elif facts.method != NOT_STORED:
        raise IntegrityError(f"unknown method {facts.method!r}")


def write_file(image: StoredImage, fetch: Fetch, tools: Toolbox, out: BinaryIO) -> Outcome:
    """Write the image's file to `out` (readable and seekable), and prove it: IntegrityError unless it is right.

    Kept files and JPEGs equal the source byte for byte. Tiled images have the source's pixels (checked by decoding
    the file just written, unless the fidelity is lossy) and metadata, and are byte-identical where that is possible.
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
    return _write_tiled(image, fetch, tools, out)


def _write_tiled(image: StoredImage, fetch: Fetch, tools: Toolbox, out: BinaryIO) -> Outcome:
    container, _, _ = fetch_image_row(image, fetch)
    digest = hashlib.sha256()
    rebuild(container, hashed(digest, read_bands(image, fetch, tools)), out)
    exact = image.facts.fidelity != "lossy"
    if exact and digest.digest() != image.facts.pixels_sha256:
        raise IntegrityError("the decoded pixels are not the source's (SHA-256 differs)")
    sha256 = _hash_file(out)
    identical = sha256 == image.facts.file_sha256
    if exact and not identical and pixels_sha256(out) != image.facts.pixels_sha256:
        raise IntegrityError("the file just rebuilt does not hold the pixels that went into it")
    return Outcome(sha256, identical)


def pixels_sha256(file: BinaryIO) -> bytes:
    """SHA-256 of the pixels of an image file in raster order, little-endian."""
    file.seek(0)
    try:
        picture = read_picture(file.read(), _NO_LIMITS, recipe=False)
        digest = hashlib.sha256()
        for _ in hashed(digest, picture.read_bands(512)):
            pass
    except PictureError as exc:
        raise IntegrityError(f"the file just rebuilt does not decode: {exc}") from exc
    return digest.digest()


def _hash_file(file: BinaryIO) -> bytes:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]


def _check_grid(image: StoredImage) -> None:
    facts = image.facts
    if min(facts.width, facts.height, facts.tile_size) < 1 or facts.mode not in MODES:
        raise IntegrityError(f"{facts.width} x {facts.height} pixels of mode {facts.mode!r} are no image")
    expected = -(-facts.width // facts.tile_size) * -(-facts.height // facts.tile_size)
    if len(image.tiles) != expected:  # before a grid is made of what may be hostile facts
        raise IntegrityError(f"{len(image.tiles)} tiles are there where the image has {expected}")
    for at, (tile, box) in enumerate(zip(image.tiles, grid(facts.width, facts.height, facts.tile_size), strict=True)):
        if _box(tile.facts) != box or tile.facts.tile != at:
            raise IntegrityError(f"tile {at} is missing or not where it belongs")


def _box(facts: TileFacts) -> Box:
    return Box(facts.x, facts.y, facts.w, facts.h)


def _kind(facts: TileFacts) -> tuple[str, int, int]:
    return facts.codec, facts.h, facts.w


def _fetch_chunks(tiles: Sequence[StoredTile]) -> Iterator[list[StoredTile]]:
    """Whole rows of tiles, as many as fit the bound on bytes fetched together and on decoded pixels held."""
    chunk: list[StoredTile] = []
    size = 0
    for _, group in groupby(tiles, key=lambda tile: tile.facts.y):
        row = list(group)
        cost = sum(tile.latents[1] + tile.residual[1] + tile.facts.w * tile.facts.h for tile in row)
        if chunk and size + cost > _FETCH_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk += row
        size += cost
    if chunk:
        yield chunk
