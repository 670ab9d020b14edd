"""The one data set that compress, train and evaluate consume: images of a collection or of an archive, as tiles.

An image is a Picture (header facts, pixels from top to bottom in bands), whatever it comes from; a tile record is a
Tile. Items are small and travel to workers, which open the data set by the same arguments and read what they need.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.layout import ARCHIVE_JSON, Run, list_runs
from tilepress.pipeline.archive.schema import NO_FILES, PIXEL_METHODS, TILES
from tilepress.pipeline.coding.decode import Shown, check_grid
from tilepress.pipeline.coding.tiles import Tile, cut_band
from tilepress.pipeline.errors import ChangedError, IntegrityError, LimitExceeded, MissingError, PictureError
from tilepress.pipeline.formats.bands import regroup
from tilepress.pipeline.formats.picture import Limits, Picture, tile_spec
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.sources.collection import Collection, absolute_source
from tilepress.pipeline.sources.file_list import LIST_PREFIX
from tilepress.pipeline.storage.base import ListedFile, SourceBytes, open_storage
from tilepress.pipeline.storage.globs import Selection
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

UNUSABLE = (PictureError, IntegrityError, MissingError, ChangedError)  # of one image; the store's own errors go on


@dataclass(frozen=True)
class Source:
    """What a person says a data set is. `preview`: of an archive, the lossy pictures of the latents, at full size."""

    url: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    preview: bool = False
    limits: Limits = field(default_factory=Limits)
    storage_options: StorageOptions = NO_OPTIONS

    def absolute(self) -> Source:
        """Return the same data set for workers, whose working folder may be another."""
        return replace(self, url=absolute_source(self.url))

    def open(self) -> DataSet:
        """Return the data set: an archive if there is one at the URL, else a collection.

        UsageError if there is neither.
        """
        return ArchivedImages(self) if self.is_archive else CollectedImages(self)

    @property
    def is_archive(self) -> bool:
        """Whether there is an archive at the URL."""
        return self._is_place and open_storage(self.url, self.storage_options).exists(ARCHIVE_JSON)

    @property
    def has_runs(self) -> bool:
        """Whether runs of an archive are at the URL, even if its archive.json was lost."""
        return self._is_place and bool(list_runs(open_storage(self.url, self.storage_options)))

    @property
    def _is_place(self) -> bool:
        return not self.url.startswith(LIST_PREFIX) and not any(mark in self.url for mark in "*?[")


@dataclass(frozen=True)
class Item:
    """One image of a data set. `size` in bytes of its file; `fingerprint` changes when the image does."""

    name: str
    size: int
    fingerprint: str
    place: ListedFile | tuple[Run, IndexRow]


class DataSet(ABC):
    """Images by name. Cheap to open; used by one thread at a time."""

    def __init__(self, source: Source) -> None:
        self.source = source

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """Return every image, or file that may be one, in the order of names. UsageError if there is none."""

    @abstractmethod
    def open(self, item: Item) -> AbstractContextManager[Picture]:
        """Return a context with the Picture of an item. PictureError if it is none; StorageError, IntegrityError."""


class CollectedImages(DataSet):
    """The files of a collection."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._collection = Collection.open(
            source.url, source.include, source.exclude, storage_options=source.storage_options
        )

    def items(self) -> Iterator[Item]:
        """See DataSet."""
        for entry in self._collection.entries():
            yield Item(entry.name, entry.size, entry.fingerprint, entry)

    @contextmanager
    def open(self, item: Item) -> Iterator[Picture]:
        """See DataSet."""
        with self.open_file(item) as data:
            yield read_picture(data, self.source.limits, name=item.name, byte_exact=False)

    def open_file(self, item: Item) -> AbstractContextManager[SourceBytes]:
        """Return a context with the bytes of an item's file. MissingError, ChangedError; StorageError."""
        assert isinstance(item.place, ListedFile)
        return self._collection.open_source(item.place)


class ArchivedImages(DataSet):
    """The newest version of every image of an archive."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._archive = open_archive(source.url, storage_options=source.storage_options)
        self._selection = Selection(source.include, source.exclude)

    def items(self) -> Iterator[Item]:
        """See DataSet."""
        for entry in self._archive.entries():
            if entry.path in self._selection and entry.index_row.facts.method not in NO_FILES:
                facts = entry.index_row.facts
                preview = "-preview" if self.source.preview else ""
                fingerprint = f"{_content(entry.index_row)}{preview}"
                yield Item(entry.path, facts.source_bytes, fingerprint, (entry.run, entry.index_row))

    @contextmanager
    def open(self, item: Item) -> Iterator[Picture]:
        """See DataSet."""
        assert isinstance(item.place, tuple)
        entry = Entry(self._archive.storage, self._archive.pool, *item.place)
        facts = entry.index_row.facts
        entry.index_row.require_sound()
        if facts.method not in PIXEL_METHODS:
            yield read_picture(entry.bytes(), self.source.limits, name=item.name, byte_exact=False)
            return
        if facts.method == TILES:
            check_grid(entry.index_row)  # before anybody makes room for the size that it declares
        yield Picture(
            facts.format,  # type: ignore[arg-type]
            facts.mode,
            facts.width,
            facts.height,
            facts.dtype,  # type: ignore[arg-type]
            facts.bit_depth,
            b"",
            lambda rows: regroup(self._bands(entry), rows),
        )

    def _bands(self, entry: Entry) -> Iterator[np.ndarray]:
        return entry.bands(Shown(self.source.preview))


def _content(image: IndexRow) -> str:
    """What tells an image's content from any other."""
    if image.stack is not None:
        return f"{image.stack.pixels_sha256.hex()}-{image.crc:08x}-{image.facts.cell}"
    return image.facts.file_sha256.hex()


def picture_tiles(
    owner: int, picture: Picture, bands: Iterable[np.ndarray], size: int, side_information: bytes | None = b""
) -> Iterator[Tile]:
    """Yield the tile records of one image in raster order.

    Args:
        owner: Whose they are: the number of the image.
        picture: The image as its file describes it.
        bands: Its pixels, `size` rows each, (rows, w, c).
        size: Side of a tile in pixels.
        side_information: What the tiles share; None: preparing it failed.
    """
    number = y = 0
    for band in bands:
        for box, samples in cut_band(band, y, size):
            spec = tile_spec(picture.mode, picture.dtype, picture.bit_depth, box.h, box.w)
            yield Tile(owner, number, box, spec, samples, side_information, picture.has_reserved_value)
            number += 1
        y += band.shape[0]


def whole(picture: Picture, rows: int = 512) -> np.ndarray:
    """Return all pixels of an image, (height, width, channels). LimitExceeded if memory does not hold them."""
    try:
        pixels = np.empty((picture.height, picture.width, picture.channels), picture.dtype)
    except MemoryError as exc:
        raise LimitExceeded(f"{picture.nbytes} bytes of pixels are more than the memory that there is") from exc
    y = 0
    for band in picture.read_bands(rows):
        pixels[y : y + len(band)] = band
        y += len(band)
    return pixels
