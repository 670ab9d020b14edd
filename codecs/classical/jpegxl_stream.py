"""Reads the sizes that a JPEG XL codestream claims, before libjxl allocates for them (ISO/IEC 18181-1).

libjxl has no memory limit: it allocates for whatever size the image or any of its frames claims. This module walks the
headers of lossless images as our encoder writes them, frame by frame, and refuses every other header.
"""

from __future__ import annotations

from collections.abc import Iterator

from tilepress.codecs.errors import StreamError

CONTAINER_SIGNATURE = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_CODESTREAM_SIGNATURE = b"\xff\x0a"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_HEADER_BYTES = 256  # of an image or frame header without a name or a profile: far fewer
_MAX_FRAMES = 8  # four reference slots, and the image itself
_REGULAR, _REFERENCE_ONLY = 0, 2
_PATCHES, _SKIP_SMOOTHING = 2, 128  # the only frame flags that lossless encoding sets

_SIZE = ((9, 1), (13, 1), (18, 1), (30, 1))
_ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))
_DEPTH = ((0, 8), (0, 10), (0, 12), (6, 1))
_COUNT = ((0, 0), (0, 1), (4, 2), (12, 1))
_SHIFT = ((0, 0), (0, 3), (0, 4), (3, 1))
_NAME = ((0, 0), (4, 0), (5, 16), (10, 48))
_CROP = ((8, 0), (11, 256), (14, 2304), (30, 18688))
_TOC = ((10, 0), (14, 1024), (22, 17408), (30, 4211712))


class _Bits:
    """Bits from byte `start` on, least significant first; StreamError past `limit` bytes or the end."""

    def __init__(self, data: bytes, start: int, limit: int = _HEADER_BYTES) -> None:
        chunk = data[start : start + limit]
        self._value, self._size = int.from_bytes(chunk, "little"), 8 * len(chunk)
        self._start, self._at = start, 0

    def read(self, count: int) -> int:
        """Return an unsigned integer of `count` bits."""
        if self._at + count > self._size:
            raise StreamError("JPEG XL header is truncated or longer than tilepress writes")
        value = (self._value >> self._at) & ((1 << count) - 1)
        self._at += count
        return value

    def choice(self, options: tuple[tuple[int, int], ...]) -> int:
        """Return the format's U32: two bits choose among (bits, offset)."""
        bits, offset = options[self.read(2)]
        return offset + self.read(bits)

    def expect(self, count: int, value: int, what: str) -> None:
        """Read `count` bits that our encoder always writes as `value`."""
        if self.read(count) != value:
            raise StreamError(f"JPEG XL stream has {what}, which tilepress never writes")

    def flags(self) -> int:
        """Return the format's U64, of which no more than 12 bits are ever needed."""
        selector = self.read(2)
        if selector == 3:
            raise StreamError("JPEG XL stream has extensions, which tilepress never writes")
        return (0, 1, 17)[selector] + self.read((0, 4, 8)[selector])

    def byte(self) -> int:
        """Return position in the data of the next whole byte."""
        return self._start + (self._at + 7) // 8


def bare_codestream(data: bytes) -> bytes:
    """Return the codestream of a JPEG XL file: `data` itself, or the payload of its container's codestream boxes.

    Raises StreamError if a box is damaged.
    """
    if not data.startswith(CONTAINER_SIGNATURE):
        return bytes(data)
    parts = [data[start:end] for kind, start, end in _boxes(data) if kind in (b"jxlc", b"jxlp")]
    return b"".join(parts)


def image_size(codestream: bytes) -> tuple[int, int]:
    """(width, height) that the codestream claims, from its first bytes. Raises StreamError."""
    return _read_size(_open(codestream))


