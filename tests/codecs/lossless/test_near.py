"""Near-lossless: the codec `lossless` and its residual coder keep every sample within the bound, in fewer bytes."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lossless_cases import checkerboard, coarse, drawn_model, scene
from tests.support.sample_tiles import sample, spec_of_sample
from tests.support.tile_samples import KINDS, spec_of, tiles_of
from tilepress.codecs import registry
from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.errors import UnsupportedError
from tilepress.codecs.lossless.codec import Lossless
from tilepress.codecs.lossless.residual import LosslessResidual

GRAY = ["gray/camera.png", "gray/camera.tif"]
BOUNDS = (0, 1, 2, 4, 8, 16)
EFFORTS = (1, 2, 5, 9)
RESIDUAL = LosslessResidual()


@cache
def shipped() -> Codec:
    return registry.load_codec("lossless", registry.resolve("lossless").model_folder)


@cache
def drawn() -> Lossless:
    return Lossless(drawn_model(networks=True))


def decoded(tile: np.ndarray, spec: TileSpec, effort: int, bound: int) -> np.ndarray:
    return drawn().decode_tile(drawn().encode_tile(tile, spec, Settings(effort=effort, max_error=bound)), spec)


def assert_within(back: np.ndarray, tile: np.ndarray, spec: TileSpec, bound: int) -> None:
    assert back.dtype == tile.dtype and back.max() <= spec.maximum
    assert np.abs(back.astype(np.int64) - tile).max() <= (0 if spec.bit_depth == 1 else bound)


@given(data=st.data())
@settings(max_examples=150)
def test_every_sample_is_within_any_bound_at_every_level_and_over_any_base(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([kind for kind in KINDS if "palette" not in kind]))
    spec = spec_of(kind, data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20)))
    bound = data.draw(st.integers(1, spec.maximum))
    if data.draw(st.booleans()):
        bound = min(bound, 9)
    noise = tiles_of(spec, "noise", seed=data.draw(st.integers(0, 999)))[0] >> data.draw(st.integers(0, spec.bit_depth))
    tile = data.draw(st.sampled_from([noise, scene(spec), checkerboard(spec)]))
    assert_within(decoded(tile, spec, data.draw(st.sampled_from(EFFORTS)), bound), tile, spec, bound)
    base = data.draw(st.sampled_from([tile, coarse(tile), noise, (spec.maximum - tile).astype(tile.dtype)]))
    assert_within(RESIDUAL.decode(RESIDUAL.encode(tile, base, spec, bound), base, spec), tile, spec, bound)


@pytest.mark.parametrize("bound", [1, 2, 100, 254, 255])
def test_bounds_are_reached_but_not_passed(bound: int) -> None:
    """What a bound allows is used: some sample differs by all of it."""
    spec = TileSpec(64, 64, 1, "uint8", 8, "gray")
    tile = tiles_of(spec, "noise")[0]
    tile[:2, 0, 0] = 0, 255
    for effort in EFFORTS:
        worst = np.abs(decoded(tile, spec, effort, bound).astype(int) - tile).max()
        assert min(bound, 127) <= worst <= bound


def test_a_bound_beyond_the_largest_value_is_as_good_as_that() -> None:
    spec = TileSpec(20, 20, 1, "uint16", 9, "gray")
    streams = {drawn().encode_tile(scene(spec), spec, Settings(max_error=bound)) for bound in (511, 512, 65535)}
    assert len(streams) == 1


@pytest.mark.parametrize("bound", [-1, 65536])
def test_bounds_outside_their_range_are_refused(bound: int) -> None:
    spec = TileSpec(8, 8, 1, "uint8", 8, "gray")
    with pytest.raises(UnsupportedError):
        drawn().encode_tile(scene(spec), spec, Settings(max_error=bound))
    with pytest.raises(UnsupportedError):
        RESIDUAL.encode(scene(spec), scene(spec), spec, bound)


@pytest.mark.parametrize("effort", [1, 2, 5, pytest.param(9, marks=pytest.mark.slow)])
def test_the_size_of_a_photograph_falls_as_the_bound_grows(effort: int) -> None:
    for name in ("gray/camera.png", "coffee.png"):
        tile = sample(name, 128)
        spec = spec_of_sample(tile)
        sizes = [len(shipped().encode(tile[None], spec, Settings(effort=effort, max_error=n))[0]) for n in BOUNDS]
        assert all(b < 0.9 * a for a, b in pairwise(sizes)), sizes


def test_the_size_of_a_residual_falls_as_the_bound_grows() -> None:
    tile = sample("coffee.png", 128)
    sizes = [len(RESIDUAL.encode(tile, coarse(tile), spec_of_sample(tile), n)) for n in BOUNDS]
    assert all(b < 0.9 * a for a, b in pairwise(sizes)), sizes


def assert_smaller_than_jpegls(tile: np.ndarray, bounds: tuple[int, ...], efforts: tuple[int, ...]) -> None:
    spec = spec_of_sample(tile)
    for bound in bounds:
        (alternative,) = registry.load_codec("jpegls").encode(tile[None], spec, Settings(max_error=bound))
        for effort in efforts:
            (stream,) = shipped().encode(tile[None], spec, Settings(effort=effort, max_error=bound))
            assert len(stream) < 0.96 * len(alternative), (bound, effort)


@pytest.mark.parametrize("name", GRAY)
def test_gray_photographs_are_smaller_than_under_jpeg_ls_with_the_same_bound(name: str) -> None:
    assert_smaller_than_jpegls(sample(name, 160), (1, 2, 5, 16), (2, 5))


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAY)
def test_whole_gray_photographs_are_smaller_than_under_jpeg_ls_with_the_same_bound(name: str) -> None:
    assert_smaller_than_jpegls(sample(name), BOUNDS[1:], (2, 5))
