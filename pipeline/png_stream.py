"""The compressed pixels of a PNG file as a stream of filtered rows, and the proof that it can be written again."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from tilepress.pipeline.deflate import Deflater, DeflateSettings, guess_settings
from tilepress.pipeline.errors import DamagedPicture, UnsupportedPicture
from tilepress.pipeline.png_chunks import Pass, PngFile

_STEP = 1 << 20
_PREFIX = 1 << 20  # of the filtered rows: enough to recognise the zlib settings


class _Inflater:
    """The inflated bytes of a file in any portions; whatever is wrong with the stream is an error."""

    def __init__(self, file: PngFile) -> None:
        self._zlib = zlib.decompressobj()
        self._payload = file.payload()
        self._ready = bytearray()

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes; DamagedPicture if there are fewer."""
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


def filtered_rows(file: PngFile) -> Iterator[tuple[Pass, int, np.ndarray]]:
    """(pass, first row, filtered rows (n, 1 + row bytes) uint8) through the whole file, about 1 MB at a time."""
    stream = _Inflater(file)
    for part in file.header.passes:
        length = 1 + file.header.row_bytes(part.width)
        step = max(1, _STEP // length)
        for y in range(0, part.height, step):
            n = min(step, part.height - y)
            yield part, y, np.frombuffer(stream.take(n * length), np.uint8).reshape(n, length)
    stream.finish()


def survey(file: PngFile) -> tuple[np.ndarray, bytes]:
    """Filter types of all rows, and the beginning of the filtered rows; inflates and checks everything."""
    types: list[np.ndarray] = []
    prefix = bytearray()
    for _, _, rows in filtered_rows(file):
        types.append(rows[:, 0].copy())
        if len(prefix) < _PREFIX:
            prefix += rows.tobytes()
    joined = np.concatenate(types)
    if joined.max() > 4:
        raise DamagedPicture(f"PNG: row {int(np.argmax(joined > 4))} has no valid filter type")
    return joined, bytes(prefix[:_PREFIX])


def find_settings(file: PngFile, prefix: bytes) -> DeflateSettings | None:
    """The zlib settings that seem to have written the file."""
    start = bytearray()
    for piece in file.payload():
        start += piece
        if len(start) > 2 * _PREFIX:
            break
    return guess_settings(prefix, bytes(start), complete=len(prefix) < _PREFIX)


def reproduces(file: PngFile, settings: DeflateSettings) -> bool:
    """Whether deflating the filtered rows again gives the file's IDAT content byte for byte; costs just that."""
    stored = file.payload()
    waiting = bytearray()
    for out in _deflated(file, settings):
        while len(waiting) < len(out):
            piece = next(stored, b"")
            if not piece:
                return False
            waiting += piece
        if not waiting.startswith(out):
            return False
        del waiting[: len(out)]
    return not waiting and not any(stored)


def _deflated(file: PngFile, settings: DeflateSettings) -> Iterator[bytes]:
    deflater = Deflater(settings)
    for _, _, rows in filtered_rows(file):
        yield deflater.feed(rows.tobytes())
    yield deflater.finish()
