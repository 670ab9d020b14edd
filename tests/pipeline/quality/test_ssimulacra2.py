"""SSIMULACRA 2, against the package of that name, to 0.01."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import ssimulacra2 as package
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.pipeline.quality.ssimulacra2 import ssimulacra2

SAMPLES = Path(__file__).parents[3] / "infra" / "samples" / "images"
PHOTOS = [SAMPLES / "coffee.png", *sorted((SAMPLES / "nature").glob("*.png"))[:2]]
NEAR = 0.01


def theirs(original: np.ndarray, decoded: np.ndarray, folder: Path) -> float:
    """The package's figure: it takes files of 8 bits."""
    paths = [folder / f"{name}.png" for name in ("original", "decoded")]
    for path, pixels in zip(paths, (original, decoded), strict=True):
        Image.fromarray(pixels.squeeze(axis=2) if pixels.shape[2] == 1 else pixels).save(path)
    return float(package.compute_ssimulacra2(*map(str, paths)))


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(pixels.squeeze(axis=2) if pixels.shape[2] == 1 else pixels).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out)).reshape(pixels.shape)


def noisy(pixels: np.ndarray, sigma: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [10, 50, 90, 100])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_on_photographs_the_figure_is_the_package_s(tmp_path: Path, quality: int, mode: str) -> None:
    for path in PHOTOS:
        with Image.open(path) as image:
            image.thumbnail((300, 300))
            original = np.atleast_3d(np.asarray(image.convert(mode)))
        decoded = jpeg(original, quality)
        assert ssimulacra2(original, decoded, 255) == pytest.approx(theirs(original, decoded, tmp_path), abs=NEAR)


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 80), st.integers(8, 80), st.sampled_from([1, 3]), st.integers(0, 99), st.floats(0.3, 60))
def test_pictures_of_any_size_have_the_package_s_figure(tmp_path_factory, height, width, channels, seed, sigma) -> None:
    spec = TileSpec(height, width, channels, "uint8", 8, "gray" if channels == 1 else "rgb")
    original = picture(spec, seed=seed)[0]
    decoded = noisy(original, sigma, seed)
    expected = theirs(original, decoded, tmp_path_factory.mktemp("pair"))
    assert ssimulacra2(original, decoded, 255) == pytest.approx(expected, abs=NEAR)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 1), (120, 130), (250, 255)])
def test_so_have_noise_and_flat_pictures(tmp_path: Path, low: int, high: int) -> None:
    original, decoded = np.random.default_rng(2).integers(low, high + 1, (2, 97, 61, 3)).astype(np.uint8)
    for other in (decoded, np.full_like(original, low), original[::-1]):
        assert ssimulacra2(original, other, 255) == pytest.approx(theirs(original, other, tmp_path), abs=NEAR)


def test_samples_of_16_bits_have_the_figure_of_8_on_the_same_scale() -> None:
    original = picture(TileSpec(90, 70, 3, "uint8", 8, "rgb"))[0]
    decoded = noisy(original, 4)
    wide = ssimulacra2(original.astype(np.uint16) * 257, decoded.astype(np.uint16) * 257, 65535)
    assert wide == pytest.approx(ssimulacra2(original, decoded, 255), abs=1e-4)


def test_finer_errors_than_8_bits_have_are_seen() -> None:
    original = picture(TileSpec(90, 70, 1, "uint16", 16, "gray"))[0] // 2
    small, smaller = (
        ssimulacra2(original, original + step * (np.indices(original.shape).sum(0) % 2).astype(np.uint16), 65535)
        for step in (100, 10)
    )
    assert small is not None and smaller is not None and small < smaller < 100


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_left_out(channels: int) -> None:
    kind = "gray" if channels == 2 else "rgb"
    original = picture(TileSpec(40, 50, channels - 1, "uint8", 8, kind))[0]
    decoded = noisy(original, 5)
    alphas = np.random.default_rng(4).integers(0, 256, (2, 40, 50, 1)).astype(np.uint8)
    both = [np.concatenate(pair, axis=2) for pair in ((original, alphas[0]), (decoded, alphas[1]))]
    assert ssimulacra2(*both, 255) == ssimulacra2(original, decoded, 255)


def test_equal_pictures_have_100_and_tiny_ones_none() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    assert ssimulacra2(pixels, pixels.copy(), 255) == 100
    assert ssimulacra2(pixels[:7], pixels[:7], 255) is None


def test_pictures_of_different_kinds_are_refused() -> None:
    pixels = np.zeros((9, 9, 3), np.uint8)
    for other in (pixels[:8], pixels.astype(np.uint16), pixels[..., 0]):
        with pytest.raises(ValueError, match="cannot be compared"):
            ssimulacra2(pixels, other, 255)
    with pytest.raises(ValueError, match="uint8 or uint16"):
        ssimulacra2(pixels.astype(float), pixels.astype(float), 255)