def check_codestream(codestream: bytes, width: int, height: int, channels: int, bits: int) -> None:
    """Raise StreamError unless this is a lossless image of that size whose frames stay near that size.

    Frames of patches, which text and drawings are coded with, are at most four times as large as the image, or 256 x
    256.

    Args:
        codestream: A JPEG XL codestream without its container.
        width: Columns in pixels.
        height: Rows in pixels.
        channels: 1 to 4, alpha included.
        bits: Of a sample, 1 to 16.
    """
    reader = _open(codestream)
    if _read_size(reader) != (width, height):
        raise StreamError(f"JPEG XL stream does not hold an image of {width} x {height}")
    extra = _read_metadata(reader, bits)
    if channels not in (1 + extra, 3 + extra):
        raise StreamError(f"JPEG XL stream does not hold {channels} channels")
    at, last = reader.byte(), False
    for _ in range(_MAX_FRAMES):
        at, last = _skip_frame(codestream, at, width, height, extra)
        if last:
            break
    if not last or at != len(codestream):
        raise StreamError("JPEG XL stream does not end where its last frame does")


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of the payload of every box; a codestream part is without its counter."""
    at = 0
    while at < len(data):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + size if size else len(data)
        if end > len(data) or end < at + head:
            raise StreamError("JPEG XL container is truncated or damaged")
        yield kind, at + head + 4 * (kind == b"jxlp"), end
        at = end


def _open(codestream: bytes) -> _Bits:
    if not codestream.startswith(_CODESTREAM_SIGNATURE):
        raise StreamError("not a JPEG XL codestream")
    return _Bits(codestream, len(_CODESTREAM_SIGNATURE))


def _read_size(reader: _Bits) -> tuple[int, int]:
    """SizeHeader: width and height."""
    small = reader.read(1)
    height = _read_side(reader, small)
    ratio = reader.read(3)
    if ratio == 0:
        return _read_side(reader, small), height
    numerator, denominator = _RATIOS[ratio]
    return height * numerator // denominator, height


def _read_side(reader: _Bits, small: int) -> int:
    return 8 * (1 + reader.read(5)) if small else reader.choice(_SIZE)


def _read_metadata(reader: _Bits, bits: int) -> int:
    """ImageMetadata up to the first frame; returns the number of extra channels, 0 or 1."""
    reader.expect(1, 0, "default metadata")
    reader.expect(1, 0, "extra fields")
    _read_depth(reader, bits)
    reader.read(1)  # whether 16-bit buffers suffice
    extra = reader.choice(_COUNT)
    if extra > 1:
        raise StreamError(f"JPEG XL stream claims {extra} extra channels")
    if extra:
        _read_extra_channel(reader, bits)
    reader.expect(1, 0, "XYB colour")
    _read_colour(reader)
    reader.expect(2, 0, "extensions")
    reader.expect(1, 1, "a colour transform of its own")
    return extra


def _read_depth(reader: _Bits, bits: int) -> None:
    reader.expect(1, 0, "floating-point samples")
    if reader.choice(_DEPTH) != bits:
        raise StreamError(f"JPEG XL stream does not hold samples of {bits} bits")


def _read_extra_channel(reader: _Bits, bits: int) -> None:
    """ExtraChannelInfo of an alpha channel."""
    if reader.read(1):
        return
    if reader.choice(_ENUM) != 0:
        raise StreamError("JPEG XL stream has an extra channel that is not alpha, which tilepress never writes")
    _read_depth(reader, bits)
    if reader.choice(_SHIFT) or reader.choice(_NAME):
        raise StreamError("JPEG XL stream has a subsampled or named channel, which tilepress never writes")
    reader.expect(1, 0, "associated alpha")


def _read_colour(reader: _Bits) -> None:
    """ColourEncoding by enumerations; a profile, or points of its own, is refused."""
    if reader.read(1):
        return
    reader.expect(1, 0, "a colour profile")
    gray = reader.choice(_ENUM) == 1
    white_and_primaries = [reader.choice(_ENUM) for _ in range(1 if gray else 2)]
    reader.expect(1, 0, "a gamma")
    reader.choice(_ENUM)  # transfer function
    reader.choice(_ENUM)  # rendering intent
    if 2 in white_and_primaries:
        raise StreamError("JPEG XL stream has custom primaries, which tilepress never writes")


def _skip_frame(data: bytes, at: int, width: int, height: int, extra: int) -> tuple[int, bool]:
    """Check the frame at byte `at`; returns where it ends, and whether it is the last."""
    reader = _Bits(data, at)
    reader.expect(1, 0, "a default frame")
    kind = reader.read(2)
    reader.expect(1, 1, "a lossy frame")
    if kind not in (_REGULAR, _REFERENCE_ONLY) or reader.flags() & ~(_PATCHES | _SKIP_SMOOTHING):
        raise StreamError("JPEG XL stream has a frame of a kind that tilepress never writes")
    reader.expect(1, 0, "YCbCr colour")
    reader.expect(2 + 2 * extra, 0, "upsampling")
    group = 128 << reader.read(2)
    if kind == _REGULAR:
        reader.expect(2, 0, "several passes")
        reader.expect(1, 0, "a partial frame")
        reader.expect(2 + 2 * extra, 0, "blending")
        last = bool(reader.read(1))
    else:
        width, height = _read_crop(reader, width, height)
        last = False
    if not last:
        reader.read(3)  # reference slot, and whether it is kept before the colour transform
    reader.expect(2, 0, "a named frame")
    _expect_no_filter(reader)
    return _skip_sections(data, reader, width, height, group), last


def _read_crop(reader: _Bits, width: int, height: int) -> tuple[int, int]:
    """Size of a frame of patches."""
    if not reader.read(1):
        return width, height
    crop_width, crop_height = reader.choice(_CROP), reader.choice(_CROP)
    if not 0 < crop_width * crop_height <= max(4 * width * height, 1 << 16):
        raise StreamError(f"JPEG XL stream claims a frame of {crop_width} x {crop_height}")
    return crop_width, crop_height


def _expect_no_filter(reader: _Bits) -> None:
    reader.expect(1, 0, "a smoothing filter")
    reader.expect(1, 0, "a smoothing filter")
    reader.expect(2, 0, "a smoothing filter")
    reader.expect(4, 0, "extensions")


def _skip_sections(data: bytes, reader: _Bits, width: int, height: int, group: int) -> int:
    """Where the sections of a frame end, by its table of contents."""
    groups = -(-width // group) * -(-height // group)
    coarse = -(-width // (8 * group)) * -(-height // (8 * group))
    entries = 1 if groups == 1 else 2 + coarse + groups
    reader.expect(1, 0, "permuted sections")
    table = _Bits(data, reader.byte(), 4 * entries)
    size = sum(table.choice(_TOC) for _ in range(entries))
    return table.byte() + size
