"""One strip or tile of a TIFF file: stored bytes to samples and back, by the file's own compression."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import imagecodecs
import numpy as np
import zstandard

from tilepress.pipeline.errors import DamagedPicture
from tilepress.pipeline.formats.container import whole
from tilepress.pipeline.formats.packed_samples import pack_samples, unpack_samples
from tilepress.pipeline.formats.tiff.grid import DEFLATE, LZW, NONE, OLD_DEFLATE, PACKBITS, ZSTD, TiffLayout
from tilepress.pipeline.formats.zlib_settings import DeflateSettings, ZlibProbe, deflate, guess_settings

_ZSTD_LEVELS = (3, 9, 1, 5, 15, 19)  # above, an encoder takes 600 MB
_MAX_WINDOW = 1 << 27
_END = 4  # bytes: codes and checksums that end a stream, which its pixels do not need
_BEHIND = 1 << 16  # bytes at a time of what a strip holds beyond its pixels
_LIBDEFLATE_LEVELS = (6, 9, 12, 1)


@dataclass(frozen=True)
class Encoder:
    """How segments are compressed again: deflate by zlib with `settings`, or by libdeflate if it has a level.

    `zstd_level`, `zstd_sized`: level of Zstandard, and whether its frames say how long they are.
    """

    settings: DeflateSettings = DeflateSettings()  # noqa: RUF009 - frozen
    libdeflate_level: int = 0
    zstd_level: int = 9
    zstd_sized: bool = True

    def to_list(self) -> list[int]:
        """Return the settings as numbers, for a container's header."""
        return [*self.settings.to_list(), self.libdeflate_level, self.zstd_level, int(self.zstd_sized)]

    @staticmethod
    def from_list(values: object) -> Encoder:
        """Return the encoder that a header holds; IntegrityError if it is not valid."""
        if not isinstance(values, list) or len(values) != 7:
            raise ValueError("seven encoder settings expected")
        settings = DeflateSettings.from_list(values[:4])
        return Encoder(settings, whole(values[4], 0, 12), whole(values[5], 1, 19), bool(whole(values[6], 0, 1)))


def decode_segment(stored: bytes, layout: TiffLayout, row: int) -> np.ndarray:
    """Return samples (rows, segment width, segment channels) of `layout.dtype` of a segment of grid row `row`.

    Padding that a tile lacks is 0. DamagedPicture if rows of the image are missing.

    Never allocates more than the segment's own size and a little, whatever the bytes say.
    """
    rows = layout.seg_rows(row)
    size = rows * layout.seg_row_bytes
    packed = _decompress(stored, layout, size)
    if len(packed) < layout.image_rows(row) * layout.seg_row_bytes:
        raise DamagedPicture(f"TIFF: a strip or tile decodes to {len(packed)} bytes instead of {size}")
    packed = packed.ljust(size, b"\0")
    lines = np.frombuffer(packed, np.uint8, size).reshape(rows, layout.seg_row_bytes)
    samples = unpack_samples(lines, layout.seg_width, layout.seg_channels, layout.bits, layout.order)
    if layout.predictor == 2:
        samples = imagecodecs.delta_decode(samples, axis=1)
    return samples


def encode_segment(samples: np.ndarray, layout: TiffLayout, encoder: Encoder) -> bytes:
    """Inverse of `decode_segment`."""
    if layout.predictor == 2:
        samples = imagecodecs.delta_encode(np.ascontiguousarray(samples), axis=1)
    packed = pack_samples(samples, layout.bits, layout.order)
    if layout.compression == PACKBITS:
        return b"".join(imagecodecs.packbits_encode(line.tobytes()) for line in packed)
    return _compress(packed.tobytes(), layout.compression, encoder)


def guess_encoder(samples: np.ndarray, stored: bytes, layout: TiffLayout) -> Encoder | None:
    """Return the encoder that seems to have written one segment; None if none is known."""
    candidates = [Encoder()]
    if layout.compression in (DEFLATE, OLD_DEFLATE):
        raw = encode_segment(samples, replace(layout, compression=NONE), Encoder())
        settings = guess_settings(raw, ZlibProbe.of(stored), complete=True)
        if settings is not None:
            return Encoder(settings)
        candidates = [Encoder(libdeflate_level=n) for n in _LIBDEFLATE_LEVELS]
    elif layout.compression == ZSTD:
        candidates = [Encoder(zstd_level=n, zstd_sized=s) for n in _ZSTD_LEVELS for s in (True, False)]
    return next((e for e in candidates if encode_segment(samples, layout, e) == stored), None)


