"""Corrected coefficients never leave the cells of their quantisation, and neither do the samples made of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.jpeg.file.tables import CHROMA, LUMA, standard_table
from tilepress.codecs.jpeg.forward import quantised_plane
from tilepress.codecs.learned.dncnn.cells import (
    FRACTION,
    Corrections,
    plain_blocks,
    recoded,
    restored_blocks,
    samples_of,
    within,
)

MARGINS = (8, 16, 24, 40)
MOST = (1 << 53) - 1  # that comes out of an integer network


def levels_and_table(seed: int, quality: int, count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Of blocks like those of photographs, noise and drawings, as libjpeg makes them."""
    rng = np.random.default_rng(seed)
    smooth = picture(TileSpec(8, 8, 1, "uint8", 8, "gray"), count, seed)[..., 0].astype(np.int64)
    noise = rng.normal(0, rng.choice([0, 3, 40], (count, 1, 1)), smooth.shape)
    blocks = np.where(rng.random((count, 1, 1)) < 0.2, rng.choice([0, 255], smooth.shape), smooth + noise)
    table = standard_table(int(rng.choice([LUMA, CHROMA])), quality)
    samples = np.rint(np.clip(blocks, 0, 255)).astype(np.uint8)
    return quantised_plane(samples.reshape(-1, 8), table).reshape(-1, 64), table


def corrections(seed: int, count: int, bits: int) -> Corrections:
    """From tiny to far beyond a cell."""
    rng = np.random.default_rng(seed)
    scale = 2.0 ** rng.uniform(-6, 3, (count, 1))
    return Corrections(np.rint(rng.normal(0, scale, (count, 64)) * 2**bits).astype(np.int64), bits)


@given(seed=st.integers(0, 9999), quality=st.integers(1, 100), bits=st.integers(0, 24), margin=st.integers(0, 4096))
@settings(max_examples=40)
def test_corrections_go_as_far_as_they_are_asked_to_but_not_out_of_the_cell(
    seed: int, quality: int, bits: int, margin: int
) -> None:
    levels, table = levels_and_table(seed, quality)
    added = corrections(seed, len(levels), bits)
    moved = within(levels, table, added, margin) - (levels.astype(np.int64) * table << FRACTION)
    room = np.maximum(table * 2.0**FRACTION / 2 - margin * 2.0**FRACTION / 16, 0)
    asked = np.floor(added.values * 2.0 ** (FRACTION - bits) * table)
    np.testing.assert_array_equal(moved, np.clip(asked, -room, room))


@pytest.mark.parametrize("value", [-MOST, -(1 << 40), 1 << 40, MOST])
@pytest.mark.parametrize("bits", [0, 24])
def test_corrections_of_any_size_are_clipped_as_pythons_integers_are(value: int, bits: int) -> None:
    """Such as a hostile model makes; steps of 16 bits are more than a stream has."""
    levels = np.array([[-32768, 32767] * 32], np.int16)
    for step in (1, 255, 65535):
        table = np.full(64, step, np.int32)
        found = within(levels, table, Corrections(np.full((1, 64), value), bits), 8)
        room = max(32 * step - 32, 0)
        change = max(-room, min(room, (value * step << FRACTION) >> bits))
        assert found.tolist() == [[(q * step << FRACTION) + change for q in levels[0].tolist()]]


def inverse_in_python(coefficients: list[int]) -> list[int]:
    """The inverse DCT of FORMAT.md 8l, in integers of any size."""
    basis = [
        [
            round(2**14 * math.cos(math.pi * (2 * x + 1) * k / 16) * (math.sqrt(1 / 8) if k == 0 else 0.5))
            for x in range(8)
        ]
        for k in range(8)
    ]
    w = [
        [(sum(basis[v][y] * coefficients[8 * v + u] for v in range(8)) + 512) >> 10 for u in range(8)] for y in range(8)
    ]
    sums = [sum(w[y][u] * basis[u][x] for u in range(8)) for y in range(8) for x in range(8)]
    return [max(0, min(255, ((each + (1 << 23)) >> 24) + 128)) for each in sums]


