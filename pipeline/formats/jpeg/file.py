"""JPEG files: decoded pixels in bands, and, for lossy restoring, a JPEG around other pixels with the same metadata.

JPEGs that must come back exactly are not decoded at all: `codecs` transcodes them. The container keeps the APPn and
COM segments (EXIF, ICC, XMP, JFIF, Adobe, comments) and the bytes after the end of the image.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

import numpy as np
from PIL import Image, JpegImagePlugin

from tilepress.codecs.jpeg.file.coefficients import MAX_SIDE
from tilepress.codecs.jpeg.file.segments import is_adobe, is_metadata
from tilepress.codecs.origins.jpeg.eighth import EIGHTH, mean_eighth
from tilepress.pipeline.errors import IntegrityError, LimitExceeded
from tilepress.pipeline.formats.bands import checked
from tilepress.pipeline.formats.container import Container, pack_container, reading_container, whole
from tilepress.pipeline.formats.jpeg.markers import MODES, JpegFile, Scanner
from tilepress.pipeline.formats.picture import Limits, Picture

_QUALITY = 100
_TRANSFORM = 15  # position of the transform flag in an Adobe segment
_MAX_WORK = 1 << 33  # scans times samples: a minute or two
_YCBCR, _AS_IS = 1, 0
_LIMITS = Limits()


def read_jpeg(source: bytes | mmap.mmap, limits: Limits, byte_exact: bool) -> Picture:
    """Describe a JPEG file; the whole image is decoded when bands are read. `byte_exact` changes nothing."""
    file = Scanner(source).scan()
    _check_limits(file, limits)
    facts = {"format": "jpeg", "width": file.width, "height": file.height, "components": file.components}
    sizes = [len(segment) for segment in file.metadata]
    described = "an index of several pictures (MPF)" if file.several else ""
    exact = {"exact": True} if described else {}
    return Picture(
        format="jpeg",
        mode=file.mode,
        width=file.width,
        height=file.height,
        dtype="uint8",
        bit_depth=8,
        container=pack_container({**facts, **exact, "segments": sizes}, b"".join(file.metadata), file.trailer),
        read_bands=partial(_read_bands, source, file),
        describes_bytes=described,
    )


def _check_limits(file: JpegFile, limits: Limits) -> None:
    size = f"JPEG of {file.width} x {file.height}"
    if file.width * file.height > limits.max_pixels:
        raise LimitExceeded(f"{size} pixels; the limit is {limits.max_pixels} pixels")
    samples = file.width * file.height * file.components
    if samples * file.scans > _MAX_WORK:
        raise LimitExceeded(f"{size} in {file.scans} scans: decoding would take minutes")
    needed = samples * 3 if file.progressive else samples  # libjpeg holds all 16-bit coefficients
    if needed > limits.max_whole_bytes:
        raise LimitExceeded(f"{size}: decoding takes {needed} bytes; the limit is {limits.max_whole_bytes} bytes")


def _read_bands(source: bytes | mmap.mmap, file: JpegFile, rows: int) -> Iterator[np.ndarray]:
    with _opened(source, file) as image:
        image.load()
        if image.mode != file.mode or image.size != (file.width, file.height):
            raise ValueError(f"decoded as {image.mode} {image.size}")
        for y in range(0, file.height, rows):
            band = np.asarray(image.crop((0, y, file.width, min(y + rows, file.height))))
            yield band.reshape(-1, file.width, file.components)


def _opened(source: bytes | mmap.mmap, file: JpegFile) -> JpegImagePlugin.JpegImageFile:
    """The file in Pillow, not decoded yet."""
    # only the structure: no metadata can confuse the decoder, or make Pillow take the file for another format
    structure = b"".join(source[start:end] for start, end in file.structure)
    # not Image.open: its own limit is lower than ours, and a global
    return JpegImagePlugin.JpegImageFile(io.BytesIO(structure))


def read_shrunk(source: bytes, factor: int, limits: Limits = _LIMITS) -> np.ndarray:
    """Return a JPEG file at 1/1, or at 1/8 of its sides, rounded up, of its DC coefficients: uint8 (h, w, components).

    PictureError for what is no JPEG file, or beyond the limits. Pillow's errors for one that does not decode.

    Args:
        source: The file.
        factor: 1 or 8.
        limits: Which pictures are decoded.
    """
    file = Scanner(source).scan()
    _check_limits(file, limits)
    narrow = min(file.width, file.height) < EIGHTH  # Pillow does not shrink that so far
    with _opened(source, file) as image:
        if factor == EIGHTH and not narrow:
            image.draft(None, (1, 1))  # by as much as libjpeg can
        image.load()
        decoded = np.asarray(image).reshape(image.height, image.width, file.components)
    return mean_eighth(decoded) if factor == EIGHTH and narrow else decoded


def rebuild_jpeg(container: Container, bands: Iterator[np.ndarray], out: BinaryIO) -> None:
    """Write a JPEG of quality 100, chroma not subsampled, with the kept segments. IntegrityError if it cannot be."""
    with reading_container():
        width, height, components, segments = _header(container)
        trailer = container.blobs[1]
    image = np.concatenate(list(checked(bands, width, height, components, "uint8")))
    buffer = io.BytesIO()
    picture = Image.fromarray(image[:, :, 0] if components == 1 else image, MODES[components])
    picture.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    out.write(b"\xff\xd8")
    for segment in segments:
        out.write(_with_transform(segment, components))
    out.write(_without_metadata(buffer.getvalue()))
    out.write(trailer)


def _header(container: Container) -> tuple[int, int, int, list[bytes]]:
    header, (joined, _) = container.header, container.blobs
    width, height = whole(header["width"], 1, MAX_SIDE), whole(header["height"], 1, MAX_SIDE)
    components = whole(header["components"], 1, 4)
    at, segments = 0, []
    for size in header["segments"]:
        segment = joined[at : at + whole(size, 4, 65537)]
        if not is_metadata(segment[1]) or len(segment) != size or int.from_bytes(segment[2:4]) + 2 != size:
            raise IntegrityError("image container: a JPEG segment is not valid")
        segments.append(segment)
        at += size
    if components not in MODES or at != len(joined):
        raise IntegrityError("image container: its JPEG segments do not add up")
    return width, height, components, segments


def _with_transform(segment: bytes, components: int) -> bytes:
    """An Adobe segment that tells the truth about the new pixels: Pillow writes YCbCr, and CMYK as it is."""
    if not is_adobe(segment):
        return segment
    return segment[:_TRANSFORM] + bytes([_YCBCR if components == 3 else _AS_IS]) + segment[_TRANSFORM + 1 :]


def _without_metadata(jpeg: bytes) -> bytes:
    """What Pillow wrote, from its first structural segment on."""
    at = 2
    while is_metadata(jpeg[at + 1]):
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return jpeg[at:]
