"""Residual coder `lossless-1`: a tile over its base, small over a good one, hardly larger than alone over others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lossless_cases import checkerboard, coarse, scene
from tests.support.sample_tiles import sample, spec_of_sample
from tests.support.tile_samples import KINDS, spec_of, tiles_of
from tilepress.codecs import registry
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import UnsupportedError
from tilepress.codecs.lossless.residual import LosslessResidual

CODER = LosslessResidual()
NATURAL = ["gray/camera.png", "coffee.png", pytest.param("nature/tulips-alpha.png", marks=pytest.mark.slow)]
OVERHEAD = 10


def size_of(tile: np.ndarray, base: np.ndarray, spec: TileSpec | None = None) -> int:
    """Bytes of a stream, which comes back."""
    spec = spec or spec_of_sample(tile)
    data = CODER.encode(tile, base, spec)
    back = CODER.decode(data, base, spec)
    assert back.dtype == tile.dtype and len(data) <= spec.nbytes + OVERHEAD
    np.testing.assert_array_equal(back, tile)
    return len(data)


def alone(tile: np.ndarray) -> int:
    """Bytes of the same tile by the codec."""
    codec = registry.load_codec("lossless", registry.resolve("lossless").model_folder)
    return len(codec.encode(tile[None], spec_of_sample(tile), Settings())[0])


def averaged(tile: np.ndarray, block: int = 8) -> np.ndarray:
    """Each block's mean, as the latents of a coarse codec would give it; sides are multiples of `block`."""
    height, width, planes = tile.shape
    blocks = tile.reshape(height // block, block, width // block, block, planes).astype(np.float64)
    means = np.rint(blocks.mean((1, 3))).astype(tile.dtype)
    return means.repeat(block, axis=0).repeat(block, axis=1)


@pytest.mark.parametrize("name", ["gray/camera.png", "coffee.png"])
def test_a_perfect_base_or_one_with_a_constant_error_leaves_next_to_nothing_to_say(name: str) -> None:
    tile = np.minimum(sample(name, 256), 250).astype(np.uint8)
    assert size_of(tile, tile) < 0.02 * tile.nbytes
    assert size_of(tile, tile + np.uint8(5)) < 0.03 * tile.nbytes


@pytest.mark.parametrize("name", NATURAL)
@pytest.mark.parametrize("fill", ["zero", "noise", "another picture"])
def test_a_useless_base_costs_a_few_percent_more_than_none(name: str, fill: str) -> None:
    tile = sample(name, 128)
    noise = np.random.default_rng(3).integers(0, 256, tile.shape)
    other = sample("nature/cliff.png", 128).mean(axis=2, keepdims=True)
    base = np.broadcast_to({"zero": 0, "noise": noise, "another picture": other}[fill], tile.shape).astype(np.uint8)
    assert size_of(tile, base) < 1.06 * alone(tile)


@pytest.mark.parametrize("name", NATURAL)
def test_a_better_base_makes_a_smaller_residual(name: str) -> None:
    tile = sample(name, 128)
    noise = np.random.default_rng(0).integers(-2, 3, tile.shape)
    near = np.clip(tile.astype(np.int64) + noise, 0, 255).astype(np.uint8)
    good, fair, none = (size_of(tile, base) for base in (near, averaged(tile, 2), np.zeros_like(tile)))
    assert good < 0.9 * fair and fair < none


@given(data=st.data())
@settings(max_examples=80)
def test_any_tile_comes_back_from_any_base(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(KINDS)))
    spec = spec_of(kind, data.draw(st.integers(1, 24)), data.draw(st.integers(1, 30)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    spread = 1 << data.draw(st.integers(0, spec.bit_depth))
    drawn = data.draw(st.sampled_from([tiles_of(spec, "noise")[0], scene(spec), checkerboard(spec)]))
    change = rng.integers(-spread // 2, spread // 2 + 1, spec.shape)
    tile = np.clip(drawn.astype(np.int64) + change, 0, spec.maximum).astype(spec.dtype)
    base = data.draw(st.sampled_from([drawn, coarse(tile), rng.permutation(tile), np.zeros_like(tile)]))
    size_of(tile, base, spec)


def test_a_base_of_values_that_the_tile_has_not_is_of_use_all_the_same() -> None:
    """Few values, as of a palette or stretched samples: those of the base lie between them."""
    tile = (sample("gray/camera.png", 128) // 8 * 8).astype(np.uint8)
    base = np.clip(tile.astype(np.int64) + 3, 0, 255).astype(np.uint8)
    assert size_of(tile, base) < 0.03 * tile.nbytes


def test_a_tile_or_base_that_contradicts_its_spec_is_refused() -> None:
    spec = TileSpec(8, 9, 3, "uint8", 8, "rgb")
    tile = scene(spec)
    data = CODER.encode(tile, tile, spec)
    for wrong in (tile[:-1], tile[..., :2], tile.astype(np.uint16)):
        with pytest.raises(UnsupportedError):
            CODER.decode(data, wrong, spec)
        for pair in ((wrong, tile), (tile, wrong)):
            with pytest.raises(UnsupportedError):
                CODER.encode(*pair, spec)


def test_samples_above_the_stated_bit_depth_are_refused() -> None:
    spec = TileSpec(20, 20, 1, "uint16", 9, "gray")
    tile = scene(TileSpec(20, 20, 1, "uint16", 16, "gray"))
    with pytest.raises(UnsupportedError, match="above 511, the largest of 9 bits"):
        CODER.encode(tile, tile, spec)
