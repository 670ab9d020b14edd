"""A new PNG file of a JPEG file's picture, with what the JPEG says about its pixels: profile, EXIF, XMP, resolution."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from tilepress.codecs.jpeg.file.segments import HEAD, is_jfif
from tilepress.pipeline.formats.container import Container
from tilepress.pipeline.formats.png.chunks import SIGNATURE, chunk
from tilepress.pipeline.formats.png.container import HEADER
from tilepress.pipeline.formats.png.file import rebuild_png

_GRAY, _RGB = 0, 2  # colour types
_APP1, _APP2 = b"\xff\xe1", b"\xff\xe2"
_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_TIFF = (b"II*\0", b"MM\0*")  # how EXIF begins
_SPACE = slice(16, 20)  # of an ICC profile's header: the colours that it is for
_SPACES = {1: b"GRAY", 3: b"RGB "}
_XMP_HEAD = b"XML:com.adobe.xmp\0\0\0\0\0"  # keyword, not compressed, no language, no translated keyword
_DENSITY = struct.Struct(">BHH")  # unit, across, down
_DENSITY_AT = HEAD + 7  # behind JFIF\0 and its version
_PER_METRE = {0: 1.0, 1: 100 / 2.54, 2: 100.0}  # by unit: a ratio alone, inches, centimetres


def write_png(pixels: np.ndarray, metadata: Sequence[bytes], out: BinaryIO) -> None:
    """Write a PNG file of pixels, uint8 (height, width, 1 or 3), to an empty binary file.

    ICC profile, EXIF, XMP and resolution are those of the JPEG, and the pixels lie as its own do: EXIF says how they
    are to be turned. Left out are comments, makers' own segments, and profiles that are incomplete or for other
    colours than those of the pixels, which PNG does not allow.

    Args:
        pixels: Of the picture.
        metadata: The JPEG's APPn and COM segments, whole, in order.
        out: Is written to.
    """
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _GRAY if channels == 1 else _RGB, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), *_profile(metadata, channels), *_resolution(metadata), *_texts(metadata)]
    container = Container(dict(HEADER), (SIGNATURE + b"".join(chunks), chunk(b"IEND", b"")))
    rebuild_png(container, iter([pixels]), out)


def _profile(metadata: Sequence[bytes], channels: int) -> list[bytes]:
    """The chunk of the ICC profile, which a JPEG holds in numbered pieces."""
    pieces = _contents(metadata, _APP2, _ICC)
    numbered = {piece[0]: piece[2:] for piece in pieces if len(piece) > 1}
    whole = len(numbered) == len(pieces) and all(piece[1] == len(pieces) for piece in pieces)
    if not pieces or not whole or sorted(numbered) != list(range(1, len(pieces) + 1)):
        return []
    profile = b"".join(numbered[number] for number in sorted(numbered))
    if profile[_SPACE] != _SPACES[channels]:
        return []
    return [chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))]


def _resolution(metadata: Sequence[bytes]) -> list[bytes]:
    """The chunk of the JFIF segment's pixels per metre, or of their aspect ratio if that is none of 1:1."""
    jfif = next(filter(is_jfif, metadata), None)
    if jfif is None:
        return []
    unit, *density = _DENSITY.unpack_from(jfif, _DENSITY_AT)
    if unit not in _PER_METRE or not all(density) or (unit == 0 and density[0] == density[1]):
        return []
    across, down = (round(each * _PER_METRE[unit]) for each in density)
    return [chunk(b"pHYs", struct.pack(">IIB", across, down, unit > 0))]


def _texts(metadata: Sequence[bytes]) -> list[bytes]:
    """The chunks of EXIF and XMP, of each the first."""
    exif = [each for each in _contents(metadata, _APP1, _EXIF) if each.startswith(_TIFF)][:1]
    xmp = _contents(metadata, _APP1, _XMP)[:1]
    return [*(chunk(b"eXIf", each) for each in exif), *(chunk(b"iTXt", _XMP_HEAD + each) for each in xmp)]


def _contents(metadata: Sequence[bytes], marker: bytes, name: bytes) -> list[bytes]:
    """What follows a name in the segments of one marker that begin with it."""
    start = HEAD + len(name)
    return [each[start:] for each in metadata if each.startswith(marker) and each[HEAD:start] == name]
