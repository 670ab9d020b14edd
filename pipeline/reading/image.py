"""A handle on one stored image: its bytes, pixels, regions and preview, each proven right before it is returned."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.schema import ORIGIN, PIXEL_METHODS
from tilepress.pipeline.archive.summary import codec_name
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.decode import Shown
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.errors import (
    IntegrityError,
    MissingError,
    StorageError,
    TransientStorageError,
    UsageError,
)
from tilepress.pipeline.formats.picture import mode_channels
from tilepress.pipeline.formats.registry import read_picture, rebuild
from tilepress.pipeline.reading.eighth import eighth_box, eighth_pixels, has_eighth
from tilepress.pipeline.reading.one_image import one_image
from tilepress.pipeline.reading.pixels import PartReader
from tilepress.pipeline.reading.rebuild import Outcome, prove, write_file
from tilepress.pipeline.reading.views import require_view, views_of
from tilepress.pipeline.storage.base import Location, Storage, is_url

if TYPE_CHECKING:
    from PIL.Image import Image

    from tilepress.codecs.jpeg.decoders import Decoder

_BAND_ROWS = 512

Region = tuple[int, int, int, int]  # x, y, width, height in pixels


@dataclass(frozen=True, repr=False)
class Entry:
    """A handle on one stored image. Methods raise IntegrityError rather than return what is not as stored.

    Facts about pixels are None where the file is none that tilepress reads as an image. Entries pickle by the URL of
    their archive.
    """

    storage: Storage  # the archive's
    pool: CodecPool
    run: Run
    index_row: IndexRow
    gone: bool = False  # the source no longer had it when a later run was planned

    @property
    def path(self) -> str:
        """Name within the archive."""
        return self.index_row.file.path

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.index_row.facts.source_bytes

    @property
    def width(self) -> int | None:
        """Width in pixels."""
        return self.index_row.facts.width or None

    @property
    def height(self) -> int | None:
        """Height in pixels."""
        return self.index_row.facts.height or None

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """Height, width and channels: the shape of `array()`."""
        facts = self.index_row.facts
        return (facts.height, facts.width, mode_channels(facts.mode)) if facts.mode else None

    @property
    def dtype(self) -> np.dtype | None:
        """Type of a sample, uint8 or uint16: that of `array()`."""
        return np.dtype(self.index_row.facts.dtype) if self.index_row.facts.dtype else None

    @property
    def mode(self) -> str | None:
        """Mode as Pillow names it: "L", "RGB", ..."""
        return self.index_row.facts.mode or None

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, 64 hexadecimal digits; empty for a small image in a stack."""
        return self.index_row.file.file_sha256.hex()

    @property
    def codec(self) -> str:
        """Codecs of the tiles, joined by "+"; "jpeg" for a transcoded JPEG, "file" or "file-zstd" for stored bytes.

        A symbolic link has "link", and a folder "folder".
        """
        return codec_name(self.index_row)

    def __repr__(self) -> str:
        pixels = f"{self.width}x{self.height} {self.mode} {self.dtype}, " if self.mode else ""
        gone = ", gone from the source" if self.gone else ""
        return f"<Entry {self.path!r}: {pixels}{self.size:,} bytes, {self.codec}{gone}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return entry_at, (self.storage.location.absolute(), self.run, self.index_row, self.gone)

    @property
    def part(self) -> str:
        """Name of the part that holds it."""
        return self.run.part(self.index_row.part)

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return byte ranges of the part."""
        storage = self.storage
        try:
            return storage.read_ranges(self.part, list(ranges))
        except MissingError as exc:
            raise IntegrityError(f"{storage.url}/{self.part} is missing") from exc
        except TransientStorageError:
            raise
        except StorageError as exc:
            size = storage.size(self.part)
            if not all(0 <= offset <= offset + length <= size for offset, length in ranges):
                raise IntegrityError(f"{storage.url}/{self.part} ends before the bytes that its index names") from exc
            if is_url(storage.url):  # what a remote store refuses, it refuses for all images
                raise
            raise IntegrityError(str(exc)) from exc

    def write(self, out: BinaryIO, *, pixels_only: bool = False) -> Outcome:
        """Write the whole file to a readable, seekable `out`, proven right; see `write_file` for `pixels_only`."""
        with one_image():
            return write_file(self.index_row, self.reader, out, pixels_only=pixels_only)

    def jpeg(self) -> bytes:
        """Return the JPEG file that the picture was made from; b"" where only a part was, or nothing is known of it."""
        with one_image():
            if self.index_row.facts.method != ORIGIN:
                return b""
            from tilepress.pipeline.coding.origins import held_jpeg

            return held_jpeg(self.index_row, self.fetch)

    def jpeg_decoder(self) -> Decoder | None:
        """Return the decoder that makes the picture of `jpeg()`; None where there is no such file."""
        with one_image():
            if self.index_row.facts.method != ORIGIN:
                return None
            from tilepress.pipeline.coding.origins import held_decoder

            return held_decoder(self.index_row, self.fetch)

    def prove(self) -> None:
        """Raise what `write` would raise, in less time: all is decoded, and the file made around a blank image."""
        with one_image():
            prove(self.index_row, self.reader, file=True)

    @property
    def reader(self) -> PartReader:
        """What reads the images of its part; stacks are decoded once for many of them."""
        return PartReader(self.fetch, self.pool, f"{self.storage.url}/{self.run.folder}", self.pool.stacks)

    def bytes(self) -> bytes:
        """Return the whole file; of a symbolic link, its target."""
        out = io.BytesIO()
        self.write(out)
        return out.getvalue()

    def array(self, region: Region | None = None, preview: bool = False, view: str = "") -> np.ndarray:
        """Return pixels (height, width, channels), uint8 or uint16, of all or of `region` (x, y, width, height).

        Only the tiles of the region are fetched. `preview` gives the lossy picture of the latents, without residual:
        of a progressive codec that of their first part. Of JPEG files, and of pictures that were some, it gives an
        eighth of the sides, rounded up, or the part of that which covers the region. `view` names another decoder of
        the latents, where the model has it (UsageError where it has not).
        """
        with one_image():
            self.index_row.require_sound()
            if preview and not view and self.has_eighth:
                return self._eighth(region)
            require_view(self.index_row, self.pool, view)
            if self.index_row.facts.method not in PIXEL_METHODS:
                return self._array_of_file(region)
            area = self._area(region, self.index_row.facts.width, self.index_row.facts.height)
            return np.concatenate(list(self.bands(Shown(preview, view), area)))

    def bands(self, shown: Shown, area: Box | None = None) -> Iterator[np.ndarray]:
        """Yield the pixels of an image held as pixels, or of an area of it, from top to bottom: see `read_bands`."""
        with one_image():
            yield from self.reader.bands(self.index_row, area, shown)

    def write_preview(self, shown: Shown, out: BinaryIO) -> None:
        """Write the file of an image around other pixels than the stored ones: a preview, or one of its views."""
        with one_image():
            require_view(self.index_row, self.pool, shown.view)
            rebuild(self.reader.container(self.index_row), self.bands(shown), out)

    def image(self) -> Image:
        """Return the file as Pillow opens it."""
        from PIL import Image

        return Image.open(io.BytesIO(self.bytes()))

    @property
    def views(self) -> frozenset[str]:
        """Names of the views that `array` can give. IntegrityError or MissingPackage if a codec cannot be loaded."""
        return views_of(self.index_row, self.pool)

    @property
    def has_eighth(self) -> bool:
        """Whether the preview is an eighth of the sides: of JPEG files, and of pictures that were some."""
        return has_eighth(self.index_row)

    def _eighth(self, region: Region | None) -> np.ndarray:
        facts, pixels = self.index_row.facts, eighth_pixels(self.index_row, self.reader)
        area = eighth_box(self._area(region, facts.width, facts.height))
        return pixels[area.y : area.y + area.h, area.x : area.x + area.w]

    def _array_of_file(self, region: Region | None) -> np.ndarray:
        picture = read_picture(self.bytes(), name=self.path, byte_exact=False)
        pixels = np.concatenate(list(picture.read_bands(_BAND_ROWS)))
        area = self._area(region, picture.width, picture.height)
        return pixels[area.y : area.y + area.h, area.x : area.x + area.w]

    def _area(self, region: Region | None, width: int, height: int) -> Box:
        whole = Box(0, 0, width, height)
        if region is None:
            return whole
        area = whole.intersect(Box(*region))
        if area is None:
            raise UsageError(f"region {region} lies outside {self.path}, which is {width} x {height} pixels")
        return area


def entry_at(location: Location, run: Run, index_row: IndexRow, gone: bool) -> Entry:
    """Return a handle on an image of the archive at a location, in any process."""
    return Entry(*_opened(location, os.getpid()), run, index_row, gone)


@lru_cache(maxsize=8)
def _opened(location: Location, process: int) -> tuple[Storage, CodecPool]:
    """An archive's storage and codecs, shared by the entries of a process; connections do not survive a fork."""
    storage = location.open()
    return storage, CodecPool(storage)
