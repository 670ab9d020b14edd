"""JPEG files as JPEG XL, about 20 % smaller, and back byte for byte.

The JPEG bitstream reconstruction of ISO/IEC 18181-2, as libjxl implements it.
"""

from __future__ import annotations

import struct

from tilepress.codecs.classical.jpeg_header import read_jpeg_frame
from tilepress.codecs.classical.jpegxl_stream import bare_codestream, image_size
from tilepress.codecs.errors import StreamError, TooLarge, UnsupportedError
from tilepress.codecs.stream import read_frame, write_frame

_MAGIC = b"JT"
_VERSION = 1
_LENGTH = struct.Struct("<I")  # bytes of the JPEG file
_PROCESSES = frozenset({0, 1, 2})  # Huffman-coded, sequential or progressive: the ones JPEG XL can rebuild

# libjxl takes 16 bytes a pixel of a gray file and up to three times that in colour: 3.2 GB at most.
MAX_PIXELS_PACKED = 1 << 26
MAX_PIXELS_UNPACKED = 1 << 28
MAX_JPEG_BYTES = 1 << 30


def pack_jpeg(data: bytes, max_pixels: int = MAX_PIXELS_PACKED) -> bytes:
    """Return a stream for a JPEG file, nearly always smaller, after `unpack_jpeg` gave the file back from it.

    Raises UnsupportedError, with the reason, if JPEG XL cannot rebuild the file byte for byte (most CMYK, arithmetic
    coding, 12 bits, truncated files); TooLarge for more than `max_pixels` pixels (at most MAX_PIXELS_UNPACKED) or more
    than MAX_JPEG_BYTES bytes.
    """
    frame = read_jpeg_frame(data)
    if frame is None:
        raise UnsupportedError("a JPEG file without a frame header cannot be transcoded")
    if frame.process not in _PROCESSES or frame.bits != 8:
        raise UnsupportedError(f"JPEG XL does not transcode JPEG files of process {frame.process}, {frame.bits} bits")
    most = min(max_pixels, MAX_PIXELS_UNPACKED)
    if frame.width * frame.height > most:
        size = f"{frame.width} x {frame.height}"
        raise TooLarge(f"JPEG of {size} pixels: memory is bounded, so that at most {most:,} are transcoded")
    if len(data) > MAX_JPEG_BYTES:
        raise TooLarge(f"JPEG of {len(data)} bytes: at most {MAX_JPEG_BYTES:,} are transcoded")
    try:
        packed = write_frame(_MAGIC, _VERSION, _LENGTH.pack(len(data)) + _encode(data))
        unpacked = unpack_jpeg(packed)
    except StreamError as exc:
        raise UnsupportedError(f"JPEG file of {frame.components} components that cannot be transcoded: {exc}") from exc
    if unpacked != data:
        raise UnsupportedError("JPEG file of which JPEG XL's reversible transcoding gives other bytes back")
    return packed


def unpack_jpeg(data: bytes, most: int = MAX_JPEG_BYTES) -> bytes:
    """Return the JPEG file of a stream of `pack_jpeg`, of `most` bytes. Raises StreamError for any other bytes."""
    _, payload = read_frame(_MAGIC, {_VERSION}, data)
    if len(payload) < _LENGTH.size:
        raise StreamError("JPEG transcoding lacks the length of its file")
    (length,) = _LENGTH.unpack_from(payload)
    packed = payload[_LENGTH.size :]
    width, height = image_size(bare_codestream(packed))
    if not 0 < length <= min(most, MAX_JPEG_BYTES) or not 0 < width * height <= MAX_PIXELS_UNPACKED:
        raise StreamError(f"JPEG transcoding claims {length} bytes and {width} x {height} pixels: beyond the limits")
    jpeg = _decode(packed, length)
    if len(jpeg) != length:
        raise StreamError(f"JPEG transcoding gave {len(jpeg)} bytes, not {length}")
    return jpeg


def _encode(data: bytes) -> bytes:
    import imagecodecs

    try:
        return bytes(imagecodecs.jpegxl_encode_jpeg(data, usecontainer=True, numthreads=1))
    except Exception as exc:
        raise StreamError(f"JPEG XL does not take it ({exc})") from exc


def _decode(packed: bytes, length: int) -> bytes:
    import imagecodecs

    try:
        # `out` bounds what hostile bytes can make libjxl write.
        return bytes(imagecodecs.jpegxl_decode_jpeg(packed, numthreads=1, out=length))
    except Exception as exc:
        raise StreamError(f"JPEG transcoding does not decode: {exc}") from exc
