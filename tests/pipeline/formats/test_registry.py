"""The front door: formats by content, every failure one of three with a reason, containers that cannot mislead."""

from __future__ import annotations

import io
import mmap
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.make_images import make_png, make_tiff, picture_of, pixels_of, rebuilt
from tilepress.codecs.stream import write_frame
from tilepress.pipeline.errors import DamagedPicture, IntegrityError, LimitExceeded, PictureError, UnsupportedPicture
from tilepress.pipeline.formats.container import pack_container, unpack_container
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.formats.registry import read_picture, rebuild

SAMPLES = Path(__file__).parents[3] / "infra/samples/images"
SMALL = Limits(max_pixels=1 << 20, max_whole_bytes=1 << 22)


def _saved(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def _files() -> dict[str, bytes]:
    rgb = picture_of(0, 24, 20, 3, 8)
    return {
        "png": make_png(rgb, 2, 8),
        "png interlaced": make_png(rgb[:, :, :1] >> 4, 3, 4, interlaced=True),
        "jpeg": _saved(Image.fromarray(rgb), "JPEG"),
        "tiff strips": make_tiff(rgb, "rgb", rowsperstrip=5, metadata=None),
        "tiff lzw": make_tiff(rgb, "rgb", compression="lzw", predictor=True, metadata=None),
        "tiff tiles": make_tiff(rgb, "rgb", compression="zlib", tile=(16, 16), bigtiff=True, metadata=None),
        "tiff packbits": make_tiff(rgb, "rgb", compression="packbits", rowsperstrip=5, byteorder=">", metadata=None),
        "tiff zstd": make_tiff(rgb, "rgb", compression="zstd", planarconfig="separate", metadata=None),
    }


FILES = _files()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "JPEG2000", "PPM", "PDF", "ICO"])
def test_other_image_formats_are_named(kind):
    data = _saved(Image.new("RGB", (16, 16)), kind)
    with pytest.raises(UnsupportedPicture, match="is not supported yet"):
        read_picture(data)


def test_what_is_no_image_is_said_to_be_none():
    with pytest.raises(UnsupportedPicture, match="empty"):
        read_picture(b"")
    with pytest.raises(UnsupportedPicture, match="not an image"):
        read_picture(b"Dear Sir,\n")
    for start in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        with pytest.raises(PictureError):
            read_picture(start)


def test_names_mean_nothing_but_appear_in_messages():
    assert read_picture(FILES["png"], name="picture.jpg").format == "png"
    with pytest.raises(DamagedPicture, match=r"^a/b\.png: PNG"):
        read_picture(FILES["png"][:-3], name="a/b.png")


def test_files_beyond_the_byte_limit_are_not_looked_at():
    with pytest.raises(LimitExceeded, match="the limit is 10 bytes"):
        read_picture(FILES["png"], Limits(max_file_bytes=10))


