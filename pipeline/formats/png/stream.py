"""The compressed pixels of a PNG file as a stream of filtered rows, and what is kept to write it again."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from tilepress.pipeline.errors import DamagedPicture, UnsupportedPicture
from tilepress.pipeline.formats.png.chunks import Pass, PngFile
from tilepress.pipeline.formats.zlib_settings import PIECE, ZlibProbe

_STEP = 1 << 20
_KEPT_BYTES = 8 << 20  # of inflated rows, so that small images are inflated once


class _Inflater:
    """The inflated bytes of a file in any portions; whatever is wrong with the stream is an error."""

    def __init__(self, file: PngFile) -> None:
        self._zlib = zlib.decompressobj()
        self._payload = file.payload()
        self._ready = bytearray()

    def take(self, size: int) -> bytes:
        """Return exactly `size` bytes; DamagedPicture if there are fewer."""
        while len(self._ready) < size:
            if self._zlib.eof:
                raise DamagedPicture("PNG: its pixel data end too early")
            self._ready += self._more()
        out = bytes(memoryview(self._ready)[:size])
        del self._ready[:size]
        return out

    def finish(self) -> None:
        """Check that the stream ends here, and its checksum."""
        while not self._zlib.eof and not self._ready:
            self._ready += self._more()
        if self._ready or self._zlib.unused_data or any(self._payload):
            raise UnsupportedPicture("PNG: its pixel data are longer than the image")

    def _more(self) -> bytes:
        waiting = self._zlib.unconsumed_tail or next(self._payload, b"")
        try:
            out = self._zlib.decompress(waiting, _STEP)
        except zlib.error as exc:
            raise DamagedPicture(f"PNG: its pixel data do not inflate ({exc})") from exc
        if not waiting and not out and not self._zlib.eof:
            raise DamagedPicture("PNG: its pixel data end too early")
        return out


Rows = tuple[Pass, int, np.ndarray]  # pass, first row, filtered rows (n, 1 + row bytes) uint8


def filtered_rows(file: PngFile) -> Iterator[Rows]:
    """Yield the whole file, inflated about 1 MB at a time."""
    stream = _Inflater(file)
    for part in file.header.passes:
        length = 1 + file.header.row_bytes(part.width)
        step = max(1, _STEP // length)
        for y in range(0, part.height, step):
            n = min(step, part.height - y)
            yield part, y, np.frombuffer(stream.take(n * length), np.uint8).reshape(n, length)
    stream.finish()


def survey(file: PngFile) -> tuple[np.ndarray, list[Rows] | None]:
    """Return filter types of all rows, and the rows themselves where they are few; inflates and checks everything.

    DamagedPicture.
    """
    kept: list[Rows] | None = []
    types = []
    size = 0
    for part, y, rows in filtered_rows(file):
        types.append(rows[:, 0].copy())
        size += rows.nbytes
        kept = [*kept, (part, y, rows)] if kept is not None and size <= _KEPT_BYTES else None
    joined = np.concatenate(types)
    if joined.max() > 4:
        raise DamagedPicture(f"PNG: row {int(np.argmax(joined > 4))} has no valid filter type")
    return joined, kept


def probe(file: PngFile) -> ZlibProbe:
    """What is kept to find the zlib settings again that wrote the file. Finding them is left to restoring: it takes
    longer than reading a small image, and most images are read more often than they are restored."""
    start = bytearray()
    for piece in file.payload():
        start += piece
        if len(start) >= PIECE:
            break
    return ZlibProbe.of(bytes(start))
