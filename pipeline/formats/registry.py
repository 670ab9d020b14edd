"""The front door for image files: any bytes in, a described picture or the reason why not; and the way back.

The format is recognised by its first bytes, never by a name. Sizes are compared with the limits before anything is
decoded. Files are hostile until proven otherwise: whatever a decoder raises becomes one of three `PictureError`s.
"""

from __future__ import annotations

import mmap
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO, cast

import numpy as np

from tilepress.pipeline.errors import (
    DamagedPicture,
    IntegrityError,
    LimitExceeded,
    PictureError,
    UnsupportedPicture,
)
from tilepress.pipeline.formats.container import Container, unpack_container
from tilepress.pipeline.formats.jpeg.file import read_jpeg, rebuild_jpeg
from tilepress.pipeline.formats.picture import Bands, Limits, Picture
from tilepress.pipeline.formats.png.container import fast_container as fast_png
from tilepress.pipeline.formats.png.file import read_png, rebuild_png
from tilepress.pipeline.formats.png.small import read_small_pngs
from tilepress.pipeline.formats.tiff.file import fast_tiff, read_tiff, rebuild_tiff

Source = bytes | mmap.mmap
Reader = Callable[[Source, Limits, bool], Picture]
Writer = Callable[[Container, Iterator[np.ndarray], BinaryIO], None]

_READERS: tuple[tuple[bytes, str, Reader], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG", read_png),
    (b"\xff\xd8\xff", "JPEG", read_jpeg),
    (b"II*\0", "TIFF", read_tiff),
    (b"MM\0*", "TIFF", read_tiff),
    (b"II+\0", "BigTIFF", read_tiff),
    (b"MM\0+", "BigTIFF", read_tiff),
)
_WRITERS: dict[str, Writer] = {"png": rebuild_png, "jpeg": rebuild_jpeg, "tiff": rebuild_tiff}
_FAST: dict[str, Callable[[Container], Container]] = {"png": fast_png, "tiff": fast_tiff}
# offset, bytes there, what it is
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WebP"),
    (0, b"BM", "BMP"),
    (4, b"jP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (4, b"JXL \r\n\x87\n", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIF"),
    (4, b"ftypmif", "HEIF"),
    (4, b"ftyp", "video or HEIF"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"8BPS", "Photoshop (PSD)"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (128, b"DICM", "DICOM"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"\x8aMNG\r\n\x1a\n", "MNG"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"II\xbc", "JPEG XR"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    *((0, b"P%d" % n + space, "PNM") for n in range(1, 8) for space in (b"\n", b" ", b"\r", b"\t")),
)
_LIMITS = Limits()
_SVG = (b"<svg", b"<?xml")


def read_picture(
    source: Source,
    limits: Limits = _LIMITS,
    *,
    name: str = "",
    byte_exact: bool = True,
) -> Picture:
    """Describe an image file; its pixels come from `Picture.read_bands`, as often as it is called, from the top.

    `source` must stay open while they are read; `name` only appears in messages. Without `byte_exact`, no work goes
    into finding out how the file can come back byte for byte: its container is good for pixels and metadata only.

    Raises UnsupportedPicture, LimitExceeded or DamagedPicture, with a reason for people, and nothing else.
    """
    with _translated(name):
        if len(source) > limits.max_file_bytes:
            raise LimitExceeded(f"file of {len(source)} bytes; the limit is {limits.max_file_bytes} bytes")
        picture = _reader(source)(source, limits, byte_exact)
    return replace(picture, read_bands=lambda rows: _translated_bands(picture.read_bands, rows, name))


def read_small_pictures(sources: Sequence[Source], limits: Limits = _LIMITS) -> list[Picture | None]:
    """Describe small image files as `read_picture` does, in less time and with pixels in memory.

    None stands for each that has to be read alone: it is large, no PNG, or there is something the matter with it.
    """
    small = [at for at, source in enumerate(sources) if isinstance(source, bytes)]
    pictures: list[Picture | None] = [None] * len(sources)
    try:
        with _translated(""):
            found = read_small_pngs([cast(bytes, sources[at]) for at in small], limits)
    except PictureError:  # of one file, which must not keep the others from being read
        return pictures
    for at, picture in zip(small, found, strict=True):
        pictures[at] = picture
    return pictures


def rebuild(container: bytes | Container, bands: Iterator[np.ndarray], out: BinaryIO) -> None:
    """Write the file that a container describes, opened or not, with the pixels of `bands` to an empty binary file.

    `bands` are (rows, width, channels) of any heights, in order. With the picture's own pixels the result is the
    original file where its compression is recognised; otherwise its pixels (JPEG: approximately) and metadata are.
    TIFF is written out of order: through a temporary file where `out` cannot seek.

    Raises IntegrityError if the container is damaged or the pixels do not fit it, and whatever `bands` and `out` raise.
    """
    kind, opened = _opened(container)
    if kind != "tiff" or out.seekable():
        _WRITERS[kind](opened, bands, out)
        return
    with tempfile.TemporaryFile() as whole:
        _WRITERS[kind](opened, bands, whole)
        whole.seek(0)
        shutil.copyfileobj(whole, out)


def fast_container(container: Container) -> Container:
    """Return a container by which `rebuild` writes equal pixels and metadata as fast as the format allows.

    The file is another one than the original then. A container that contradicts that, or whose format has no faster
    way, is returned as it is. IntegrityError if it is damaged.
    """
    kind, opened = _opened(container)
    return _FAST[kind](opened) if kind in _FAST and not must_be_exact(opened) else container


def must_be_exact(container: bytes | Container) -> bool:
    """Tell whether a container contradicts any other file than the original, byte for byte."""
    return _opened(container)[1].header.get("exact") is True


def _opened(container: bytes | Container) -> tuple[str, Container]:
    opened = container if isinstance(container, Container) else unpack_container(container)
    kind = opened.header.get("format")
    if not isinstance(kind, str) or kind not in _WRITERS:
        raise IntegrityError(f"image container of the unknown format {kind!r}; use a newer tilepress")
    return kind, opened


def _reader(source: Source) -> Reader:
    start = bytes(source[:256])
    if not start:
        raise UnsupportedPicture("the file is empty")
    for magic, _, reader in _READERS:
        if start.startswith(magic):
            return reader
    if start[1:4] == b"PNG" or start.startswith(b"\x89"):
        raise DamagedPicture("PNG with a damaged signature (a transfer as text does this)")
    raise UnsupportedPicture(_what_else(start))


def _what_else(start: bytes) -> str:
    for at, magic, what in _OTHERS:
        if start[at : at + len(magic)] == magic:
            return f"{what} is not supported yet"
    if start.lstrip().lower().startswith(_SVG):
        return "SVG or other XML is not supported"
    return "not an image file that tilepress knows"


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Foreign errors of decoders become PictureErrors; a name, if given, begins every message."""
    prefix = f"{name}: " if name else ""
    try:
        yield
    except PictureError as exc:
        raise type(exc)(f"{prefix}{exc}") from exc
    except MemoryError as exc:
        raise LimitExceeded(f"{prefix}decoding it needs more memory than there is") from exc
    except Exception as exc:  # a decoder may raise anything on a hostile file
        raise DamagedPicture(f"{prefix}does not decode ({type(exc).__name__}: {exc})") from exc


def _translated_bands(read: Callable[[int], Bands], rows: int, name: str) -> Bands:
    if rows < 1:
        raise ValueError(f"a band has at least one row, not {rows}")
    with _translated(name):
        yield from read(rows)
