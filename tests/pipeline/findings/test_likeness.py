"""The perceptual hash: stable for ever, deaf to what people do not see, and different for different pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.pipeline.findings.likeness import FLAT, hamming, perceptual_hash

RGB = TileSpec(192, 240, 3, "uint8", 8, "rgb")
PICTURE = picture(RGB, seed=5)[0]


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out))


def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def test_hashes_are_the_same_on_every_machine_and_in_every_version() -> None:
    made = np.random.default_rng(0).integers(0, 65536, (50, 70, 3), np.uint16)
    y, x = np.mgrid[:40, :33]
    assert perceptual_hash(made, 16) == 0xC45621D515A6BCF5
    assert perceptual_hash((y * y + 3 * x).astype(np.uint16), 12) == 0x3A0CEEE5D6B0A0AD


@pytest.mark.parametrize(
    "changed",
    [
        jpeg(PICTURE, 30),
        resized(PICTURE, 120, 96),
        resized(PICTURE, 500, 333),
        np.clip(PICTURE.astype(int) + 20, 0, 255).astype(np.uint8),
        (PICTURE * 0.8).astype(np.uint8),
        np.concatenate([PICTURE, PICTURE[..., :1]], axis=2),
        np.asarray(Image.fromarray(PICTURE).convert("L")),
    ],
)
def test_what_looks_the_same_differs_in_few_bits(changed: np.ndarray) -> None:
    assert hamming(perceptual_hash(PICTURE, 8), perceptual_hash(changed, 8)) <= 6


def test_16_bits_have_the_hash_of_8() -> None:
    assert perceptual_hash(PICTURE.astype(np.uint16) * 257, 16) == perceptual_hash(PICTURE, 8)


def test_different_pictures_differ_in_about_half_of_the_bits() -> None:
    hashes = [perceptual_hash(picture(RGB, seed=seed)[0], 8) for seed in range(12)]
    apart = [hamming(one, other) for number, one in enumerate(hashes) for other in hashes[:number]]
    assert min(apart) > 12 and 26 < np.mean(apart) < 38


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32), st.booleans())
def test_pictures_of_any_size_have_a_hash_of_32_set_bits_or_are_flat(height, width, seed, wide) -> None:
    dtype = np.uint16 if wide else np.uint8
    made = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width)).astype(dtype)
    found = perceptual_hash(made, 8 * made.itemsize)
    assert found == perceptual_hash(made[..., None], 8 * made.itemsize)
    assert found == FLAT or 1 <= found.bit_count() <= 32


@pytest.mark.parametrize("value", [0, 100, 255])
def test_pictures_without_contrast_are_flat(value: int) -> None:
    noise = np.random.default_rng(3).integers(-1, 2, (300, 200))
    assert perceptual_hash(np.clip(noise + value, 0, 255).astype(np.uint8), 8) == FLAT


def test_large_pictures_are_thinned_out_and_keep_their_hash() -> None:
    large = PICTURE.repeat(25, axis=0).repeat(25, axis=1)
    assert hamming(perceptual_hash(large, 8), perceptual_hash(PICTURE, 8)) <= 6
