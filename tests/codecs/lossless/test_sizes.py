"""How small the codec `lossless` is with the model that comes with tilepress: on photographs, on few and far values."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.support.sample_tiles import sample, spec_of_sample
from tilepress.codecs import registry
from tilepress.codecs.codec import Codec, Settings, TileSpec

QUICK, FAST, DEFAULT, MAX = 1, 2, 5, 9  # efforts
TABLE = 60  # bytes that a table of used values may cost here


@cache
def codec() -> Codec:
    return registry.load_codec("lossless", registry.resolve("lossless").model_folder)


def size_of(tile: np.ndarray, effort: int = DEFAULT, spec: TileSpec | None = None) -> int:
    """Bytes of a stream, which comes back."""
    spec = spec or spec_of_sample(tile)
    (stream,) = codec().encode(tile[None], spec, Settings(effort=effort))
    np.testing.assert_array_equal(codec().decode([stream], spec)[0], tile)
    return len(stream)


def jpegxl_size(tile: np.ndarray, spec: TileSpec | None = None) -> int:
    """At effort 7."""
    (stream,) = registry.load_codec("jpegxl").encode(tile[None], spec or spec_of_sample(tile), Settings(effort=7))
    return len(stream)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("gray/camera.png", 256),
        pytest.param("coffee.png", 256, marks=pytest.mark.slow),
        pytest.param("nature/tulips-alpha.png", 200, marks=pytest.mark.slow),
    ],
)
def test_more_effort_is_smaller_and_every_effort_smaller_than_jpeg_xl(name: str, side: int) -> None:
    tile = sample(name, side)
    fast, default, most = (size_of(tile, effort) for effort in (FAST, DEFAULT, MAX))
    assert most <= default <= fast < jpegxl_size(tile)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "gain"), [("gray/camera.png", 0.05), ("coffee.png", 0.09), ("nature/cliff.png", 0.1)])
def test_whole_photographs_are_smaller_than_under_jpeg_xl(name: str, gain: float) -> None:
    tile = sample(name)
    fast, default, most = (size_of(tile, effort) for effort in (FAST, DEFAULT, MAX))
    assert most <= default <= fast
    assert default < (1 - gain) * jpegxl_size(tile)


@pytest.mark.parametrize("name", ["gray/camera.png", "coffee.png", "nature/cliff.png"])
def test_quickly_coded_whole_photographs_are_smaller_than_under_jpeg_xl_too(name: str) -> None:
    tile = sample(name)
    assert size_of(tile, QUICK) < 0.98 * jpegxl_size(tile)


def test_a_photograph_of_16_bits_is_smaller_than_under_jpeg_xl() -> None:
    """Few of its values occur in a small tile, but in no order that a table could tell in less."""
    tile = sample("nature/cliff-16bit.png")
    assert size_of(tile) < jpegxl_size(tile)


@pytest.mark.parametrize("levels", [64, 128, 200])
@pytest.mark.parametrize("name", ["gray/camera.png", "coffee.png"])
def test_levels_spread_over_more_values_cost_next_to_nothing(name: str, levels: int) -> None:
    dense = (sample(name, 160).astype(np.int64) * levels // 256).astype(np.uint8)
    stretched = (dense.astype(np.int64) * 255 // (levels - 1)).astype(np.uint8)
    found = size_of(stretched)
    assert found <= 1.01 * size_of(dense) + TABLE * dense.shape[2]
    assert found <= 1.01 * jpegxl_size(stretched)


@pytest.mark.parametrize("name", ["gray/camera.png", "coffee.png"])
def test_eight_bits_in_sixteen_cost_next_to_nothing(name: str) -> None:
    tile = sample(name, 160)
    found = size_of(tile.astype(np.uint16) * 257)
    assert found <= 1.01 * size_of(tile) + 4 * TABLE * tile.shape[2]  # 8 KiB of table, nearly all zeros
    assert found <= 1.01 * jpegxl_size(tile.astype(np.uint16) * 257)


def section(padding: int) -> np.ndarray:
    """12 bits with grain within a circle, `padding` around it: as computed tomography gives them, (160, 160, 1)."""
    smooth = sample("gray/camera.png", 163)[..., 0].astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(smooth, (4, 4)).sum((2, 3))
    values = windows + np.random.default_rng(0).integers(-9, 10, windows.shape) + 1000
    y, x = np.mgrid[:160, :160]
    return np.where((y - 80) ** 2 + (x - 80) ** 2 < 78**2, values, padding)[..., None].astype(np.uint16)


@pytest.mark.parametrize("padding", [0, 40_000, 65_535])
def test_one_far_value_for_padding_costs_next_to_nothing(padding: int) -> None:
    inside = section(0)[section(0) > 0]
    near = int(inside.max()) + 1 if padding else int(inside.min()) - 1
    assert size_of(section(padding)) <= 1.01 * size_of(section(near)) + 512  # bytes: a table of 12 bits


def test_a_section_with_far_padding_below_is_smaller_than_under_jpeg_xl() -> None:
    assert size_of(section(0)) < jpegxl_size(section(0))
