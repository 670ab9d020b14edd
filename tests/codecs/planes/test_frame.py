"""The frame of a tile: what it says of planes, and which bytes stand for none."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.tile_samples import KINDS, spec_of, tiles_of
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.planes.frame import FRAME_BYTES, frames, pack_frame, plane_frames, unpack_frame


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", ["noise", "white", "black"])
def test_every_plane_lies_within_its_offset_and_depth(kind: str, content: str) -> None:
    spec = spec_of(kind)
    tiles = tiles_of(spec, content, count=2)
    frame = frames(tiles, spec)
    offsets, depths = plane_frames(frame, spec)
    rest = tiles.astype(int) - offsets[:, None, None]
    assert (rest >= 0).all() and (rest < (1 << depths)[:, None, None]).all()
    for one in frame:
        assert len(pack_frame(one)) == FRAME_BYTES
        np.testing.assert_array_equal(unpack_frame(pack_frame(one), spec), one)


def test_alpha_has_an_offset_and_depth_of_its_own() -> None:
    spec = TileSpec(1, 2, 2, "uint16", 16, "gray")
    tiles = np.array([[[[500, 65535], [503, 65000]]]], np.uint16)
    np.testing.assert_array_equal(frames(tiles, spec), [[500, 2, 65000, 10]])
    offsets, depths = plane_frames(frames(tiles, spec), spec)
    np.testing.assert_array_equal([offsets[0], depths[0]], [[500, 65000], [2, 10]])


@pytest.mark.parametrize("frame", [[1, 8, 0, 8], [0, 7, 0, 8], [0, 8, 0, 9], [0, 0, 0, 8], [0, 8, 9, 8]])
def test_frames_that_no_tile_of_eight_bits_has_are_stream_errors(frame: list[int]) -> None:
    with pytest.raises(StreamError):
        unpack_frame(pack_frame(np.array(frame)), spec_of("rgb"))
