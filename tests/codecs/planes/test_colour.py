"""What the reversible colour transform promises."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tilepress.codecs.codec import COLOUR_PLANES, TileSpec
from tilepress.codecs.planes import colour

KINDS = [("gray", 1), ("gray", 2), ("rgb", 3), ("rgb", 4), ("cmyk", 4), ("cmyk", 5), ("indexed", 1)]


def forward(tiles: np.ndarray, spec: TileSpec) -> np.ndarray:
    """Planes (..., c) of tiles (..., c)."""
    samples = torch.from_numpy(tiles.reshape(-1, tiles.shape[-1]).astype(np.float32))
    return colour.forward(samples, spec).numpy().reshape(tiles.shape)


def inverse(planes: np.ndarray, spec: TileSpec) -> np.ndarray:
    """Samples (..., c) of planes (..., c)."""
    samples = colour.inverse(torch.from_numpy(planes.reshape(-1, planes.shape[-1]).astype(np.float32)), spec)
    return torch.stack(samples, dim=-1).numpy().reshape(planes.shape)


def spec_of(shape: tuple[int, ...], kind: str, dtype: str, bit_depth: int) -> TileSpec:
    return TileSpec(shape[-3], shape[-2], shape[-1], dtype, bit_depth, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(("dtype", "bit_depth"), [("uint8", 1), ("uint8", 8), ("uint16", 12), ("uint16", 16)])
@pytest.mark.parametrize(("kind", "channels"), KINDS)
def test_every_kind_of_tile_comes_back_exactly(kind: str, channels: int, dtype: str, bit_depth: int) -> None:
    tiles = np.random.default_rng(7).integers(0, 1 << bit_depth, (2, 9, 13, channels)).astype(dtype)
    spec = spec_of(tiles.shape, kind, dtype, bit_depth)
    back = inverse(forward(tiles, spec), spec)
    np.testing.assert_array_equal(back, tiles)


def test_all_colours_of_a_coarse_cube_and_its_corners_come_back() -> None:
    for dtype, top in (("uint8", 255), ("uint16", 65535)):
        levels = np.unique(np.r_[0, 1, 2, top - 1, top, np.linspace(0, top, 30).astype(int)])
        cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3).astype(dtype)
        spec = spec_of(cube.shape, "rgb", dtype, 8 * cube.itemsize)
        planes = forward(cube, spec)
        np.testing.assert_array_equal(inverse(planes, spec), cube)
        assert planes[..., 0].min() >= 0
        assert planes[..., 0].max() <= top
        assert abs(planes).max() <= top


@pytest.mark.parametrize(("kind", "channels"), [k for k in KINDS if k[0] != "rgb"])
def test_planes_that_are_not_rgb_pass_unchanged(kind: str, channels: int) -> None:
    tile = np.arange(5 * 4 * channels).reshape(5, 4, channels).astype(np.uint8)
    np.testing.assert_array_equal(forward(tile, spec_of(tile.shape, kind, "uint8", 8)), tile)


def test_alpha_passes_unchanged_beside_rgb() -> None:
    tile = np.arange(7 * 3 * 4).reshape(7, 3, 4).astype(np.uint8)
    spec = spec_of(tile.shape, "rgb", "uint8", 8)
    np.testing.assert_array_equal(forward(tile, spec)[..., 3], tile[..., 3])


@given(
    values=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=12, max_size=12),
    bit_depth=st.integers(1, 16),
    kind=st.sampled_from(sorted(COLOUR_PLANES)),
)
def test_any_planes_give_samples_within_range(values: list[int], bit_depth: int, kind: str) -> None:
    channels = COLOUR_PLANES[kind]
    planes = np.array(values, np.int32).reshape(1, -1, channels)
    dtype = "uint8" if bit_depth <= 8 else "uint16"
    tile = inverse(planes, spec_of(planes.shape, kind, dtype, bit_depth))
    assert 0 <= tile.min() <= tile.max() < 1 << bit_depth
    np.testing.assert_array_equal(tile, tile.astype(dtype))
