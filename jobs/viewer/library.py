"""The archive that is shown: its images by path, each with a key of its content, and their pyramids in memory."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tilepress.jobs.around_pixels import orientation_of
from tilepress.jobs.viewer.catalogue import Catalogue
from tilepress.jobs.viewer.errors import RequestError
from tilepress.jobs.viewer.held_file import held_file
from tilepress.jobs.viewer.pyramid import TiledPyramid, WholePyramid, pyramid_of
from tilepress.jobs.viewer.shared_cache import SharedCache
from tilepress.jobs.viewer.sources import Variant, has_preview, source_of
from tilepress.pipeline.archive.layout import is_complete, list_runs
from tilepress.pipeline.errors import TilepressError, UsageError
from tilepress.pipeline.formats.orientation import Orientation
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.reading.image import Entry

# What the viewer holds at most, beside what it works on: this many decoded pixels and unpacked files, or, instead, one
# image of up to 1 GiB that is held in one piece; and this many overviews of images in tiles.
CACHE_BYTES = 384 << 20
OVERVIEW_BYTES = 256 << 20
_MAX_PYRAMIDS = 4096  # each takes a little beside its overview
_KEPT_ENTRIES = 256
_KEPT_ORIENTATIONS = 1 << 15  # of images: some 150 bytes each
_LOOKED_THROUGH = 50  # images
_LOOK_AGAIN = 5.0  # seconds until it is asked anew whether the archive has grown
_RENDERING = 2  # another number where the same request gives other bytes than before: browsers keep answers for good


@dataclass(frozen=True)
class Opened:
    """The archive as it was when it was opened."""

    archive: Archive
    catalogue: Catalogue
    lock: threading.Lock
    signature: tuple[Any, ...]
    _entries: OrderedDict[str, Entry] = field(default_factory=OrderedDict)  # asked for last: a row may have many tiles

    def entry(self, path: str) -> Entry:
        """Return the image of a path. RequestError 404 if there is none: only indexes are asked, never a file."""
        with self.lock:
            if path not in self._entries:
                try:
                    self._entries[path] = self.archive[path]
                except (KeyError, UnicodeEncodeError):
                    raise RequestError(404, "the archive has no such image") from None
                while len(self._entries) > _KEPT_ENTRIES:
                    self._entries.popitem(last=False)
            self._entries.move_to_end(path)
            return self._entries[path]

    def known(self, path: str) -> Entry | None:
        """Return the image of a path if it was asked for lately; it takes no lock, so the event loop may ask."""
        return self._entries.get(path)

    def key(self, entry: Entry) -> str:
        """Return what names the content of an image, and nobody guesses: 24 hexadecimal digits.

        It changes whenever the stored bytes do, and with the archive, so that answers under it may be kept for good.
        """
        facts = entry.index_row.facts
        said = (
            _RENDERING,
            self.archive.identity.get("archive_id", ""),
            (entry.path, entry.run.number, entry.index_row.part, facts.image, entry.index_row.crc, facts.cell),
            facts.pixels_sha256.hex(),
            entry.sha256,
        )
        return hashlib.sha256(repr(said).encode(errors="surrogatepass")).hexdigest()[:24]


class Library:
    """Opens the archive, again when it has grown, and keeps what was decoded of it."""

    def __init__(self, url: str, storage_options: Mapping[str, Any]) -> None:
        """UsageError if there is no archive."""
        self.url = url
        self._options = storage_options
        self._lock = threading.Lock()
        self.cache = SharedCache(CACHE_BYTES)
        self._pyramids: OrderedDict[str, TiledPyramid | WholePyramid] = OrderedDict()
        self._orientations: OrderedDict[str, Orientation] = OrderedDict()
        self.problem = ""  # why it could not be found out whether the archive has grown
        self._opened = self._open()
        self._looked = time.monotonic()
        self._looks = threading.Lock()

    def warm(self) -> None:
        """Decode a tile of one of the first images, so that codecs and kernels are loaded before anyone waits."""
        opened = self._opened
        with suppress(TilepressError, RequestError):  # whoever asks for this image is told
            entries = [opened.entry(path) for path in opened.catalogue.page("", 0, _LOOKED_THROUGH).paths]
            tiled = [entry for entry in entries if entry.index_row.tiles and not entry.index_row.stack]
            tiled.sort(key=lambda entry: not has_preview(entry))
            for entry in tiled[:1]:
                first = entry.index_row.tiles[0].facts
                entry.array((first.x, first.y, first.w, first.h))

    def opened(self) -> Opened:
        """Return the archive as it was opened last. A thread looks whether it has grown: nobody waits for storage."""
        if time.monotonic() - self._looked > _LOOK_AGAIN and not self._looks.locked():
            threading.Thread(target=self.look_again, name="look", daemon=True).start()
        return self._opened

    def look_again(self) -> None:
        """Open the archive anew if runs have been added or completed; `problem` says why that failed."""
        with self._looks:
            try:
                if _signature(self._opened.archive) != self._opened.signature:
                    self._opened = self._open()
                self.problem = ""
            except TilepressError as exc:
                self.problem = str(exc)
            self._looked = time.monotonic()

    def pyramid(self, opened: Opened, entry: Entry, variant: Variant) -> TiledPyramid | WholePyramid:
        """Return the pyramid of an image. What `source_of` raises."""
        key = f"{opened.key(entry)}/{variant}"
        with self._lock:
            if (found := self._pyramids.get(key)) is not None:
                self._pyramids.move_to_end(key)
                return found
        file = held_file(entry, self.cache, opened.key(entry))
        made = pyramid_of(source_of(entry, variant, file), self.cache, key)
        with self._lock:
            made = self._pyramids.setdefault(key, made)
            while len(self._pyramids) > 1 and (
                len(self._pyramids) > _MAX_PYRAMIDS or self.overview_bytes > OVERVIEW_BYTES
            ):
                self._pyramids.popitem(last=False)
        return made

    def orientation(self, opened: Opened, entry: Entry) -> Orientation:
        """Return how the stored pixels of an image become upright. What `orientation_of` raises."""
        if (known := self.known_orientation(opened, entry)) is not None:
            return known
        file = held_file(entry, self.cache, opened.key(entry))
        found = orientation_of(entry, None if file is None else file.content)
        with self._lock:
            self._orientations[opened.key(entry)] = found
            while len(self._orientations) > _KEPT_ORIENTATIONS:
                self._orientations.popitem(last=False)
        return found

    def known_orientation(self, opened: Opened, entry: Entry) -> Orientation | None:
        """Return the same, if it was asked for lately; it takes no lock, so the event loop may ask."""
        return self._orientations.get(opened.key(entry))

    def _too_many(self) -> bool:
        return len(self._pyramids) > _MAX_PYRAMIDS or self.overview_bytes > OVERVIEW_BYTES

    @property
    def overview_bytes(self) -> int:
        """Bytes of the overviews that are kept, and of the lists of tiles behind them."""
        return sum(each.nbytes for each in list(self._pyramids.values()))

    def _open(self) -> Opened:
        archive = open_archive(
            self.url, include_deleted=True, threads=os.cpu_count() or 1, storage_options=self._options
        )
        if not archive.runs:
            raise UsageError(f"{self.url} holds no run yet: `tilepress compress` writes one")
        lock = threading.Lock()
        return Opened(archive, Catalogue(archive, lock), lock, _signature(archive))


def _signature(archive: Archive) -> tuple[Any, ...]:
    """What changes when an archive grows."""
    runs = list_runs(archive.storage)
    return tuple((run.number, is_complete(archive.storage, run)) for run in runs[-1:]), len(runs)
