"""The frame header of a JPEG file (ITU-T T.81, B.2.2), read before a decoder allocates for it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tilepress.codecs.jpeg.file.segments import skip_fill_bytes

_SOI = b"\xff\xd8"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # DHT, JPG and DAC lie between the SOF markers
_SCAN, _END = 0xDA, 0xD9


@dataclass(frozen=True)
class JpegFrame:
    """Fields of the SOFn segment. `process` is n: 0 baseline, 1 extended, 2 progressive, 3 lossless, 9.. arithmetic."""

    process: int
    bits: int
    width: int
    height: int
    components: int


def read_jpeg_frame(data: bytes) -> JpegFrame | None:
    """Return the first frame header of a JPEG file; None if no frame header comes before the first scan."""
    at = len(_SOI) if data[:2] == _SOI else len(data)
    while at + 10 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xFF:
            at = skip_fill_bytes(data, at)
            continue
        marker = data[at + 1]
        if marker in _FRAMES:
            bits, height, width, components = struct.unpack_from(">BHHB", data, at + 4)
            return JpegFrame(marker - 0xC0, bits, width, height, components)
        if marker in (_SCAN, _END):
            return None
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None
