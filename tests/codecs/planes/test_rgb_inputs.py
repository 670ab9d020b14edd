"""Tiles of every kind become pictures of three channels, and come back to within half a level."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.tile_samples import KINDS, spec_of, tiles_of
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.planes import rgb_inputs
from tilepress.codecs.planes.frame import frames
from tilepress.codecs.planes.rgb_inputs import MIN_BITS, padded_size, pictures_per_tile
from tilepress.codecs.planes.samples import arrived, returned, to_return, to_travel

NETWORK_KINDS = [kind for kind in KINDS if spec_of(kind).colour != "indexed"]


def there(tiles: np.ndarray) -> torch.Tensor:
    """Tiles as a device has them."""
    return arrived(torch.from_numpy(to_travel(tiles)))


def to_pictures(tiles: np.ndarray, spec: TileSpec, alignment: int) -> np.ndarray:
    x = there(tiles)
    return rgb_inputs.to_pictures(x, spec, frames(x, spec), alignment).numpy()


def from_pictures(fixed: np.ndarray, tiles: np.ndarray, spec: TileSpec, bits: int) -> np.ndarray:
    """Tiles with the frames of `tiles`; in float32, too, where that holds the numbers and a half."""
    frame = frames(there(tiles), spec)
    kinds = (torch.float32, torch.float64) if abs(fixed).max() <= 1 << 23 else (torch.float64,)
    found = [rgb_inputs.from_pictures(torch.from_numpy(fixed).to(kind), spec, frame, bits) for kind in kinds]
    assert all(torch.equal(each, found[0]) for each in found)
    return returned(to_return(found[0]).numpy())


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
    pictures = to_pictures(tiles, spec, 16)
    assert pictures.shape == (2 * pictures_per_tile(spec), 3, *padded_size(spec, 16))
    assert pictures.dtype == np.float32
    assert 0 <= pictures.min() <= pictures.max() < 1
    np.testing.assert_array_equal(from_pictures(fixed(pictures, bits), tiles, spec, bits), tiles)


@pytest.mark.parametrize(
    ("channels", "colour", "count"), [(1, "gray", 1), (2, "gray", 2), (3, "rgb", 1), (4, "rgb", 2)]
)
def test_colour_is_one_picture_and_every_other_plane_one_more(channels: int, colour: str, count: int) -> None:
    spec = TileSpec(8, 8, channels, "uint8", 8, colour)  # type: ignore[arg-type]
    tiles = tiles_of(spec, "noise")
    pictures = to_pictures(tiles, spec, 8)
    assert len(pictures) == count == pictures_per_tile(spec)
    last = pictures[-1]
    same = (last == last[0]).all()
    assert same == (channels != 3)
    np.testing.assert_array_equal(pictures[0, 0], tiles[0, ..., 0] / np.float32(256))


def test_edges_are_replicated_to_the_granule() -> None:
    spec = TileSpec(3, 2, 1, "uint8", 8, "gray")
    tiles = np.arange(6, dtype=np.uint8).reshape(1, 3, 2, 1)
    picture = to_pictures(tiles, spec, 4)[0, 0] * 256
    assert picture.tolist() == [[0, 1, 1, 1], [2, 3, 3, 3], [4, 5, 5, 5], [4, 5, 5, 5]]


def test_a_gray_sample_is_the_rounded_mean_of_its_channels() -> None:
    spec = TileSpec(1, 1, 1, "uint8", 8, "gray")
    tiles = np.zeros((1, 1, 1, 1), np.uint8)
    for values, wanted in (([256, 257, 258], 1), ([0, 0, 383], 0), ([0, 0, 384], 1), ([-900, 0, 0], 0)):
        picture = np.array(values).reshape(1, 3, 1, 1)
        assert from_pictures(picture, tiles, spec, 16).item() == wanted


def test_whatever_a_network_gives_stays_within_the_samples_range() -> None:
    for kind in NETWORK_KINDS:
        spec = spec_of(kind, 9, 7)
        tiles = tiles_of(spec, "noise")
        shape = (pictures_per_tile(spec), 3, *padded_size(spec, 8))
        for value in (-(1 << 39), 1 << 39):
            tile = from_pictures(np.full(shape, value), tiles, spec, 20)
            assert tile.dtype == spec.dtype
            assert set(np.unique(tile)) <= {0, spec.maximum}
