"""How far the work on a shard is, told while its tiles are coded and decoded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tilepress.pipeline.archive.schema import TILES, ImageFacts

TELL_EVERY_S = 0.25


@dataclass(frozen=True)
class Progress:
    """Sums since the work on a shard began; bytes are those of source files."""

    images: int = 0  # done: coded, or where there is nothing to code, decoded
    pixels: int = 0  # coded
    bytes_out: int = 0  # payloads made of them
    coded_bytes: float = 0.0
    decoded_bytes: float = 0.0  # when checked before commit, restored or verified
    failures: int = 0


class _Share:
    """Bytes of files that are done; of an image under way as large a share as of its pixels."""

    def __init__(self) -> None:
        self._settled = self._begun = self._begun_pixels = self._pixels = 0
        self._most = 0.0

    def begin(self, nbytes: int, pixels: int) -> None:
        self._begun += nbytes
        self._begun_pixels += pixels

    def add(self, pixels: int) -> None:
        self._pixels += pixels

    def settle(self, nbytes: int) -> None:
        self._settled += nbytes

    def done(self) -> float:
        """Return the bytes; never fewer than before, although images differ in bytes a pixel."""
        share = min(1.0, self._pixels / self._begun_pixels) if self._begun_pixels else 0.0
        self._most = max(self._most, self._settled + share * self._begun)
        return self._most


class ProgressTally:
    """Adds up the progress of one attempt at a shard, and tells a listener now and then. Thread-safe."""

    def __init__(self, listener: Callable[[Progress], None] | None = None) -> None:
        """Tell `listener` at most every TELL_EVERY_S seconds, from the thread that made the progress."""
        self._listener = listener
        self._lock = threading.Lock()
        self._coded, self._decoded = _Share(), _Share()
        self._images = self._pixels = self._bytes_out = self._failures = 0
        self._told = time.monotonic()

    def begin_coding(self, nbytes: int, pixels: int) -> None:
        """An image of so many pixels, in a file of `nbytes`, is about to be cut into tiles."""
        with self._lock:
            self._coded.begin(nbytes, pixels)

    def tile_coded(self, pixels: int, bytes_out: int) -> None:
        """A tile is coded."""
        with self._lock:
            self._coded.add(pixels)
            self._pixels += pixels
            self._bytes_out += bytes_out
        self._tell()

    def file_coded(self, nbytes: int, bytes_out: int) -> None:
        """A file that is not cut into tiles is dealt with."""
        with self._lock:
            self._coded.settle(nbytes)
            self._bytes_out += bytes_out
        self._tell()

    def image_done(self, failures: int = 0) -> None:
        """All of an image is done; `failures`: 1 if it needs a look."""
        with self._lock:
            self._images += 1
            self._failures += failures
        self._tell()

    @contextmanager
    def decoding(self, image: ImageFacts) -> Iterator[None]:
        """Open a context in which an image is decoded: tile by tile, or, if it is held otherwise, all at its end."""
        if image.method == TILES:
            with self._lock:
                self._decoded.begin(image.source_bytes, image.width * image.height)
        yield
        if image.method != TILES:
            with self._lock:
                self._decoded.settle(image.source_bytes)
            self._tell()

    def tile_decoded(self, pixels: int) -> None:
        """A tile is decoded."""
        with self._lock:
            self._decoded.add(pixels)
        self._tell()

    @property
    def now(self) -> Progress:
        """The progress at this moment."""
        with self._lock:
            done = self._coded.done(), self._decoded.done()
            return Progress(self._images, self._pixels, self._bytes_out, *done, self._failures)

    def _tell(self) -> None:
        if self._listener is None or time.monotonic() - self._told < TELL_EVERY_S:
            return
        self._told = time.monotonic()
        self._listener(self.now)
