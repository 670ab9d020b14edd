"""The frame of a tile: which samples of its planes stand for 0 and for full scale, where transforms see [0, 1].

Samples lose their plane's offset and are divided by 2^depth. Both stand once for the colour planes and once for
alpha. Samples of up to 8 bits always have offset 0 and their own depth; deeper ones take the tile's own range, so that
12 bits stored anywhere within 16 fill [0, 1].
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.codec import COLOUR_PLANES, TileSpec
from tilepress.codecs.errors import StreamError

if TYPE_CHECKING:
    import torch

FRAME = 4  # offset and depth of the colour planes, offset and depth of alpha
_STRUCT = struct.Struct("<HBHB")
FRAME_BYTES = _STRUCT.size
_DEEPEST = 16
_EXPONENT_BIAS, _FRACTION_BITS = 127, 23  # of float32


def has_offsets(spec: TileSpec) -> bool:
    """Return whether the frames of such tiles may have offsets."""
    return spec.bit_depth > 8


def frames(tiles: torch.Tensor, spec: TileSpec) -> torch.Tensor:
    """Return the frames, int32 (n, FRAME), of tiles uint8 or int32 (n, h, w, c), on their device."""
    import torch

    out = torch.zeros((len(tiles), FRAME), dtype=torch.int32, device=tiles.device)
    out[:, 1::2] = spec.bit_depth
    if has_offsets(spec):
        colours = COLOUR_PLANES[spec.colour]
        powers = 1 << torch.arange(_DEEPEST, dtype=torch.int32, device=tiles.device)
        for column, part in ((0, tiles[..., :colours]), (2, tiles[..., colours:])):
            if part.shape[-1]:
                low, high = part.amin(dim=(1, 2, 3)), part.amax(dim=(1, 2, 3))
                out[:, column] = low
                reached = (high - low)[:, None] >= powers  # as many powers of two as the range has bits
                out[:, column + 1] = reached.sum(dim=1).clamp(min=1)
    return out


def plane_frames(frame: torch.Tensor, spec: TileSpec) -> tuple[torch.Tensor, torch.Tensor]:
    """Return offset and depth of every plane, int32 (n, c) each, of frames int32 (n, FRAME)."""
    offsets, depths = (frame[:, i : i + 1].repeat(1, spec.channels) for i in (0, 1))
    if spec.alpha:
        offsets[:, -1], depths[:, -1] = frame[:, 2], frame[:, 3]
    return offsets, depths


def power_of_two(exponents: torch.Tensor) -> torch.Tensor:
    """Return 2^exponents, float32, of int32 within -126..127: put together of its bits, since `exp2` may be inexact."""
    import torch

    return ((exponents + _EXPONENT_BIAS) << _FRACTION_BITS).view(torch.float32)


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
