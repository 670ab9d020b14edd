"""Parsers of bytes from elsewhere, each with seeds and the one kind of error that it may raise."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import zstandard

from tests.support.make_collection import encoded, image_of
from tests.support.parquet.footers import joined, small_file, split
from tests.support.parquet.hostile import look_at
from tilepress.codecs.classical.jpeg_transcode import pack_jpeg, unpack_jpeg
from tilepress.codecs.errors import StreamError, TooLarge, UnsupportedError
from tilepress.codecs.stream import read_frame, write_frame
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.manifest import Manifest, PartEntry, manifest_bytes
from tilepress.pipeline.archive.parquet.reading import open_parquet, read_batches
from tilepress.pipeline.archive.places import read_places
from tilepress.pipeline.archive.plan import plan_from_bytes
from tilepress.pipeline.archive.sealed import read_json, seal_json
from tilepress.pipeline.errors import IntegrityError, PictureError
from tilepress.pipeline.formats.container import StackedContainers, pack_containers, unpack_container
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.formats.registry import read_picture, read_small_pictures, rebuild

LIMITS = Limits(max_pixels=1 << 20, max_file_bytes=1 << 22, max_whole_bytes=1 << 24)  # so that a run is short


@dataclass(frozen=True)
class Parser:
    """What is fuzzed: `parse` takes any bytes, and raises nothing but `errors`."""

    parse: Callable[[bytes], object]
    errors: tuple[type[BaseException], ...]
    seeds: Callable[[], Sequence[bytes]]


def _images(*kinds: str) -> list[bytes]:
    modes = {"PNG": ("RGB", "L", "P", "1"), "TIFF": ("RGB", "L"), "JPEG": ("RGB", "L")}
    return [encoded(image_of(mode, 20, 24, seed=3), kind) for kind in kinds for mode in modes[kind]]


def _picture(data: bytes) -> None:
    picture = read_picture(data, LIMITS)
    rows = sum(len(band) for band in picture.read_bands(7))
    assert rows == picture.height


def _framed(magic: bytes, parse: Callable[[bytes], object], *, packed: bool = False) -> Callable[[bytes], object]:
    """Forge the checksum of a frame around bytes, compressed if the format has them so, before they are parsed."""

    def framed(payload: bytes) -> object:
        return parse(write_frame(magic, 1, zstandard.compress(payload) if packed else payload))

    return framed


def _payload(frame: bytes, magic: bytes, *, packed: bool = False) -> bytes:
    payload = read_frame(magic, {1}, frame)[1]
    return zstandard.decompress(payload) if packed else bytes(payload)


def _small(data: bytes) -> None:
    read_small_pictures([data], LIMITS)


def _rebuild(data: bytes) -> None:
    rebuild(data, iter([np.zeros((20, 24, 3), np.uint8)]), io.BytesIO())


def _manifest() -> list[bytes]:
    return [manifest_bytes(Run(1), Manifest((PartEntry(0, 1, 2, 3, "0" * 64),), "1" * 64, "2" * 64))]


def _parquet(data: bytes) -> None:
    look_at(data)
    for batch in read_batches(open_parquet(io.BytesIO(data), "fuzzed"), "fuzzed", 100):
        batch.to_pylist()


def _containers() -> list[bytes]:
    return [read_picture(data, LIMITS).container for data in _images("PNG", "TIFF")]


PARSERS = {
    "images": Parser(_picture, (PictureError,), lambda: _images("PNG", "TIFF", "JPEG")),
    "small-pngs": Parser(_small, (), lambda: _images("PNG")),
    "transcoding": Parser(
        lambda data: pack_jpeg(data, 1 << 16), (StreamError, UnsupportedError, TooLarge), lambda: _images("JPEG")
    ),
    "transcoded": Parser(
        _framed(b"JT", lambda data: unpack_jpeg(data, 1 << 16)),
        (StreamError,),
        lambda: [_payload(pack_jpeg(each), b"JT") for each in _images("JPEG")],
    ),
    "container": Parser(
        _framed(b"TC", unpack_container, packed=True),
        (IntegrityError,),
        lambda: [_payload(each, b"TC", packed=True) for each in _containers()],
    ),
    "rebuilding": Parser(
        _framed(b"TC", _rebuild, packed=True),
        (IntegrityError,),
        lambda: [_payload(each, b"TC", packed=True) for each in _containers()],
    ),
    "stack-of-containers": Parser(
        _framed(b"TS", lambda data: StackedContainers(data, 2).open(1), packed=True),
        (IntegrityError,),
        lambda: [_payload(pack_containers(_containers()[:2], [bytes(32)] * 2), b"TS", packed=True)],
    ),
    "sealed-json": Parser(
        lambda data: read_json(data, "fuzzed"), (IntegrityError,), lambda: [seal_json({"format": "x", "n": [1, 2]})]
    ),
    "places": Parser(
        lambda data: read_places(data.decode(errors="replace"), "fuzzed"), (IntegrityError,), lambda: [b"[[1, 2]]"]
    ),
    "plan": Parser(lambda data: plan_from_bytes(data, "fuzzed"), (IntegrityError,), _manifest),
    "parquet": Parser(_parquet, (IntegrityError,), lambda: [*_manifest(), small_file()]),
    "parquet-footer": Parser(
        lambda data: _parquet(joined(split(small_file())[0], data)),
        (IntegrityError,),
        lambda: [split(small_file(compression=each))[1] for each in ("NONE", "ZSTD")],
    ),
}