@pytest.mark.parametrize("largest", [1 << 14, 1 << 22, (32768 * 65535 << FRACTION) + (65535 << FRACTION >> 1)])
def test_the_inverse_transform_is_exact_up_to_the_largest_coefficients(largest: int) -> None:
    rng = np.random.default_rng(2)
    signs = np.sign(np.cos(np.pi * np.outer(2 * np.arange(8) + 1, np.arange(8)) / 16)).astype(np.int64)
    worst = [np.outer(signs[y], signs[x]).reshape(64) * largest for y, x in ((0, 0), (3, 4), (7, 7))]
    blocks = np.stack([*worst, *(-w for w in worst), *rng.integers(-largest, largest + 1, (9, 64))])
    assert [block.reshape(64).tolist() for block in samples_of(blocks)] == [
        inverse_in_python(b) for b in blocks.tolist()
    ]


def test_the_inverse_transform_is_the_real_one_to_the_nearest_level() -> None:
    rng = np.random.default_rng(3)
    blocks = np.rint(rng.normal(0, 60, (500, 64)) * 2.0 ** rng.uniform(-4, 0, (500, 1)) * 2**FRACTION).astype(np.int64)
    place = np.arange(8)
    basis = np.cos(np.pi * (2 * place + 1) * place[:, None] / 16) * np.where(place == 0, np.sqrt(1 / 8), 0.5)[:, None]
    real = np.clip(basis.T @ (blocks.reshape(-1, 8, 8) / 2**FRACTION) @ basis + 128, 0, 255)
    assert np.abs(samples_of(blocks) - real).max() < 0.51


@given(seed=st.integers(0, 9999), quality=st.integers(1, 100))
@settings(max_examples=40)
def test_restored_blocks_are_recompressed_to_the_same_coefficients_wherever_plain_ones_are(
    seed: int, quality: int
) -> None:
    levels, table = levels_and_table(seed, quality)
    restored = restored_blocks(levels, table, corrections(seed, len(levels), 12), MARGINS)
    assert not (recoded(plain_blocks(levels, table), table, levels) & ~recoded(restored, table, levels)).any()


@given(seed=st.integers(0, 9999), quality=st.integers(1, 100), margins=st.lists(st.integers(0, 60), min_size=1))
@settings(max_examples=40)
def test_each_block_is_that_of_the_first_margin_with_which_it_is_recompressed(
    seed: int, quality: int, margins: list[int]
) -> None:
    levels, table = levels_and_table(seed, quality, 8)
    added = corrections(seed, len(levels), 12)
    wanted = plain_blocks(levels, table)
    for margin in reversed(margins):
        tried = samples_of(within(levels, table, added, margin))
        same = recoded(tried, table, levels)
        wanted[same] = tried[same]
    np.testing.assert_array_equal(restored_blocks(levels, table, added, margins), wanted)


def test_right_corrections_bring_the_original_back() -> None:
    """Up to what rounding to 1 / 64 and the margins cost."""
    tiles = picture(TileSpec(8, 8, 1, "uint8", 8, "gray"), 200, seed=4)[..., 0]
    table = standard_table(LUMA, 10)
    levels = quantised_plane(tiles.reshape(-1, 8), table).reshape(-1, 64)
    exact = quantised_plane(tiles.reshape(-1, 8), np.ones(64, np.int32)).reshape(-1, 64)
    right = Corrections(np.rint((exact / table - levels) * 2**12).astype(np.int64), 12)
    restored = restored_blocks(levels, table, right, MARGINS)
    plain, left = (np.square(each - tiles.astype(float)).mean() for each in (plain_blocks(levels, table), restored))
    assert left < 0.6 < plain / 20
