"""Parsers of image files, and of what archives hold of them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tests.fuzz.parser import Parser, framed, payload_of
from tests.support.make_collection import encoded, image_of
from tilepress.codecs.classical.jpeg_transcode import pack_jpeg, unpack_jpeg
from tilepress.codecs.errors import StreamError, TooLarge, UnsupportedError
from tilepress.pipeline.errors import IntegrityError, PictureError
from tilepress.pipeline.formats.container import StackedContainers, pack_containers, unpack_container
from tilepress.pipeline.formats.exif import camera, exif_fields, taken
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.formats.registry import read_picture, read_small_pictures, rebuild

LIMITS = Limits(max_pixels=1 << 20, max_file_bytes=1 << 22, max_whole_bytes=1 << 24)  # so that a run is short
_EXIF_IFD, _MAKE, _TAKEN = 0x8769, 271, 0x9003


def _images(*kinds: str) -> list[bytes]:
    modes = {"PNG": ("RGB", "L", "P", "1"), "TIFF": ("RGB", "L"), "JPEG": ("RGB", "L")}
    return [encoded(image_of(mode, 20, 24, seed=3), kind) for kind in kinds for mode in modes[kind]]


def _picture(data: bytes) -> None:
    picture = read_picture(data, LIMITS)
    rows = sum(len(band) for band in picture.read_bands(7))
    assert rows == picture.height


def _small(data: bytes) -> None:
    read_small_pictures([data], LIMITS)


def _rebuild(data: bytes) -> None:
    rebuild(data, iter([np.zeros((20, 24, 3), np.uint8)]), io.BytesIO())


def _containers() -> list[bytes]:
    return [read_picture(data, LIMITS).container for data in _images("PNG", "TIFF")]


def _exif(data: bytes) -> None:
    fields = exif_fields(unpack_container(data))
    assert all(len(text) <= 80 and text.isprintable() for text in fields.values())
    assert isinstance(camera(fields) + taken(fields), str)


def _with_exif() -> list[bytes]:
    exif = Image.Exif()
    exif[_MAKE] = "Nikon"
    exif.get_ifd(_EXIF_IFD)[_TAKEN] = "2024:04:30 09:00:00"
    files = (encoded(image_of("RGB", 20, 24, seed=3), kind, exif=exif) for kind in ("PNG", "JPEG", "TIFF"))
    return [payload_of(read_picture(data, byte_exact=False).container, b"TC", packed=True) for data in files]


PARSERS = {
    "images": Parser(_picture, (PictureError,), lambda: _images("PNG", "TIFF", "JPEG")),
    "small-pngs": Parser(_small, (), lambda: _images("PNG")),
    "transcoding": Parser(
        lambda data: pack_jpeg(data, 1 << 16), (StreamError, UnsupportedError, TooLarge), lambda: _images("JPEG")
    ),
    "transcoded": Parser(
        framed(b"JT", lambda data: unpack_jpeg(data, 1 << 16)),
        (StreamError,),
        lambda: [payload_of(pack_jpeg(each), b"JT") for each in _images("JPEG")],
    ),
    "container": Parser(
        framed(b"TC", unpack_container, packed=True),
        (IntegrityError,),
        lambda: [payload_of(each, b"TC", packed=True) for each in _containers()],
    ),
    "rebuilding": Parser(
        framed(b"TC", _rebuild, packed=True),
        (IntegrityError,),
        lambda: [payload_of(each, b"TC", packed=True) for each in _containers()],
    ),
    "stack-of-containers": Parser(
        framed(b"TS", lambda data: StackedContainers(data, 2).open(1), packed=True),
        (IntegrityError,),
        lambda: [payload_of(pack_containers(_containers()[:2], [bytes(32)] * 2), b"TS", packed=True)],
    ),
    "exif": Parser(framed(b"TC", _exif, packed=True), (IntegrityError,), _with_exif),
}
