"""The yardsticks: every kind of picture that they say they take comes back, the nearer the more bytes it costs."""

from __future__ import annotations

import io
from typing import cast

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.make_collection import picture
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.codecs.registry import YARDSTICKS, yardstick_class
from tilepress.codecs.yardsticks.base import Yardstick
from tilepress.codecs.yardsticks.jpegxl import distance_of
from tilepress.pipeline.coding.tile_coding import psnr

KINDS = [
    (name, bits, planes)
    for name in YARDSTICKS
    for bits in (8, 10, 11, 12, 16)
    for planes in (1, 3)
    if bits in cast(type[Yardstick], yardstick_class(name)).depths
]


def spec_of(image: np.ndarray, bits: int) -> TileSpec:
    height, width, channels = image.shape
    return TileSpec(
        height, width, channels, "uint8" if bits == 8 else "uint16", bits, "gray" if channels == 1 else "rgb"
    )


@pytest.mark.parametrize(("name", "bits", "planes"), KINDS)
def test_a_picture_comes_back_nearer_for_more_bytes(name: str, bits: int, planes: int) -> None:
    image = picture(75, 64, planes, bits=bits)
    codec, spec, found = yardstick_class(name)(), spec_of(image, bits), []
    for quality in (30, 60, 90):
        (stream,) = codec.encode(image[None], spec, Settings(quality))
        decoded = codec.decode([stream], spec)[0]
        assert decoded.dtype == image.dtype and decoded.shape == image.shape and decoded.max() <= spec.maximum
        found.append((len(stream), psnr(image, decoded, spec.maximum) or 99.0))
    assert found == sorted(found) and found[-1][1] > 30


@pytest.mark.parametrize("name", YARDSTICKS)
@settings(max_examples=12, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from((1, 3)), st.integers(1, 100))
def test_any_size_and_quality_is_coded(name: str, height: int, width: int, planes: int, quality: int) -> None:
    image = picture(height, width, planes)
    codec, spec = yardstick_class(name)(), spec_of(image, 8)
    assert codec.decode(codec.encode(image[None], spec, Settings(quality)), spec)[0].shape == image.shape


def test_bytes_are_those_of_the_smallest_stream_that_other_programs_read() -> None:
    image = picture(64, 48, 3)
    spec = spec_of(image, 8)
    (webp,) = yardstick_class("webp")().encode(image[None], spec, Settings(75))
    by_pillow = io.BytesIO()
    Image.fromarray(image).save(by_pillow, "WEBP", quality=75, method=4)
    assert abs(len(webp) - len(by_pillow.getvalue())) <= 2
    with Image.open(io.BytesIO(yardstick_class("avif")().encode(image[None], spec, Settings(75))[0])) as read:
        assert read.size == (48, 64)
    (bare,) = yardstick_class("jpeg2000")().encode(image[None], spec, Settings(60))
    assert len(bare) < len(imagecodecs.jpeg2k_encode(image, level=40, codecformat="jp2", reversible=False))


def test_jpeg_2000_aims_at_the_psnr_that_its_quality_means() -> None:
    image = picture(200, 160, 3)
    codec, spec = yardstick_class("jpeg2000")(), spec_of(image, 8)
    for quality in (20, 50, 80):
        decoded = codec.decode(codec.encode(image[None], spec, Settings(quality)), spec)[0]
        assert psnr(image, decoded, 255) == pytest.approx(25 + quality / 4, abs=1.5)


def test_qualities_of_jpeg_xl_are_those_of_cjxl() -> None:
    assert [distance_of(quality) for quality in (90, 30, 100)] == pytest.approx([1.0, 6.4, 0.1])
    assert distance_of(1) == pytest.approx(23.868, abs=1e-3)
    assert all(distance_of(q) > distance_of(q + 1) for q in range(1, 100))


@pytest.mark.parametrize("name", ["webp", "avif", "jpegxl-lossy"])
def test_effort_makes_files_smaller(name: str) -> None:
    image = picture(160, 160, 3)
    codec, spec = yardstick_class(name)(), spec_of(image, 8)
    fast, small = (len(codec.encode(image[None], spec, Settings(70, effort))[0]) for effort in (1, 9))
    assert small < fast


@pytest.mark.parametrize("name", YARDSTICKS)
def test_what_a_format_lacks_is_refused(name: str) -> None:
    codec = yardstick_class(name)()
    assert not codec.supports(TileSpec(8, 8, 4, "uint8", 8, "rgb"))  # alpha
    assert not codec.supports(TileSpec(8, 8, 1, "uint8", 8, "indexed"))
    assert codec.supports(TileSpec(8, 8, 1, "uint16", 16, "gray")) == (name in ("jpeg2000", "jpegxl-lossy"))
    image = np.zeros((8, 8, 4), np.uint8)
    with pytest.raises(UnsupportedError):
        codec.encode(image[None], TileSpec(8, 8, 4, "uint8", 8, "rgb"))
    with pytest.raises(StreamError, match=f"{name} stream"):
        codec.decode([b"nothing of the kind"], TileSpec(8, 8, 3, "uint8", 8, "rgb"))
