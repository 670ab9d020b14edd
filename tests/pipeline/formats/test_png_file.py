"""What a user is promised about PNG files: every sample, every chunk, and mostly every byte."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tests.support.make_images import (
    PNG_KINDS,
    SIZES,
    assert_comes_back,
    make_png,
    picture_of,
    pixels_of,
    png_chunk,
    rebuilt,
)
from tilepress.pipeline.errors import DamagedPicture, IntegrityError, LimitExceeded, UnsupportedPicture
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.formats.registry import read_picture

GAMMA = png_chunk(b"gAMA", struct.pack(">I", 22000))
GRAY_KEY = png_chunk(b"tRNS", b"\0\7")
TEXT = png_chunk(b"tEXt", b"Comment\0after the pixels")


@settings(max_examples=120)
@given(
    kind=st.sampled_from(sorted(PNG_KINDS)),
    size=SIZES,
    seed=st.integers(0, 1 << 30),
    interlaced=st.booleans(),
    level=st.integers(0, 9),
    idat=st.sampled_from([1, 100, 8192, 1 << 16]),
    rows=st.integers(1, 50),
)
def test_every_kind_of_png_comes_back_sample_by_sample(kind, size, seed, interlaced, level, idat, rows):
    mode, channels = PNG_KINDS[kind]
    samples = picture_of(seed, *size, channels, kind[1])
    data = make_png(samples, *kind, seed=seed, interlaced=interlaced, level=level, idat=idat, before=GAMMA, after=TEXT)
    picture, back = assert_comes_back(data, samples, rows)
    assert (picture.format, picture.mode, picture.bit_depth) == ("png", mode, kind[1])
    assert GAMMA in back and TEXT in back


@pytest.mark.parametrize("level", [1, 3, 6, 9])
@pytest.mark.parametrize("kind", [(0, 8), (2, 8), (2, 16), (3, 4)])
def test_a_png_written_by_zlib_comes_back_byte_for_byte(kind, level):
    samples = picture_of(3, 40, 70, PNG_KINDS[kind][1], kind[1])
    data = make_png(samples, *kind, level=level, idat=333, after=TEXT, trailer=b"stray bytes")
    _, back = assert_comes_back(data, samples)
    assert back == data


def test_gamma_and_transparency_never_change_a_sample():
    samples = picture_of(1, 9, 11, 1, 8)
    data = make_png(samples, 0, 8, before=GAMMA + GRAY_KEY)
    picture, back = assert_comes_back(data, samples)
    assert picture.mode == "L"
    assert back == data


def test_sixteen_bit_rgb_keeps_its_low_bytes():
    samples = picture_of(5, 30, 20, 3, 16)
    picture, _ = assert_comes_back(imagecodecs.png_encode(samples), samples)
    assert (picture.dtype, picture.bit_depth, picture.mode) == ("uint16", 16, "RGB")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pngs_of_pillow_come_back_with_their_metadata(mode):
    gray = Image.fromarray(picture_of(2, 33, 21, 1, 8)[:, :, 0])
    image = Image.fromarray(picture_of(2, 33, 21, 1, 16)[:, :, 0]) if mode == "I;16" else gray.convert(mode)
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "an archivist")
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, "PNG", dpi=(300, 300), icc_profile=b"profile" * 99, pnginfo=info, exif=exif)
    samples = np.asarray(image)
    expected = samples.reshape(33, 21, -1).astype(np.uint16 if mode == "I;16" else np.uint8)
    _, back = assert_comes_back(out.getvalue(), expected)
    restored = Image.open(io.BytesIO(back))
    assert restored.info["Author"] == "an archivist"
    assert restored.info["icc_profile"] == b"profile" * 99
    assert restored.getexif()[0x0112] == 6
    assert round(restored.info["dpi"][0]) == 300


def test_without_byte_exactness_pixels_and_metadata_still_come_back():
    samples = picture_of(3, 40, 70, 3, 8)
    picture = read_picture(make_png(samples, 2, 8, after=TEXT), byte_exact=False)
    back = rebuilt(picture, pixels_of(picture))
    assert TEXT in back
    assert np.array_equal(pixels_of(read_picture(back)), samples)


def test_a_container_of_other_pixels_still_makes_a_valid_png():
    samples = picture_of(3, 40, 70, 3, 8)
    other = 255 - samples
    back = rebuilt(read_picture(make_png(samples, 2, 8, idat=50)), other)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(back))), other)


@pytest.mark.parametrize("byte_exact", [False, True])
def test_pngs_of_many_bands_come_back(byte_exact):
    """Larger than the pieces in which files are inflated, filtered and deflated."""
    samples = picture_of(4, 1500, 900, 3, 8)
    data = imagecodecs.png_encode(samples, level=6)
    picture = read_picture(data, byte_exact=byte_exact)
    assert np.array_equal(pixels_of(picture, 333), samples)
    back = rebuilt(picture, samples, 77)
    assert back == data or not byte_exact
    assert np.array_equal(imagecodecs.png_decode(back), samples)


def test_the_container_is_small():
    picture = read_picture(make_png(picture_of(0, 40, 70, 3, 8), 2, 8))
    assert len(picture.container) < 200


def test_bands_can_be_read_again_from_the_top():
    samples = picture_of(0, 40, 7, 3, 8)
    picture = read_picture(make_png(samples, 2, 8))
    next(picture.read_bands(3))
    assert np.array_equal(pixels_of(picture, 7), samples)
    assert np.array_equal(pixels_of(picture, 40), samples)


def test_animated_pngs_are_not_reduced_to_one_frame():
    control = png_chunk(b"acTL", struct.pack(">II", 2, 0))
    with pytest.raises(UnsupportedPicture, match="animated"):
        read_picture(make_png(picture_of(0, 4, 4, 1, 8), 0, 8, before=control))


def test_pixel_data_longer_than_the_image_are_not_dropped():
    samples = picture_of(0, 8, 8, 1, 8)
    longer = make_png(samples, 0, 8)
    shorter = longer[:20] + struct.pack(">I", 7) + longer[24:29]
    shorter += struct.pack(">I", zlib.crc32(shorter[12:29])) + longer[33:]
    with pytest.raises(UnsupportedPicture, match="longer"):
        read_picture(shorter)


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_damage_is_named():
    data = make_png(picture_of(0, 20, 20, 3, 8), 2, 8)
    pixels = data.index(b"IDAT")
    for broken, reason in [
        (data[:-1], "truncated"),
        (data[:-12], "truncated"),
        (data[: pixels + 50], "truncated"),
        (_flipped(data, 17), "checksum"),
        (_flipped(data, pixels + 20), "checksum"),
        (data[: pixels - 4] + png_chunk(b"IEND", b""), "no pixel data"),
        (data.replace(b"\r\n", b"\n", 1), "signature"),
    ]:
        with pytest.raises(DamagedPicture, match=reason):
            read_picture(broken)


def test_a_stream_that_ends_early_is_damage():
    rows = b"\0" * 50
    start = make_png(picture_of(0, 8, 8, 1, 8), 0, 8)[:33]
    for data in (zlib.compress(rows), zlib.compress(b"\0" * 72)[:-5], b"", b"junk"):
        with pytest.raises(DamagedPicture):
            read_picture(start + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b""))


def test_limits_are_checked_before_anything_is_inflated():
    data = make_png(picture_of(0, 20, 20, 1, 8), 0, 8)
    bomb = data[:16] + struct.pack(">II", 60000, 60000) + data[24:29]
    bomb += struct.pack(">I", zlib.crc32(bomb[12:29])) + data[33:]
    with pytest.raises(LimitExceeded, match="60000 x 60000"):
        read_picture(bomb)
    with pytest.raises(LimitExceeded):
        read_picture(data, Limits(max_pixels=399))
    with pytest.raises(LimitExceeded, match="interlaced"):
        read_picture(make_png(picture_of(0, 20, 20, 1, 8), 0, 8, interlaced=True), Limits(max_whole_bytes=399))


def test_pixels_that_do_not_fit_the_container_are_refused():
    picture = read_picture(make_png(picture_of(0, 20, 20, 3, 8), 2, 8))
    for wrong in [(19, 20, 3), (21, 20, 3), (20, 21, 3), (20, 20, 4)]:
        with pytest.raises(IntegrityError):
            rebuilt(picture, np.zeros(wrong, np.uint8))
    with pytest.raises(IntegrityError):
        rebuilt(picture, np.zeros((20, 20, 3), np.uint16))


def test_a_stream_that_no_zlib_wrote_is_deflated_no_harder_than_its_header_says() -> None:
    samples = picture_of(4, 160, 200, 3, 8)  # whose rows are too many for the settings to be looked for when it is read
    taken = {}
    for level in (1, 6):
        data = make_png(samples, 2, 8, level=level)
        at = data.index(b"IDAT")
        (size,) = struct.unpack(">I", data[at - 4 : at])
        rows = zlib.decompress(data[at + 4 : at + 4 + size])
        packer = zlib.compressobj(level)
        halves = packer.compress(rows[:1000]) + packer.flush(zlib.Z_FULL_FLUSH) + packer.compress(rows[1000:])
        stream = halves + packer.flush()
        foreign = data[: at - 4] + png_chunk(b"IDAT", stream) + png_chunk(b"IEND", b"")
        _, back = assert_comes_back(foreign, samples)
        taken[level] = len(back)
        assert back != foreign and back[at + 4 : at + 6] == stream[:2]
    assert taken[1] > taken[6]
