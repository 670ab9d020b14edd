"""The frame of a tile: what it says of planes, and which bytes stand for none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.tile_samples import KINDS, spec_of, tiles_of
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.planes.frame import FRAME_BYTES, frames, pack_frame, plane_frames, power_of_two, unpack_frame
from tilepress.codecs.planes.samples import arrived, to_travel


def there(tiles: np.ndarray) -> torch.Tensor:
    """Tiles as a device has them."""
    return arrived(torch.from_numpy(to_travel(tiles)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", ["noise", "white", "black"])
def test_every_plane_lies_within_its_offset_and_depth(kind: str, content: str) -> None:
    spec = spec_of(kind)
    tiles = tiles_of(spec, content, count=2)
    frame = frames(there(tiles), spec)
    offsets, depths = (each.numpy() for each in plane_frames(frame, spec))
    rest = tiles.astype(int) - offsets[:, None, None]
    assert (rest >= 0).all() and (rest < (1 << depths)[:, None, None]).all()
    for one in frame.numpy():
        assert len(pack_frame(one)) == FRAME_BYTES
        np.testing.assert_array_equal(unpack_frame(pack_frame(one), spec), one)


def test_alpha_has_an_offset_and_depth_of_its_own() -> None:
    spec = TileSpec(1, 2, 2, "uint16", 16, "gray")
    tiles = np.array([[[[500, 65535], [503, 65000]]]], np.uint16)
    np.testing.assert_array_equal(frames(there(tiles), spec), [[500, 2, 65000, 10]])
    offsets, depths = plane_frames(frames(there(tiles), spec), spec)
    np.testing.assert_array_equal([offsets[0], depths[0]], [[500, 65000], [2, 10]])


@pytest.mark.parametrize("frame", [[1, 8, 0, 8], [0, 7, 0, 8], [0, 8, 0, 9], [0, 0, 0, 8], [0, 8, 9, 8]])
def test_frames_that_no_tile_of_eight_bits_has_are_stream_errors(frame: list[int]) -> None:
    with pytest.raises(StreamError):
        unpack_frame(pack_frame(np.array(frame)), spec_of("rgb"))


def test_depths_are_the_bits_of_every_range() -> None:
    spec = TileSpec(1, 2, 1, "uint16", 16, "gray")
    ranges = np.unique(np.r_[0, [(1 << bits) + near for bits in range(1, 17) for near in (-1, 0, 1)]])[:-2]
    tiles = np.stack([np.zeros(len(ranges)), ranges], axis=1).astype(np.uint16).reshape(-1, 1, 2, 1)
    assert frames(there(tiles), spec)[:, 1].tolist() == [max(int(each).bit_length(), 1) for each in ranges]


def test_powers_of_two_are_exact() -> None:
    exponents = torch.arange(-126, 128, dtype=torch.int32)
    np.testing.assert_array_equal(power_of_two(exponents), np.ldexp(np.float32(1), exponents.numpy()))
