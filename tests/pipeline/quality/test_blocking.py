"""PSNR-B by the formulas of its article: borders of blocks cost, and nothing else does."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.pipeline.quality.blocking import blocking_effect, psnr_b
from tilepress.pipeline.quality.metrics import distortion

GRAY = TileSpec(64, 80, 1, "uint8", 8, "gray")


def steps(height: int, width: int, first: int = 8) -> np.ndarray:
    """Columns of one level, and ten levels more from the column `first` on: uint8 (height, width, 1)."""
    return np.broadcast_to(np.where(np.arange(width) < first, 100, 110).astype(np.uint8)[:, None], (height, width, 1))


def blocks_of(plane: np.ndarray) -> np.ndarray:
    """The means of blocks of 8 x 8."""
    height, width, _ = plane.shape
    means = plane.reshape(height // 8, 8, width // 8, 8).mean(axis=(1, 3)).round()
    return means.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)[..., None]


def test_a_step_between_blocks_costs_what_the_article_says() -> None:
    """16 x 16: 16 of 2 * 16 pairs of two blocks differ, by 100 squared levels; of 2 * 16 * 14 pairs of one, none does.

    So D_B = 50, D_C = 0, and log2(8) / log2(16) of it count.
    """
    assert blocking_effect(steps(16, 16)[..., 0]) == 37.5
    assert psnr_b(steps(16, 16), steps(16, 16), 255) == pytest.approx(10 * math.log10(255**2 / 37.5))
    assert psnr_b(steps(16, 16) - 1, steps(16, 16), 255) == pytest.approx(10 * math.log10(255**2 / 38.5))


def test_a_step_within_blocks_costs_nothing() -> None:
    plane = steps(16, 16, first=7)
    assert blocking_effect(plane[..., 0]) == 0
    assert psnr_b(plane, plane, 255) is None
    assert psnr_b(plane - 1, plane, 255) == pytest.approx(10 * math.log10(255**2))


def test_pairs_are_counted_as_the_article_counts_them_also_beside_broken_blocks() -> None:
    """24 x 20: 24 (20 / 8 - 1) + 20 (24 / 8 - 1) = 76 pairs of two blocks; 24 of them differ, by 100 squared levels."""
    assert blocking_effect(steps(24, 20)[..., 0]) == pytest.approx(math.log2(8) / math.log2(20) * 2400 / 76)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40))
def test_psnr_b_is_psnr_where_borders_of_blocks_differ_no_more_than_the_rest(seed: int, height: int, width: int):
    rng = np.random.default_rng(seed)
    decoded, original = rng.integers(0, 256, (2, height, width, 1)).astype(np.uint8)
    plain, found = distortion(original, decoded, 255).psnr, psnr_b(original, decoded, 255)
    effect = blocking_effect(decoded[..., 0])
    assert effect >= 0
    if effect == 0:
        assert found == (None if plain is None else pytest.approx(plain))
    else:
        assert found is not None and (plain is None or found < plain)


def test_blocks_cost_more_than_the_same_error_without_them() -> None:
    original = picture(GRAY, seed=3)[0]
    blocky = blocks_of(original)
    error = distortion(original, blocky, 255)
    noise = np.random.default_rng(1).normal(0, math.sqrt(error.mse), original.shape)
    noisy = np.clip(np.rint(original + noise), 0, 255).astype(np.uint8)
    by_blocks, by_noise = (psnr_b(original, decoded, 255) for decoded in (blocky, noisy))
    assert by_blocks is not None and by_noise is not None and error.psnr is not None
    assert by_blocks < error.psnr - 1 < by_noise


def test_jpeg_has_more_of_it_the_coarser_it_is() -> None:
    original = picture(GRAY, seed=3)[0]
    effects = []
    for quality in (5, 20, 60, 95):
        out = io.BytesIO()
        Image.fromarray(original[..., 0]).save(out, "JPEG", quality=quality)
        with Image.open(out) as image:
            effects.append(blocking_effect(np.asarray(image)))
    assert effects == sorted(effects, reverse=True) and effects[0] > 1


def test_rows_and_columns_are_alike_and_planes_are_averaged() -> None:
    plane = blocks_of(picture(GRAY, seed=4)[0])
    assert blocking_effect(plane[..., 0]) == pytest.approx(blocking_effect(plane[..., 0].T))
    flat = np.full_like(plane, 7)
    both, other = np.concatenate([plane, flat], axis=2), np.concatenate([plane + 2, flat], axis=2)
    expected = 10 * math.log10(255**2 / (blocking_effect(plane[..., 0]) / 2 + 2))
    assert psnr_b(other, both, 255) == pytest.approx(expected)


def test_samples_of_16_bits_have_the_same_scale() -> None:
    plane = blocks_of(picture(GRAY, seed=4)[0])
    wide = psnr_b((plane + 1).astype(np.uint16) * 257, plane.astype(np.uint16) * 257, 65535)
    assert wide == pytest.approx(psnr_b(plane + 1, plane, 255))


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (8, 64), (64, 3)])
def test_planes_of_one_block_across_or_down_have_no_blocking_effect(shape: tuple[int, int]) -> None:
    assert blocking_effect(np.random.default_rng(1).integers(0, 256, shape)) == 0


def test_pictures_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        psnr_b(np.zeros((9, 9, 1), np.uint8), np.zeros((9, 9, 3), np.uint8), 255)
