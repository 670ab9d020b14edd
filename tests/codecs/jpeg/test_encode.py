"""From pictures to coefficients: those of the files that libjpeg-turbo makes of the same pictures, to the last one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.support.origins.jpegs import SUBSAMPLING, jpeg_of
from tilepress.codecs.jpeg.encode import encode
from tilepress.codecs.jpeg.file.coefficients import SAMPLINGS, Coefficients
from tilepress.codecs.jpeg.file.foreign import read_foreign
from tilepress.codecs.jpeg.file.tables import quality_tables
from tilepress.codecs.jpeg.forward import quantised_plane
from tilepress.codecs.kernels.cache import KernelCache

SAMPLES = Path(__file__).parents[3] / "infra/samples/images"
QUALITIES = (1, 5, 10, 50, 75, 90, 95, 100)
KINDS = ["gray", *SAMPLINGS]
SIZES = [(width, height) for width in range(1, 41) for height in {width, 41 - width, 7 * width % 40 + 1}]
PICTURES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "noise": lambda rng, shape: rng.integers(0, 256, shape),
    "saturated": lambda rng, shape: rng.choice([0, 255], shape),
    "flat": lambda rng, shape: np.broadcast_to(rng.choice([0, 1, 127, 128, 254, 255], shape[2:]), shape),
    "edges": lambda rng, shape: 255 * (np.add.outer(np.arange(shape[0]), np.arange(shape[1])) // 5 % 2)[..., None],
    "ramp": lambda rng, shape: np.cumsum(rng.integers(0, 12, shape), axis=1) % 256,
}


def libjpeg(pixels: np.ndarray, quality: int, kind: str) -> Coefficients:
    """What libjpeg-turbo makes of a picture: through Pillow or, where that lacks the sampling, through imagecodecs."""
    if kind == "gray" or kind in SUBSAMPLING:
        data = jpeg_of(pixels, quality, kind)
    else:
        data = bytes(imagecodecs.jpeg8_encode(pixels, level=quality, subsampling=kind.replace(":", "")))
    return read_foreign(data).coefficients()


def picture(content: str, width: int, height: int, kind: str, seed: int) -> np.ndarray:
    shape = (height, width, 1 if kind == "gray" else 3)
    made = PICTURES[content](np.random.default_rng(seed), shape)
    return np.ascontiguousarray(np.broadcast_to(made, shape), np.uint8)


def assert_encodes_as_libjpeg(pixels: np.ndarray, quality: int, kind: str) -> None:
    ours, theirs = encode(pixels, quality, SAMPLINGS.get(kind, (2, 2))), libjpeg(pixels, quality, kind)
    assert (ours.width, ours.height, ours.sampling) == (theirs.width, theirs.height, theirs.sampling)
    for some, others in ((ours.tables, theirs.tables), (ours.blocks, theirs.blocks)):
        assert [a.dtype for a in some] == [b.dtype for b in others]
        assert all(np.array_equal(a, b) for a, b in zip(some, others, strict=True)), (pixels.shape, quality, kind)


@pytest.mark.parametrize("content", PICTURES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_size_is_encoded_as_libjpeg_encodes_it(kind: str, content: str) -> None:
    for number, (width, height) in enumerate(SIZES):
        quality = QUALITIES[number % len(QUALITIES)]
        assert_encodes_as_libjpeg(picture(content, width, height, kind, number), quality, kind)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("kind", KINDS)
def test_photographs_are_encoded_as_libjpeg_encodes_them(kind: str, quality: int) -> None:
    for name in ("coffee.png", "nature/cliff.png"):
        with Image.open(SAMPLES / name) as image:
            pixels = np.asarray(image.convert("L" if kind == "gray" else "RGB"))[:251, :243]
        assert_encodes_as_libjpeg(pixels.reshape(*pixels.shape[:2], -1), quality, kind)


@given(
    st.sampled_from(KINDS),
    st.sampled_from(sorted(PICTURES)),
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 100),
    st.integers(0, 2**32),
)
def test_any_picture_at_any_quality_is_encoded_as_libjpeg_encodes_it(kind, content, width, height, quality, seed):
    assert_encodes_as_libjpeg(picture(content, width, height, kind, seed), quality, kind)


def test_every_quality_has_the_tables_that_pillow_writes() -> None:
    pixels = picture("noise", 8, 8, "4:4:4", 1)
    for quality in range(1, 101):
        luma, chroma = quality_tables(quality)
        written = libjpeg(pixels, quality, "4:4:4").tables
        assert all(np.array_equal(a, b) for a, b in zip((luma, chroma, chroma), written, strict=True)), quality


@pytest.mark.parametrize("divisor", [1, 2, 3, 7, 255, 256, 1000, 65535])
def test_quotients_are_rounded_half_away_from_zero(divisor: int) -> None:
    """Of flat blocks, whose only coefficient is eight times the distance from the middle level."""
    levels = np.arange(256)
    plane = levels.astype(np.uint8).repeat(8)[None].repeat(8, axis=0)
    found = quantised_plane(plane, np.full(64, divisor, np.int32))[0]
    exact = 8 * (levels - 128)
    assert found[:, 0].tolist() == (np.sign(exact) * ((2 * abs(exact) + divisor) // (2 * divisor))).tolist()
    assert not found[:, 1:].any()


def test_strides_do_not_matter_and_pictures_that_may_not_be_written_to_need_no_other_kernels() -> None:
    """The kernels are those that `tilepress warm` compiles."""
    encode(np.zeros((9, 9, 3), np.uint8), 50)
    compiled = KernelCache.compiled
    pixels = picture("noise", 40, 24, "4:2:0", 3)
    for shown in (pixels, pixels[:, :, :1]):
        others = [np.asfortranarray(shown), np.repeat(shown, 2, axis=1)[:, ::2], shown.copy()]
        others[-1].flags.writeable = False
        for other in others:
            blocks = zip(encode(shown, 60).blocks, encode(other, 60).blocks, strict=True)
            assert all(np.array_equal(a, b) for a, b in blocks)
    assert KernelCache.compiled == compiled


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 2), (8, 8, 4)])
def test_what_is_no_picture_of_one_or_three_channels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cannot be a JPEG"):
        encode(np.zeros(shape, np.uint8), 50)


def test_samples_of_16_bits_and_planes_of_broken_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="uint16"):
        encode(np.zeros((8, 8, 3), np.uint16), 50)
    with pytest.raises(ValueError, match="no whole blocks"):
        quantised_plane(np.zeros((8, 12), np.uint8), quality_tables(50)[0])
