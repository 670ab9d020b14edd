"""A JPEG file's picture as PNG: what the JPEG says about its pixels goes with them, as Pillow reads it."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from tilepress.pipeline.formats.jpeg.markers import Scanner
from tilepress.pipeline.formats.png.of_jpeg import write_png

COLOUR = np.random.default_rng(1).integers(0, 256, (30, 41, 3), np.uint8)
GRAY = COLOUR[:, :, :1]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_PROFILE = PROFILE[:16] + b"GRAY" + PROFILE[20:]
ICC, XMP = b"ICC_PROFILE\0", b"http://ns.adobe.com/xap/1.0/\0"


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jfif(unit: int, across: int, down: int) -> bytes:
    return segment(0xE0, b"JFIF\0\1\1" + struct.pack(">BHHBB", unit, across, down, 0, 0))


def png_of(*metadata: bytes, pixels: np.ndarray = COLOUR) -> Image.Image:
    """The PNG file, read by Pillow; its pixels have proved right."""
    file = io.BytesIO()
    write_png(pixels, metadata, file)
    image = Image.open(file)
    np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    return image


def test_what_pillow_writes_into_a_jpeg_comes_out_of_the_png() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a title"
    file = io.BytesIO()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    facts = {"icc_profile": PROFILE, "exif": exif, "dpi": (300, 150), "xmp": xmp, "comment": b"left out"}
    Image.fromarray(COLOUR).save(file, "JPEG", **facts)
    image = png_of(*Scanner(file.getvalue()).scan().metadata)
    assert image.info["icc_profile"] == PROFILE and dict(image.getexif()) == dict(exif)
    assert image.info["dpi"] == pytest.approx((300, 150), rel=1e-3)
    assert image.info["XML:com.adobe.xmp"] == xmp.decode() and "comment" not in image.info


def test_without_metadata_there_is_none() -> None:
    assert png_of().info == {} == png_of(pixels=GRAY).info


def test_a_profile_in_pieces_is_joined_in_their_order() -> None:
    first, second = (
        segment(0xE2, ICC + bytes([n, 2]) + PROFILE[at]) for n, at in ((1, slice(300)), (2, slice(300, None)))
    )
    for order in ((first, second), (second, first)):
        assert png_of(*order).info["icc_profile"] == PROFILE
    for wrong in ((first,), (first, first), (first, second, second), (segment(0xE2, ICC + b"\1"),)):
        assert "icc_profile" not in png_of(*wrong).info


def test_a_profile_for_other_colours_is_left_out() -> None:
    colour, gray = (segment(0xE2, ICC + b"\1\1" + profile) for profile in (PROFILE, GRAY_PROFILE))
    assert png_of(gray, pixels=GRAY).info["icc_profile"] == GRAY_PROFILE
    assert "icc_profile" not in png_of(gray).info and "icc_profile" not in png_of(colour, pixels=GRAY).info


def test_resolution_is_that_of_the_jfif_segment() -> None:
    assert png_of(jfif(1, 72, 72)).info["dpi"] == pytest.approx((72, 72), rel=1e-3)
    assert png_of(jfif(2, 100, 50)).info["dpi"] == pytest.approx((254, 127), rel=1e-3)
    assert png_of(jfif(0, 2, 1)).info["aspect"] == (2, 1)
    for nothing in (jfif(0, 1, 1), jfif(1, 0, 72), jfif(3, 72, 72)):
        assert png_of(nothing).info == {}


def test_of_exif_and_xmp_the_first_counts_and_what_is_none_is_left_out() -> None:
    tiff = Image.Exif()
    tiff[0x0112] = 8
    exif = segment(0xE1, tiff.tobytes())
    texts = [segment(0xE1, XMP + each) for each in (b"<one/>", b"<two/>")]
    image = png_of(segment(0xE1, b"Exif\0\0no TIFF"), exif, *texts)
    assert image.getexif()[0x0112] == 8 and image.info["XML:com.adobe.xmp"] == "<one/>"
