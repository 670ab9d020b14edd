"""Finding the zlib settings that wrote a stream, so that equal input gives the same bytes again.

Almost every PNG and deflate TIFF was written by zlib itself (of 157 real files all were): a dozen settings, of
which the two header bytes name the window and narrow the level, tell the writers apart. Nothing here is needed
for correct pixels: with another zlib the restored stream merely differs.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from tilepress.pipeline.formats.container import whole

PIECE = 1 << 16  # deflate always gets its input in pieces of this size: some levels look at the call boundaries
_STEP = 1 << 14
_ENOUGH = 1 << 12  # bytes of the stream that settle a guess
_BUDGET = 3 << 20
# by the level that the zlib header hints at: (level, memory level, strategy), in order of how common they are
_F, _D, _H, _R = zlib.Z_FILTERED, zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE
_BY_HEADER = (
    ((1, 8, _F), (1, 8, _R), (1, 8, _H), (1, 8, _D), (1, 9, _F), (1, 9, _D), (1, 9, _R), (1, 9, _H), (0, 8, _D)),
    tuple((level, memory, strategy) for level in (3, 5, 4, 2) for strategy in (_F, _D) for memory in (8, 9)),
    ((6, 8, _F), (6, 9, _F), (6, 8, _D), (6, 9, _D)),
    ((9, 8, _F), (9, 9, _F), (7, 9, _F), (9, 8, _D), (7, 8, _F), (9, 9, _D), (7, 8, _D), (8, 8, _F), (8, 8, _D)),
)
_FAST = (1, 2, 6, 6)  # by that hint, a fast level of its writer's: 7 to 9 gain 1 % in up to five times the time


@dataclass(frozen=True)
class DeflateSettings:
    """Arguments of zlib's deflateInit2."""

    level: int = 6
    memory: int = 8
    strategy: int = zlib.Z_DEFAULT_STRATEGY
    window: int = 15

    @staticmethod
    def no_harder_than(probe: ZlibProbe | None) -> DeflateSettings:
        """Return settings for a stream whose own are unknown, which take no longer than its writer says it took."""
        return DeflateSettings(_FAST[(probe.hint >> 6) & 3]) if probe else DeflateSettings()

    def compressor(self) -> zlib._Compress:
        """Return a new stream with them."""
        return zlib.compressobj(self.level, zlib.DEFLATED, self.window, self.memory, self.strategy)

    def to_list(self) -> list[int]:
        """Return the settings as numbers, for a container's header."""
        return [self.level, self.memory, self.strategy, self.window]

    @staticmethod
    def from_list(values: object) -> DeflateSettings:
        """Return the settings that a header holds; IntegrityError if zlib would refuse them."""
        if not isinstance(values, list) or len(values) != 4:
            raise ValueError("four deflate settings expected")
        limits = ((0, 9), (1, 9), (0, 4), (9, 15))
        return DeflateSettings(*(whole(v, *pair) for v, pair in zip(values, limits, strict=True)))


class Deflater:
    """A zlib stream whose bytes do not depend on how its input arrives."""

    def __init__(self, settings: DeflateSettings) -> None:
        self._zlib = settings.compressor()
        self._waiting = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Return compressed bytes that are ready after `data`."""
        self._waiting += data
        full = len(self._waiting) // PIECE * PIECE
        out = b"".join(self._zlib.compress(self._waiting[i : i + PIECE]) for i in range(0, full, PIECE))
        del self._waiting[:full]
        return out

    def finish(self) -> bytes:
        """Return the rest of the stream."""
        return self._zlib.compress(self._waiting) + self._zlib.flush()


def deflate(data: bytes, settings: DeflateSettings) -> bytes:
    """Return the zlib stream of some bytes, whole."""
    if len(data) <= PIECE:
        compressor = settings.compressor()
        return compressor.compress(data) + compressor.flush()
    deflater = Deflater(settings)
    return deflater.feed(data) + deflater.finish()


@dataclass(frozen=True)
class ZlibProbe:
    """What is kept of a zlib stream to recognise its settings: the two header bytes, and a CRC-32 of its beginning."""

    hint: int  # uint16, big-endian as in the stream
    length: int
    crc: int

    @staticmethod
    def of(stream: bytes) -> ZlibProbe:
        """Of a stream, or of its first 4096 bytes."""
        start = stream[:_ENOUGH]
        return ZlibProbe(int.from_bytes(start[:2], "big"), len(start), zlib.crc32(start))

    def to_list(self) -> list[int]:
        """Return the probe as numbers, for a container's header."""
        return list(astuple(self))

    @staticmethod
    def from_list(values: object) -> ZlibProbe:
        """Return the probe that a header holds; IntegrityError if it makes no sense."""
        if not isinstance(values, list) or len(values) != 3:
            raise ValueError("three numbers of a probe expected")
        limits = ((0, 0xFFFF), (0, _ENOUGH), (0, 0xFFFFFFFF))
        return ZlibProbe(*(whole(v, *pair) for v, pair in zip(values, limits, strict=True)))


def guess_settings(raw: bytes, probe: ZlibProbe, complete: bool) -> DeflateSettings | None:
    """The settings under which `raw` (all of it, if `complete`) gives the stream that was probed; None if none does.

    Tries the most common settings first, and gives up after deflating a few MB: the cost is bounded.
    """
    budget = _BUDGET
    for settings in _candidates(probe.hint.to_bytes(2, "big")):
        start, used = _beginning(settings, raw, probe.length, complete)
        if len(start) == probe.length and zlib.crc32(start) == probe.crc:
            return settings
        budget -= used
        if budget < 0:
            break
    return None


class SettingsSearch:
    """Finds the settings of small streams, those first that it found last: streams of one writer mostly share them."""

    def __init__(self) -> None:
        self._last: dict[bytes, DeflateSettings] = {}  # by the first two bytes of a stream

    def find(self, raw: bytes, stream: bytes) -> DeflateSettings | None:
        """Return the settings under which `raw` gives a stream, whole; None if none does."""
        start = stream[:2]
        last = self._last.get(start)
        if last is not None and deflate(raw, last) == stream:
            return last
        others = (each for each in _candidates(start) if each != last)
        found = next((settings for settings in others if deflate(raw, settings) == stream), None)
        if found is not None:
            self._last[start] = found
        return found


def _candidates(stream: bytes) -> Iterator[DeflateSettings]:
    if len(stream) < 2 or stream[0] & 15 != zlib.DEFLATED or stream[0] >> 4 > 7:
        return
    window = max(9, (stream[0] >> 4) + 8)
    for level, memory, strategy in _BY_HEADER[stream[1] >> 6]:
        yield DeflateSettings(level, memory, strategy, window)


def _beginning(settings: DeflateSettings, raw: bytes, length: int, complete: bool) -> tuple[bytes, int]:
    """(first bytes of the stream, input bytes that it took): deflate writes a block at a time, unevenly."""
    deflater = settings.compressor()
    out = bytearray()
    for at in range(0, len(raw), _STEP):
        out += deflater.compress(raw[at : at + _STEP])
        if len(out) >= length:
            return bytes(out[:length]), at + _STEP
    if complete:
        out += deflater.flush()
    return bytes(out[:length]), len(raw)
