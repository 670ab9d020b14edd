"""JPEG-LS streams of one plane (ISO/IEC 14495-1, ITU-T T.87): reduced to their necessary segments, and checked.

Every marker segment before the scan follows from size, sample type and NEAR. A decoder sees only streams that begin
with exactly those bytes: no stream that claims another size, parameters of its own or a colour transform.
"""

from __future__ import annotations

import struct

from tilepress.codecs.errors import CodecError, StreamError

MAX_SIDE = 65535  # of the frame header; LSE type 4 could say more
MAX_NEAR = 255
_SPIFF_BYTES = 44  # that charls writes between SOI and SOF; its directory ends with an SOI of its own
_RESET = 64
_END = b"\xff\xd9"


def largest_near(bits: int) -> int:
    """Return the largest NEAR of samples of 8 or 16 bits (T.87 C.2.3)."""
    return min(MAX_NEAR, (1 << bits) // 2 - 1)


def header(width: int, height: int, bits: int, near: int) -> bytes:
    """Return all bytes before the scan's: SOI, SOF55, for 16 bits LSE with the default parameters, SOS."""
    frame = struct.pack(">HHBHHBBBB", 0xFFF7, 11, bits, height, width, 1, 1, 0x11, 0)
    scan = struct.pack(">HHBBBBBB", 0xFFDA, 8, 1, 1, 0, near, 0, 0)
    return b"\xff\xd8" + frame + (_parameters(near) if bits > 12 else b"") + scan


def bare_jpegls(data: bytes, width: int, height: int, bits: int, near: int) -> bytes:
    """Return the stream that charls wrote for one plane, without its SPIFF header; CodecError if it is another.

    `data`: the stream of charls. `width`, `height`: in samples. `bits`: 8 or 16, of a sample. `near`: error bound.
    """
    start = header(width, height, bits, near)
    for stream in (data[_SPIFF_BYTES:], data):
        if stream.startswith(start):
            return stream
    raise CodecError("the JPEG-LS library wrote a header that tilepress does not know; use the release it is pinned to")


def check_jpegls(stream: bytes, width: int, height: int, bits: int, near: int) -> None:
    """Raise StreamError unless the stream begins with the plane's one possible header and has an end.

    `width`, `height`: of the plane, in samples. `bits`: 8 or 16, of a sample. `near`: error bound, in levels.
    """
    if not stream.startswith(header(width, height, bits, near)) or not stream.endswith(_END):
        raise StreamError("JPEG-LS stream does not hold the header of this plane and an end")


def _parameters(near: int) -> bytes:
    """LSE type 1 with MAXVAL 65535 and the defaults of T.87 C.2.4.1.1, clamping never being needed."""
    return struct.pack(">HHB5H", 0xFFF8, 13, 1, 65535, 18 + 3 * near, 67 + 5 * near, 276 + 7 * near, _RESET)
