"""Tiles of every kind become pictures of three channels, and come back to within half a level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.tile_samples import KINDS, spec_of, tiles_of
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.planes.frame import frames
from tilepress.codecs.planes.rgb_inputs import MIN_BITS, from_pictures, padded_size, pictures_per_tile, to_pictures

NETWORK_KINDS = [kind for kind in KINDS if spec_of(kind).colour != "indexed"]


def fixed(pictures: np.ndarray, bits: int) -> np.ndarray:
    return np.rint(pictures.astype(np.float64) * 2**bits).astype(np.int64)


@given(
    kind=st.sampled_from(NETWORK_KINDS),
    size=st.sampled_from([(1, 1), (17, 31), (5, 40), (32, 16)]),
    bits=st.integers(MIN_BITS, 24),
    content=st.sampled_from(["noise", "gradient", "black"]),
)
@settings(max_examples=80)
def test_tiles_come_back_from_their_pictures(kind: str, size: tuple[int, int], bits: int, content: str) -> None:
    spec = spec_of(kind, *size)
    tiles = tiles_of(spec, content, count=2)
    frame = frames(tiles, spec)
    pictures = to_pictures(tiles, spec, frame, 16)
    assert pictures.shape == (2 * pictures_per_tile(spec), 3, *padded_size(spec, 16))
    assert pictures.dtype == np.float32
    assert 0 <= pictures.min() <= pictures.max() < 1
    np.testing.assert_array_equal(from_pictures(fixed(pictures, bits), spec, frame, bits), tiles)


@pytest.mark.parametrize(
    ("channels", "colour", "count"), [(1, "gray", 1), (2, "gray", 2), (3, "rgb", 1), (4, "rgb", 2)]
)
def test_colour_is_one_picture_and_every_other_plane_one_more(channels: int, colour: str, count: int) -> None:
    spec = TileSpec(8, 8, channels, "uint8", 8, colour)  # type: ignore[arg-type]
    tiles = tiles_of(spec, "noise")
    pictures = to_pictures(tiles, spec, frames(tiles, spec), 8)
    assert len(pictures) == count == pictures_per_tile(spec)
    last = pictures[-1]
    same = (last == last[0]).all()
    assert same == (channels != 3)
    np.testing.assert_array_equal(pictures[0, 0], tiles[0, ..., 0] / np.float32(256))


def test_edges_are_replicated_to_the_granule() -> None:
    spec = TileSpec(3, 2, 1, "uint8", 8, "gray")
    tiles = np.arange(6, dtype=np.uint8).reshape(1, 3, 2, 1)
    picture = to_pictures(tiles, spec, frames(tiles, spec), 4)[0, 0] * 256
    assert picture.tolist() == [[0, 1, 1, 1], [2, 3, 3, 3], [4, 5, 5, 5], [4, 5, 5, 5]]


def test_a_gray_sample_is_the_rounded_mean_of_its_channels() -> None:
    spec = TileSpec(1, 1, 1, "uint8", 8, "gray")
    tiles = np.zeros((1, 1, 1, 1), np.uint8)
    for values, wanted in (([256, 257, 258], 1), ([0, 0, 383], 0), ([0, 0, 384], 1), ([-900, 0, 0], 0)):
        picture = np.array(values).reshape(1, 3, 1, 1)
        assert from_pictures(picture, spec, frames(tiles, spec), 16).item() == wanted


def test_whatever_a_network_gives_stays_within_the_samples_range() -> None:
    for kind in NETWORK_KINDS:
        spec = spec_of(kind, 9, 7)
        frame = frames(tiles_of(spec, "noise"), spec)
        shape = (pictures_per_tile(spec), 3, *padded_size(spec, 8))
        for value in (-(1 << 39), 1 << 39):
            tile = from_pictures(np.full(shape, value), spec, frame, 20)
            assert tile.dtype == spec.dtype
            assert set(np.unique(tile)) <= {0, spec.maximum}