@pytest.mark.parametrize("kind", sorted(FILES))
def test_a_memory_map_reads_like_bytes_and_can_be_closed(kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(FILES[kind])
    with path.open("rb") as file:
        source = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        picture = read_picture(source)
        pixels = pixels_of(picture)
        source.close()
    assert np.array_equal(pixels, pixels_of(read_picture(FILES[kind])))
    assert picture.container == read_picture(FILES[kind]).container


@pytest.mark.parametrize("kind", sorted(FILES))
def test_a_file_cut_off_anywhere_is_never_read_as_whole(kind):
    data = FILES[kind]
    original = pixels_of(read_picture(data))
    for size in range(0, len(data), 1 + len(data) // 60):
        try:
            pixels = pixels_of(read_picture(data[:size], SMALL))
        except PictureError:
            continue
        assert np.array_equal(pixels, original)


@settings(max_examples=400)
@given(kind=st.sampled_from(sorted(FILES)), data=st.data())
def test_hostile_files_raise_nothing_but_picture_errors(kind, data):
    broken = bytearray(FILES[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at] = data.draw(st.sampled_from([0, 1, 127, 255, broken[at] ^ 16]))
    try:
        picture = read_picture(bytes(broken), SMALL)
        pixels = pixels_of(picture)
    except PictureError:
        return
    assert pixels.shape == (picture.height, picture.width, picture.channels)
    again = rebuilt(picture, pixels)
    assert again == bytes(broken) or read_picture(again, SMALL).mode == picture.mode


@settings(max_examples=100)
@given(start=st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0+"]), rest=st.binary(max_size=300))
def test_random_bytes_after_a_known_beginning_are_refused(start, rest):
    with pytest.raises(PictureError):
        pixels_of(read_picture(start + rest, SMALL))


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff lzw"])
def test_every_flipped_byte_of_a_container_is_found_out(kind):
    picture = read_picture(FILES[kind])
    pixels = pixels_of(picture)
    for at in range(len(picture.container)):
        damaged = bytearray(picture.container)
        damaged[at] ^= 0x20
        with pytest.raises(IntegrityError):
            rebuild(bytes(damaged), iter([pixels]), io.BytesIO())
    for size in range(0, len(picture.container), 7):
        with pytest.raises(IntegrityError):
            rebuild(picture.container[:size], iter([pixels]), io.BytesIO())


@pytest.mark.parametrize(
    ("name", "mode", "dtype", "bits"),
    [
        ("coffee.png", "RGB", "uint8", 8),
        ("coffee-sideways.jpg", "RGB", "uint8", 8),
        ("coffee-palette.png", "P", "uint8", 8),
        ("coffee-lzw.tif", "RGB", "uint8", 8),
        ("gray/camera.png", "L", "uint8", 8),
        ("gray/camera.tif", "L", "uint8", 8),
        ("gray/horse-1bit.png", "1", "uint8", 1),
        ("nature/cliff.png", "RGB", "uint8", 8),
        ("nature/cliff-16bit.png", "RGB", "uint16", 16),
        ("nature/cliff-16bit.tif", "RGB", "uint16", 16),
        ("nature/tulips-alpha.png", "RGBA", "uint8", 8),
    ],
)
def test_the_samples_are_what_their_table_says_and_come_back(name, mode, dtype, bits):
    data = (SAMPLES / name).read_bytes()
    picture = read_picture(data)
    assert (picture.mode, picture.dtype, picture.bit_depth) == (mode, dtype, bits)
    if picture.format != "jpeg":
        back = rebuilt(picture, pixels_of(picture))
        assert back == data or np.array_equal(pixels_of(read_picture(back)), pixels_of(picture))


def test_the_samples_hold_a_damaged_file_and_one_that_is_no_image():
    with pytest.raises(DamagedPicture, match="truncated"):
        read_picture((SAMPLES / "damaged.png").read_bytes())
    with pytest.raises(UnsupportedPicture, match="not an image"):
        read_picture((SAMPLES / "notes.txt").read_bytes())


HEADERS = [
    {},
    {"format": "gif"},
    {"format": ["png"]},
    {"format": "png", "zlib": [6, 8, 0, 99], "idat": 5},
    {"format": "png", "zlib": [6, 8, 0, 15], "idat": 0},
    {"format": "png", "zlib": "none"},
    {"format": "tiff"},
    {"format": "tiff", "encoder": [6, 8, 0, 15, 0, 9, 7]},
    {"format": "jpeg"},
    {"format": "jpeg", "width": 20, "height": 24, "components": 3, "segments": [4]},
    {"format": "jpeg", "width": 1 << 40, "height": 24, "components": 3, "segments": []},
]


@pytest.mark.parametrize("header", HEADERS, ids=str)
@pytest.mark.parametrize("blobs", [(), (b"", b""), (b"x" * 100, b"y" * 24, b"z" * 24)])
def test_a_sealed_container_with_nonsense_inside_is_an_integrity_error(header, blobs):
    with pytest.raises(IntegrityError):
        rebuild(pack_container(header, *blobs), iter([np.zeros((24, 20, 3), np.uint8)]), io.BytesIO())


def test_a_container_whose_parts_do_not_add_up_is_an_integrity_error():
    header = b'{"format":"png","blobs":[3,%d]}'
    for size in (1, 3, 1 << 40, -3):
        raw = struct.pack("<I", len(header % size)) + header % size + b"12345"
        with pytest.raises(IntegrityError, match="image container"):
            unpack_container(write_frame(b"TC", 1, zstandard.compress(raw)))


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_random_bytes_are_no_container(data):
    with pytest.raises(IntegrityError):
        rebuild(data, iter([]), io.BytesIO())


def test_errors_of_the_pixels_and_of_the_output_pass_unchanged():
    picture = read_picture(FILES["png"])

    def failing():
        yield np.zeros((3, 20, 3), np.uint8)
        raise ZeroDivisionError("from the caller's own iterator")

    with pytest.raises(ZeroDivisionError):
        rebuild(picture.container, failing(), io.BytesIO())
    with Path(os.devnull).open("rb") as read_only, pytest.raises(OSError):
        rebuild(picture.container, picture.read_bands(4), read_only)


@pytest.mark.parametrize("kind", sorted(FILES))
def test_a_band_has_at_least_one_row(kind):
    with pytest.raises(ValueError, match="at least one row"):
        next(read_picture(FILES[kind]).read_bands(0))
