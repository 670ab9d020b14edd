"""The frame of a tile: which samples of its planes stand for 0 and for full scale, where transforms see [0, 1].

Samples lose their plane's offset and are divided by 2^depth. Both stand once for the colour planes and once for
alpha. Samples of up to 8 bits always have offset 0 and their own depth; deeper ones take the tile's own range, so that
12 bits stored anywhere within 16 fill [0, 1].
"""

from __future__ import annotations

import struct

import numpy as np

from tilepress.codecs.codec import COLOUR_PLANES, Tiles, TileSpec
from tilepress.codecs.errors import StreamError

FRAME = 4  # offset and depth of the colour planes, offset and depth of alpha
_STRUCT = struct.Struct("<HBHB")
FRAME_BYTES = _STRUCT.size


def frames(tiles: Tiles, spec: TileSpec) -> np.ndarray:
    """Return the frames, int32 (n, FRAME), of tiles (n, h, w, c)."""
    out = np.zeros((len(tiles), FRAME), np.int32)
    out[:, 1::2] = spec.bit_depth
    if spec.bit_depth > 8:
        colours = COLOUR_PLANES[spec.colour]
        for column, part in ((0, tiles[..., :colours]), (2, tiles[..., colours:])):
            if part.shape[-1]:
                low, high = part.min(axis=(1, 2, 3)), part.max(axis=(1, 2, 3))
                out[:, column] = low
                out[:, column + 1] = [max(int(v).bit_length(), 1) for v in high - low]
    return out


def plane_frames(frame: np.ndarray, spec: TileSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return offset and depth of every plane, int32 (n, c) each, of frames (n, FRAME)."""
    offsets, depths = (np.repeat(frame[:, i : i + 1], spec.channels, axis=1).astype(np.int32) for i in (0, 1))
    if spec.alpha:
        offsets[:, -1], depths[:, -1] = frame[:, 2], frame[:, 3]
    return offsets, depths


def pack_frame(frame: np.ndarray) -> bytes:
    """Return the FRAME_BYTES that stand for one frame (FRAME,) in a stream."""
    return _STRUCT.pack(*(int(value) for value in frame))


def unpack_frame(data: bytes, spec: TileSpec) -> np.ndarray:
    """Return the frame, int32 (FRAME,), of FRAME_BYTES; StreamError unless `frames` can give it for such tiles."""
    frame = np.array(_STRUCT.unpack(data), np.int32)
    offsets, depths = frame[0::2], frame[1::2]
    if (depths < 1).any() or (depths > spec.bit_depth).any() or (offsets > spec.maximum).any():
        raise StreamError("offset or depth of a tile is out of range: the bytes are damaged")
    if spec.bit_depth <= 8 and ((depths != spec.bit_depth) | (offsets != 0)).any():
        raise StreamError("a tile of up to 8 bits has an offset or depth of its own: the bytes are damaged")
    return frame
