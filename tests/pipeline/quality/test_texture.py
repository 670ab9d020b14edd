"""The distance of textures: 0 for the same, grows with blur and with noise, and does not mind where texture lies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tilepress.pipeline.quality.texture import texture_distance


def rough(seed: int) -> np.ndarray:
    """A texture of its own each time, uint8 (160, 160, 3), of the same statistics."""
    noise = np.random.default_rng(seed).normal(size=(160, 160, 3))
    smooth = ndimage.gaussian_filter(noise, (1.5, 1.5, 0), mode="wrap")
    return np.clip(128 + 120 * smooth, 0, 255).astype(np.uint8)


def distance(original: np.ndarray, decoded: np.ndarray) -> float:
    found = texture_distance(original, decoded, 255)
    assert found is not None
    return found


def test_the_same_picture_is_at_no_distance() -> None:
    assert distance(rough(1), rough(1)) == pytest.approx(0, abs=1e-5)


def test_blur_and_noise_are_far_and_other_places_of_the_same_texture_are_near() -> None:
    original = rough(1)
    blurs = [distance(original, ndimage.gaussian_filter(original, (s, s, 0))) for s in (0.7, 1.4, 2.8)]
    noisy = np.clip(original + np.random.default_rng(2).normal(0, 12, original.shape), 0, 255).astype(np.uint8)
    assert blurs == sorted(blurs)
    other = distance(original, rough(3))
    assert other < blurs[0] and other < distance(original, noisy)


def test_samples_of_16_bits_and_gray_have_the_same_scale() -> None:
    gray, other = rough(1)[..., :1], rough(4)[..., :1]
    wide = texture_distance(gray.astype(np.uint16) * 257, other.astype(np.uint16) * 257, 65535)
    assert wide == pytest.approx(distance(gray, other))


def test_small_pictures_have_none() -> None:
    assert texture_distance(rough(1)[:64, :64], rough(1)[:64, :64], 255) is None