def holds_more(stored: bytes, layout: TiffLayout, rows: int) -> bool:
    """Tell whether a segment's bytes hold more than its pixels and zeros: rows that the image lacks, or other content.

    Of uncompressed samples of less than 8 bits, the bits that fill the last byte of a row.

    What does not decode holds nothing more: `decode_segment` says so.
    """
    size = rows * layout.seg_row_bytes
    if layout.compression in (DEFLATE, OLD_DEFLATE):
        return _stream_holds_more(zlib.decompressobj(), stored, size)
    if layout.compression == NONE:  # only the bytes of the pixels are cut out of the file
        return _padding_holds_bits(stored, layout, rows)
    try:
        whole_bytes = _decompress(stored, layout, size)
        if len(whole_bytes) < size or _decompress(stored[:-_END], layout, size) != whole_bytes:
            return False
        low, high = 0, len(stored) - _END  # the shortest beginning that decodes to all of it
        while low < high:
            middle = (low + high) // 2
            enough = _decoded(stored[:middle], layout, size) == whole_bytes
            low, high = (low, middle) if enough else (middle + 1, high)
    except (ValueError, RuntimeError, zstandard.ZstdError):
        return False
    return any(stored[low + _END :])


def _padding_holds_bits(stored: bytes, layout: TiffLayout, rows: int) -> bool:
    unused = -layout.seg_width * layout.seg_channels * layout.bits % 8
    ends = stored[layout.seg_row_bytes - 1 : rows * layout.seg_row_bytes : layout.seg_row_bytes]
    return any(end & ((1 << unused) - 1) for end in ends) if unused else False


def _decoded(stored: bytes, layout: TiffLayout, size: int) -> bytes:
    try:
        return _decompress(stored, layout, size)
    except (ValueError, RuntimeError, zstandard.ZstdError):
        return b""


def _stream_holds_more(inflater: zlib._Decompress, stored: bytes, size: int) -> bool:
    try:
        inflater.decompress(stored, size)
        while not inflater.eof:
            more = inflater.decompress(inflater.unconsumed_tail, _BEHIND)
            if any(more):
                return True
            if not more:
                return False
    except zlib.error:
        return False
    return any(inflater.unused_data)


def _decompress(stored: bytes, layout: TiffLayout, size: int) -> bytes:
    if layout.compression == NONE:
        return stored
    if layout.compression in (DEFLATE, OLD_DEFLATE):
        return _inflate(stored, size)
    if layout.compression == ZSTD:
        with zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(stored) as reader:
            return reader.read(size)
    if layout.compression == LZW:
        return bytes(imagecodecs.lzw_decode(stored, out=size))
    return _unpack_bits(stored, size)


def _inflate(stored: bytes, size: int) -> bytes:
    """Up to `size` bytes, and a look at the checksum behind them: pixels alone do not show that they are damaged."""
    inflater = zlib.decompressobj()
    data = inflater.decompress(stored, size)
    rest = inflater.unconsumed_tail
    behind = 0
    while not inflater.eof and behind <= size + _BEHIND:  # padding; a bomb is not worth more looks
        more = inflater.decompress(rest, _BEHIND)
        if not more and not inflater.eof:
            raise DamagedPicture("TIFF: a strip or tile is truncated")
        rest, behind = inflater.unconsumed_tail, behind + len(more)
    return data


def _unpack_bits(stored: bytes, size: int) -> bytes:
    # some writers end a strip with a run beyond its last pixel; a stored byte gives at most 64
    room = min(64 * len(stored) + 128, size + 128)
    try:
        return bytes(imagecodecs.packbits_decode(stored, out=room))
    except RuntimeError:  # whatever lies behind the pixels, as long as they are there
        return bytes(imagecodecs.packbits_decode(stored[: _end_of_runs(stored, size)], out=room))


def _end_of_runs(stored: bytes, size: int) -> int:
    """Where the runs of PackBits that give `size` bytes end."""
    at = count = 0
    while count < size and at < len(stored):
        code = stored[at]
        literal = code < 128
        at += 2 + code if literal else 2 if code > 128 else 1
        count += 1 + code if literal else 257 - code if code > 128 else 0
    return at


def _compress(raw: bytes, compression: int, encoder: Encoder) -> bytes:
    if compression == NONE:
        return raw
    if compression == LZW:
        return bytes(imagecodecs.lzw_encode(raw))
    if compression != ZSTD and encoder.libdeflate_level:
        return bytes(imagecodecs.deflate_encode(raw, level=encoder.libdeflate_level))
    if compression != ZSTD:
        return deflate(raw, encoder.settings)
    if encoder.zstd_sized:
        return zstandard.ZstdCompressor(level=encoder.zstd_level).compress(raw)
    stream = zstandard.ZstdCompressor(level=encoder.zstd_level).compressobj()
    return stream.compress(raw) + stream.flush()
