"""From an item to its pixels, proven: of an archive by the hashes that it has of them, of a source as it decodes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tilepress.jobs.audit.items import MOST_PIXELS, AuditItem, AuditOptions
from tilepress.pipeline.archive.checksums import hash_band, sha256
from tilepress.pipeline.archive.schema import PIXEL_METHODS, TILES
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.decode import STORED, check_grid
from tilepress.pipeline.errors import IntegrityError, LimitExceeded
from tilepress.pipeline.formats.container import Container, unpack_container
from tilepress.pipeline.formats.picture import Limits, Picture, mode_channels
from tilepress.pipeline.formats.png.palette import palette_of, used_entries_sha256
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.one_image import one_image
from tilepress.pipeline.sources.dataset import CollectedImages, DataSet, Item, whole
from tilepress.pipeline.storage.base import SourceBytes, Storage

LIMITS = Limits(max_pixels=MOST_PIXELS)  # an image is held whole, twice
_ROWS = 512


@dataclass(frozen=True)
class Seen:
    """An image as it was decoded: `pixels` (h, w, c) uint8 or uint16, their SHA-256, and the metadata around them."""

    format: str
    mode: str
    bits: int
    pixels: np.ndarray
    pixels_sha256: bytes
    file_sha256: bytes  # empty where it is not known
    container: Container
    jpeg: bytes = b""  # the file, of a JPEG

    @cached_property
    def palette(self) -> np.ndarray | None:
        """Return what the samples are indices of, uint8 (256, 4); None where they are none."""
        return palette_of(self.container) if self.mode == "P" else None

    @cached_property
    def palette_sha256(self) -> bytes | None:
        """Return the SHA-256 of the colours that the image consists of; None where samples are no indices."""
        return None if self.palette is None else used_entries_sha256(self.pixels, self.palette)


class Reader:
    """Sees the images of an audit, and those that they are compared with; may be used by several threads."""

    def __init__(self, options: AuditOptions, storage: Storage, pool: CodecPool) -> None:
        """`storage` and `pool`: of the archive, if one is audited."""
        self._storage, self._pool = storage, pool
        self._data = None if options.archive else options.source.open()
        self._other = options.against.open() if options.against else None

    def see(self, item: AuditItem) -> Seen:
        """Return an image as it was decoded. PictureError, IntegrityError, MissingPackage, StorageError."""
        if item.entry is not None:
            with self._pool.progress.decoding(item.entry[1].facts):
                return see_entry(Entry(self._storage, self._pool, *item.entry))
        assert item.file is not None and self._data is not None
        return _see_item(self._data, item.file)

    def see_original(self, item: AuditItem) -> Seen | None:
        """Return the image that one is compared with; None if there is none. Raises what `see` does."""
        return _see_item(self._other, item.other) if item.other and self._other else None


def _see_item(data: DataSet, item: Item) -> Seen:
    if isinstance(data, CollectedImages):
        with data.open_file(item) as file:
            return see_picture(read_picture(file, LIMITS, name=item.name, byte_exact=False), file)
    with data.open(item) as picture:
        return see_picture(picture, b"")


def see_entry(entry: Entry) -> Seen:
    """Return an image of an archive. IntegrityError unless all of it is as written.

    PictureError if it is no image; LimitExceeded, once it is proven, where it is too large to be held.
    """
    row = entry.index_row
    row.require_sound()
    if row.facts.method in PIXEL_METHODS:
        return _see_pixels(entry)
    data = entry.bytes()  # the very file, proven
    picture = read_picture(data, LIMITS, byte_exact=False)
    return see_picture(picture, data)


def see_picture(picture: Picture, data: SourceBytes) -> Seen:
    """Return the image of a file, whose content is `data`. PictureError where its pixels do not decode."""
    pixels = whole(picture)
    digest = hashlib.sha256()
    hash_band(digest, pixels)
    container = unpack_container(picture.container)
    jpeg = bytes(data) if picture.format == "jpeg" else b""
    facts = picture.format, picture.mode, picture.bit_depth
    return Seen(*facts, pixels, digest.digest(), sha256(data) if data else b"", container, jpeg)


def _see_pixels(entry: Entry) -> Seen:
    facts = entry.index_row.facts
    if facts.width * facts.height > LIMITS.max_pixels:
        entry.prove()
        size = f"{facts.width} x {facts.height} pixels"
        raise LimitExceeded(
            f"{size} are only proven by their hash, and not looked at; the limit is {LIMITS.max_pixels}"
        )
    if facts.method == TILES:
        check_grid(entry.index_row)  # before room is made for the size that it declares
    with one_image():
        container = entry.reader.container(entry.index_row)
        digest = hashlib.sha256()
        pixels = np.empty((facts.height, facts.width, mode_channels(facts.mode)), facts.dtype)
        y = 0
        for band in entry.bands(STORED):
            pixels[y : y + len(band)] = band
            hash_band(digest, band)
            y += len(band)
        if y != facts.height:
            raise IntegrityError(f"{y} rows are there where the image has {facts.height}")
    _prove(entry, digest.digest())
    jpeg = entry.jpeg() if facts.format == "jpeg" else b""
    return Seen(facts.format, facts.mode, facts.bit_depth, pixels, digest.digest(), facts.file_sha256, container, jpeg)


def _prove(entry: Entry, digest: bytes) -> None:
    """IntegrityError unless the pixels are those that were stored; of a stack, the whole was compared."""
    facts = entry.index_row.facts
    if facts.promised.is_exact and entry.index_row.stack is None and digest != facts.pixels_sha256:
        raise IntegrityError("the decoded pixels' SHA-256 differs")
