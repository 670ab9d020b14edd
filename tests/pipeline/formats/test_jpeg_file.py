"""What a user is promised about JPEG files: the decoder's pixels, and all metadata around a lossy restoration."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.make_images import SIZES, picture_of, pixels_of, rebuilt
from tilepress.pipeline.errors import DamagedPicture, IntegrityError, LimitExceeded, UnsupportedPicture
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.formats.registry import must_be_exact, read_picture

CHANNELS = {"L": 1, "RGB": 3, "CMYK": 4}


def smooth(height: int, width: int, channels: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    planes = [60 + 40 * np.sin((x + y * (k + 1)) / 9) + 20 * k for k in range(channels)]
    return np.stack(planes, -1).astype(np.uint8)


def make_jpeg(samples: np.ndarray, **options: object) -> bytes:
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[samples.shape[2]]
    out = io.BytesIO()
    Image.fromarray(samples[:, :, 0] if mode == "L" else samples, mode).save(out, "JPEG", **options)
    return out.getvalue()


@settings(max_examples=40)
@given(
    mode=st.sampled_from(sorted(CHANNELS)),
    size=SIZES,
    seed=st.integers(0, 1 << 30),
    quality=st.integers(1, 100),
    progressive=st.booleans(),
    rows=st.integers(1, 50),
)
def test_pixels_are_those_of_an_ordinary_decoder(mode, size, seed, quality, progressive, rows):
    data = make_jpeg(picture_of(seed, *size, CHANNELS[mode], 8), quality=quality, progressive=progressive)
    picture = read_picture(data)
    assert (picture.format, picture.mode, picture.dtype, picture.bit_depth) == ("jpeg", mode, "uint8", 8)
    expected = np.asarray(Image.open(io.BytesIO(data))).reshape(*size, CHANNELS[mode])
    assert np.array_equal(pixels_of(picture, rows), expected)
    assert np.array_equal(pixels_of(picture, rows + 1), expected)


@pytest.mark.parametrize("mode", sorted(CHANNELS))
def test_a_lossy_restoration_stays_close_and_keeps_all_metadata(mode):
    samples = smooth(45, 70, CHANNELS[mode])
    exif = Image.Exif()
    exif[0x0112] = 6
    data = make_jpeg(samples, quality=95, exif=exif, icc_profile=b"profile" * 20000, comment="by hand", dpi=(300, 300))
    picture = read_picture(data + b"stray bytes")
    pixels = pixels_of(picture)
    back = rebuilt(picture, pixels)
    restored = Image.open(io.BytesIO(back))
    assert restored.mode == mode
    assert restored.getexif()[0x0112] == 6
    assert restored.info["icc_profile"] == b"profile" * 20000
    assert restored.info["comment"] == b"by hand"
    assert back.endswith(b"\xff\xd9stray bytes")
    again = pixels_of(read_picture(back))
    assert np.abs(again.astype(int) - pixels).max() <= 4


@pytest.mark.parametrize("colorspace", ["RGB", "YCCK", "CMYK"])
def test_unusual_colour_transforms_survive_a_lossy_restoration(colorspace):
    channels = 3 if colorspace == "RGB" else 4
    samples = smooth(24, 40, channels)
    data = imagecodecs.jpeg8_encode(
        samples, level=98, colorspace="RGB" if channels == 3 else "CMYK", outcolorspace=colorspace, subsampling="444"
    )
    pixels = pixels_of(read_picture(data))
    decoded = imagecodecs.jpeg8_decode(data)
    assert np.array_equal(pixels, decoded if channels == 3 else 255 - decoded)
    back = rebuilt(read_picture(data), pixels)
    assert np.abs(pixels_of(read_picture(back)).astype(int) - pixels).max() <= 6


@pytest.mark.parametrize("components", [b"\1\2\3", b"RGB"])
@pytest.mark.parametrize("size", range(17))
def test_a_jfif_segment_of_any_length_means_what_it_means_to_libjpeg(size, components):
    data = _with_component_names(make_jpeg(smooth(24, 40, 3), quality=90), components)
    first = 4 + int.from_bytes(data[4:6])
    content = b"JFIF\0\1\1\0\0\1\0\1\0\0\0\0"[:size]
    data = data[:2] + b"\xff\xe0" + struct.pack(">H", 2 + size) + content + data[first:]
    assert np.array_equal(pixels_of(read_picture(data), 7), imagecodecs.jpeg8_decode(data))


def _with_component_names(data: bytes, names: bytes) -> bytes:
    """Name the components in frame and scan header; libjpeg takes R, G and B for RGB where no JFIF segment is."""
    changed = bytearray(data)
    frame, scan = data.index(b"\xff\xc0\0\x11"), data.index(b"\xff\xda\0\x0c")
    changed[frame + 10 : frame + 19 : 3] = names
    changed[scan + 5 : scan + 11 : 2] = names
    return bytes(changed)


@pytest.mark.parametrize("colorspace", ["CMYK", "YCCK"])
@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_samples_are_255_less_what_the_file_stores(colorspace, adobe):
    data = imagecodecs.jpeg8_encode(smooth(24, 40, 4), 90, colorspace="CMYK", outcolorspace=colorspace)
    if not adobe:
        at = data.index(b"\xff\xee\0\x0eAdobe")
        data = data[:at] + data[at + 16 :]
    picture = read_picture(data)
    assert picture.mode == "CMYK"
    assert np.array_equal(pixels_of(picture, 7), 255 - imagecodecs.jpeg8_decode(data, outcolorspace="CMYK"))


def test_a_file_cut_off_anywhere_is_damaged():
    data = make_jpeg(smooth(64, 64, 3), quality=90, progressive=True)
    for size in (3, 30, len(data) // 2, len(data) - 1):
        with pytest.raises(DamagedPicture):
            pixels_of(read_picture(data[:size]))


def _with_frame(data: bytes, marker: int, bits: int) -> bytes:
    at = data.index(b"\xff\xc0")
    return data[: at + 1] + bytes([marker]) + data[at + 2 : at + 4] + bytes([bits]) + data[at + 5 :]


def test_kinds_that_would_lose_something_are_refused():
    data = make_jpeg(smooth(16, 16, 3))
    for wrong, reason in [
        (_with_frame(data, 0xC1, 12), "12-bit"),
        (_with_frame(data, 0xC9, 8), "arithmetic"),
        (_with_frame(data, 0xC3, 8), "lossless"),
    ]:
        with pytest.raises(UnsupportedPicture, match=reason):
            read_picture(wrong)


def test_an_index_of_several_pictures_describes_the_bytes_of_its_file():
    data = make_jpeg(smooth(16, 16, 3))
    several = data[:2] + b"\xff\xe2\0\x08MPF\0\0\0" + data[2:] + data
    assert "several pictures" in read_picture(several).describes_bytes
    assert np.array_equal(pixels_of(read_picture(several)), pixels_of(read_picture(data)))
    assert must_be_exact(read_picture(several).container)


def test_limits_are_checked_before_anything_is_decoded():
    data = make_jpeg(smooth(16, 16, 3))
    at = data.index(b"\xff\xc0") + 5
    bomb = data[:at] + struct.pack(">HH", 60000, 60000) + data[at + 4 :]
    with pytest.raises(LimitExceeded, match="60000 x 60000"):
        read_picture(bomb)
    with pytest.raises(LimitExceeded):
        read_picture(data, Limits(max_whole_bytes=767))
    with pytest.raises(LimitExceeded, match="scans"):
        read_picture(data[:-2] + b"\xff\xda\0\x08\1\1\0\0\x3f\0\0" * 300 + b"\xff\xd9")


def test_pixels_that_do_not_fit_the_container_are_refused():
    picture = read_picture(make_jpeg(smooth(16, 16, 3)))
    for wrong in [(15, 16, 3), (17, 16, 3), (16, 16, 1)]:
        with pytest.raises(IntegrityError):
            rebuilt(picture, np.zeros(wrong, np.uint8))
