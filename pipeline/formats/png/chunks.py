"""The chunk structure of a PNG file (ISO/IEC 15948): its header, and where its compressed pixels lie."""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from tilepress.pipeline.errors import DamagedPicture, LimitExceeded, UnsupportedPicture
from tilepress.pipeline.formats.container import MAX_BYTES
from tilepress.pipeline.formats.packed_samples import row_bytes
from tilepress.pipeline.formats.picture import Limits

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# These chunks are not "safe to copy" (section 5.4 of the specification), but depend on the pixels or on other chunks
# only, not on how the pixels are compressed.
_ABOUT_PIXELS = frozenset(b"cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST tRNS tIME sPLT sTER pCAL sCAL".split())
_MAX_CHUNKS = 1 << 20
_MAX_SIDE = 1_000_000  # libpng's own limit
_STEP = 1 << 20
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
# Adam7: x, y of the first pixel and the steps
_INTERLACE = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


class Pass(NamedTuple):
    """Pixels [y::step_y, x::step_x], stored as an image of their own."""

    x: int
    y: int
    step_x: int
    step_y: int
    width: int
    height: int


@dataclass(frozen=True)
class Header:
    """The IHDR chunk."""

    width: int
    height: int
    bits: int
    colour_type: int
    interlaced: bool

    @property
    def channels(self) -> int:
        """Samples a pixel."""
        return _CHANNELS[self.colour_type]

    @property
    def mode(self) -> str:
        """The picture's mode."""
        return "1" if self.colour_type == 0 and self.bits == 1 else _MODES[self.colour_type]

    @property
    def chooses_types(self) -> bool:
        """Whether row filters pay: writers leave indices and packed samples as they are."""
        return self.mode != "P" and self.bits >= 8

    @property
    def pixel_bytes(self) -> int:
        """Distance of a byte to the corresponding one of the pixel on its left, for the row filters."""
        return max(1, self.channels * self.bits // 8)

    def row_bytes(self, width: int) -> int:
        """Return bytes of a row of `width` pixels, without its filter type."""
        return row_bytes(width, self.channels, self.bits)

    @property
    def dtype(self) -> Literal["uint8", "uint16"]:
        """Of the samples."""
        return "uint16" if self.bits == 16 else "uint8"

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded image."""
        return self.width * self.height * self.channels * (2 if self.bits == 16 else 1)

    @property
    def passes(self) -> list[Pass]:
        """The images that the data consists of: one, or up to seven."""
        if not self.interlaced:
            return [Pass(0, 0, 1, 1, self.width, self.height)]
        sizes = ((-(-(self.width - x) // dx), -(-(self.height - y) // dy)) for x, y, dx, dy in _INTERLACE)
        return [Pass(*p, w, h) for p, (w, h) in zip(_INTERLACE, sizes, strict=True) if w > 0 and h > 0]


@dataclass(frozen=True)
class PngFile:
    """A scanned file: header, position of each IDAT's content, and where the chunks before and after them are."""

    source: bytes | mmap.mmap
    header: Header
    offsets: np.ndarray  # int64
    sizes: np.ndarray  # int64
    describes_bytes: str = ""  # the first chunk that depends on more than the pixels; see Picture
    palette_size: int | None = None  # entries, where samples are indices

    @property
    def head(self) -> bytes:
        """Everything before the first IDAT chunk."""
        return bytes(self.source[: int(self.offsets[0]) - 8])

    @property
    def tail(self) -> bytes:
        """Everything after the last IDAT chunk, trailing bytes included."""
        return bytes(self.source[int(self.offsets[-1] + self.sizes[-1]) + 4 :])

    def payload(self) -> Iterator[bytes]:
        """Yield the content of all IDAT chunks, in pieces."""
        for at, size in zip(self.offsets.tolist(), self.sizes.tolist(), strict=True):
            yield from _pieces(self.source, at, size)


def has_chunk(head: bytes, kind: bytes) -> bool:
    """Tell whether a chunk of that type is among those of a file's beginning, signature included."""
    return chunk_content(head, kind) is not None


def chunk_content(head: bytes, kind: bytes) -> bytes | None:
    """Return the content of the first chunk of that type in a file's beginning, signature included; None of none."""
    at = len(SIGNATURE)
    while at + 8 <= len(head):
        size = int.from_bytes(head[at : at + 4], "big")
        if head[at + 4 : at + 8] == kind:
            return head[at + 8 : at + 8 + size]
        at += 12 + size
    return None


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return one chunk: length, type, content, CRC."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def parse_header(head: bytes | mmap.mmap) -> Header:
    """Return the header at the beginning of a PNG file; DamagedPicture if it is not valid."""
    fields = bytes(head[8:33])
    if len(fields) < 25 or fields[:8] != b"\0\0\0\x0dIHDR":
        raise DamagedPicture("PNG: no header chunk at its beginning")
    if zlib.crc32(fields[4:21]) != int.from_bytes(fields[21:]):
        raise DamagedPicture("PNG: the header's checksum does not match")
    width, height, bits, colour_type, method, filtering, interlace = struct.unpack(">IIBBBBB", fields[8:21])
    if not 0 < width < 1 << 31 or not 0 < height < 1 << 31:
        raise DamagedPicture(f"PNG: impossible size {width} x {height}")
    if bits not in _DEPTHS.get(colour_type, ()) or method or filtering or interlace > 1:
        raise DamagedPicture(f"PNG: undefined combination of colour type {colour_type} and {bits} bits")
    return Header(width, height, bits, colour_type, bool(interlace))


def scan(source: bytes | mmap.mmap, header: Header, limits: Limits) -> PngFile:
    """Find the pixel data; the header meets the limits and every critical chunk's checksum is right.

    Raises DamagedPicture, UnsupportedPicture (animations, unknown critical chunks) and LimitExceeded.
    """
    _check_limits(header, limits)
    offsets: list[int] = []
    sizes: list[int] = []
    rest, ended_by, unsafe = len(source), b"", ""
    palette: int | None = None
    for at, size, kind in _chunks(source):
        if kind == b"IDAT":
            if ended_by not in (b"", b"IDAT"):
                raise DamagedPicture("PNG: pixel data in two places")
            offsets.append(at)
            sizes.append(size)
            rest -= size
        elif kind in (b"acTL", b"fcTL", b"fdAT"):
            raise UnsupportedPicture("animated PNG is not supported yet")
        elif kind[:1].isupper() and kind not in (b"IHDR", b"PLTE", b"IEND"):
            raise UnsupportedPicture(f"PNG with the unknown critical chunk {kind!r}")
        if not kind[:1].isupper() and kind[3:].isupper() and kind not in _ABOUT_PIXELS:
            unsafe = unsafe or f"chunk {kind.decode('latin-1')}"
        if kind == b"PLTE" and header.colour_type == 3 and palette is None:
            palette = size // 3
        ended_by = kind if offsets else b""
    if not offsets:
        raise DamagedPicture("PNG: no pixel data")
    if header.colour_type == 3 and palette is None:
        raise DamagedPicture("PNG: its palette is missing")
    if rest > MAX_BYTES:
        raise LimitExceeded(f"PNG with {rest >> 20} MB besides its pixels")
    return PngFile(source, header, np.array(offsets, np.int64), np.array(sizes, np.int64), unsafe, palette)


def _check_limits(header: Header, limits: Limits) -> None:
    size = f"PNG of {header.width} x {header.height}"
    if header.width * header.height > limits.max_pixels:
        raise LimitExceeded(f"{size} pixels; the limit is {limits.max_pixels} pixels")
    if max(header.width, header.height) > _MAX_SIDE:
        raise LimitExceeded(f"{size} pixels; libpng reads sides of up to {_MAX_SIDE}")
    if header.interlaced and header.nbytes > limits.max_whole_bytes:
        raise LimitExceeded(f"{size}, interlaced: {header.nbytes} bytes; the limit is {limits.max_whole_bytes} bytes")


def _chunks(source: bytes | mmap.mmap) -> Iterator[tuple[int, int, bytes]]:
    """(offset, size, type) of each chunk's content up to IEND."""
    at = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        start = bytes(source[at : at + 8])
        size, kind = int.from_bytes(start[:4]), start[4:]
        at += 8
        if len(start) < 8 or at + size + 4 > len(source):
            raise DamagedPicture(f"PNG: truncated at {len(source)} bytes")
        critical = kind[:1].isupper() or not kind.isalpha()
        if critical and _checksum(source, at, size, kind) != source[at + size : at + size + 4]:
            raise DamagedPicture(f"PNG: checksum of chunk {kind!r} at byte {at - 8} does not match")
        yield at, size, kind
        at += size + 4
        if kind == b"IEND":
            return
    raise LimitExceeded(f"PNG of more than {_MAX_CHUNKS} chunks")


def _checksum(source: bytes | mmap.mmap, at: int, size: int, kind: bytes) -> bytes:
    crc = zlib.crc32(kind)
    for piece in _pieces(source, at, size):
        crc = zlib.crc32(piece, crc)
    return crc.to_bytes(4)


def _pieces(source: bytes | mmap.mmap, at: int, size: int) -> Iterator[bytes]:
    for start in range(at, at + size, _STEP):
        yield source[start : min(start + _STEP, at + size)]
