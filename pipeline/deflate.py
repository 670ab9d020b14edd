"""Finding the zlib settings that wrote a stream, so that equal input gives the same bytes again.

Almost every PNG and deflate TIFF was written by zlib itself (of 157 real files all were): a dozen settings, of
which the two header bytes name the window and narrow the level, tell the writers apart. Nothing here is needed
for correct pixels: with another zlib the restored stream merely differs.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from tilepress.pipeline.container import whole

PIECE = 1 << 16  # deflate always gets its input in pieces of this size: some levels look at the call boundaries
_STEP = 1 << 14
_ENOUGH = 1 << 12  # equal output bytes that settle a guess
_QUICK_LEVEL = 6


@dataclass(frozen=True)
class DeflateSettings:
    """Arguments of zlib's deflateInit2."""

    level: int = 6
    memory: int = 8
    strategy: int = zlib.Z_DEFAULT_STRATEGY
    window: int = 15

    @property
    def slow(self) -> bool:
        """Whether compressing photographs with them takes about a second a megapixel."""
        return self.level > _QUICK_LEVEL

    def to_list(self) -> list[int]:
        """For a recipe."""
        return list(astuple(self))

    @staticmethod
    def from_list(values: object) -> DeflateSettings:
        """From a recipe; IntegrityError if zlib would refuse them."""
        if not isinstance(values, list) or len(values) != 4:
            raise ValueError("four deflate settings expected")
        limits = ((0, 9), (1, 9), (0, 4), (9, 15))
        return DeflateSettings(*(whole(v, *pair) for v, pair in zip(values, limits, strict=True)))


class Deflater:
    """A zlib stream whose bytes do not depend on how its input arrives."""

    def __init__(self, settings: DeflateSettings) -> None:
        self._zlib = zlib.compressobj(
            settings.level, zlib.DEFLATED, settings.window, settings.memory, settings.strategy
        )
        self._waiting = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Compressed bytes that are ready after `data`."""
        self._waiting += data
        full = len(self._waiting) // PIECE * PIECE
        out = b"".join(self._zlib.compress(self._waiting[i : i + PIECE]) for i in range(0, full, PIECE))
        del self._waiting[:full]
        return out

    def finish(self) -> bytes:
        """The rest of the stream."""
        return self._zlib.compress(self._waiting) + self._zlib.flush()


def deflate(data: bytes, settings: DeflateSettings) -> bytes:
    """One whole zlib stream."""
    deflater = Deflater(settings)
    return deflater.feed(data) + deflater.finish()


def guess_settings(raw: bytes, stream: bytes) -> DeflateSettings | None:
    """The settings under which `raw` (a beginning of the input) gives the beginning of `stream`; None if none does."""
    return next((s for s in _candidates(stream) if _begins(s, raw, stream)), None)


def _candidates(stream: bytes) -> Iterator[DeflateSettings]:
    if len(stream) < 2 or stream[0] & 15 != zlib.DEFLATED or stream[0] >> 4 > 7:
        return
    window = max(9, (stream[0] >> 4) + 8)
    levels = {0: (1, 0), 1: (5, 4, 3, 2), 2: (6,), 3: (9, 7, 8)}[stream[1] >> 6]
    for strategy in (zlib.Z_FILTERED, zlib.Z_DEFAULT_STRATEGY):
        for level in levels:
            for memory in (8, 9):
                yield DeflateSettings(level, memory, strategy, window)
    if levels[0] == 1:  # these strategies ignore the level, and the header says 0
        for strategy in (zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY):
            for memory in (8, 9):
                yield DeflateSettings(1, memory, strategy, window)


def _begins(settings: DeflateSettings, raw: bytes, stream: bytes) -> bool:
    deflater = zlib.compressobj(settings.level, zlib.DEFLATED, settings.window, settings.memory, settings.strategy)
    done = 0
    for at in range(0, len(raw), _STEP):
        out = deflater.compress(raw[at : at + _STEP])
        if out != stream[done : done + len(out)]:
            return False
        done += len(out)
        if done >= _ENOUGH:
            return True
    out = deflater.flush(zlib.Z_FINISH)
    rest = stream[done : done + len(out)]
    # `raw` may be a beginning only: then the forced ending differs, and nothing contradicts the settings
    return out == rest or done > 2
