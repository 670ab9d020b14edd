"""The file of an image that is held as one, unpacked once for its pixels, its eighth and its metadata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.origins.jpeg.eighth import EIGHTH
from tilepress.jobs.around_pixels import MAX_FILE
from tilepress.jobs.viewer.shared_cache import SharedCache
from tilepress.pipeline.archive.schema import CONTENTLESS, NO_FILES, PIXEL_METHODS
from tilepress.pipeline.formats.jpeg.file import read_shrunk
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.one_image import one_image

_BAND_ROWS = 512


@dataclass(frozen=True)
class HeldFile:
    """The file, kept in the cache of decoded pixels, whose bound counts it. Methods raise what `Entry.array` does."""

    entry: Entry
    cache: SharedCache
    key: str

    def content(self) -> bytes:
        """Return the bytes of the file, proven right when they were unpacked."""
        kept = self.cache.get([(self.key, "file")], lambda _: [np.frombuffer(self.entry.bytes(), np.uint8)])
        return kept[0].tobytes()

    def samples(self) -> np.ndarray:
        """Return the stored samples, (height, width, channels) uint8 or uint16."""
        with one_image():
            picture = read_picture(self.content(), name=self.entry.path, byte_exact=False)
            return np.concatenate(list(picture.read_bands(_BAND_ROWS)))

    def eighth(self) -> np.ndarray:
        """Return a JPEG file at an eighth of its sides, rounded up: (h, w, channels) uint8."""
        with one_image():
            return read_shrunk(self.content(), EIGHTH)


def held_file(entry: Entry, cache: SharedCache, key: str) -> HeldFile | None:
    """Return the file of an image that is held as one; None of others, and of one that is too large to be kept."""
    facts = entry.index_row.facts
    held = facts.mode and facts.method not in (*PIXEL_METHODS, *CONTENTLESS, *NO_FILES)
    return HeldFile(entry, cache, key) if held and facts.source_bytes <= MAX_FILE else None
