"""From tiles to blocks scaled to [0, 1], and from fixed-point blocks back to tiles, for the block codec.

Normalisation: samples lose the tile's offset and are divided by 2^depth; both stand in the tile's frame, once for
the colour planes and once for alpha. Samples of up to 8 bits always have offset 0 and their own depth; deeper
ones take the tile's own range, so that 12 bits stored anywhere within 16 fill [0, 1]. Colour differences span
-2^depth..2^depth and are halved and centred on 1/2.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.codec import COLOUR_PLANES, Tiles, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.planes import colour

FRAME = 4  # offset and depth of the colour planes, offset and depth of alpha


def frames(tiles: Tiles, spec: TileSpec) -> np.ndarray:
    """int32 (n, FRAME) for tiles (n, h, w, c)."""
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


def check_frame(frame: np.ndarray, spec: TileSpec) -> None:
    """StreamError unless (FRAME,) is one that `frames` can give for such tiles."""
    offsets, depths = frame[0::2], frame[1::2]
    if (depths < 1).any() or (depths > spec.bit_depth).any() or (offsets > spec.maximum).any():
        raise StreamError("offset or depth of a tile is out of range: the bytes are damaged")
    if spec.bit_depth <= 8 and ((depths != spec.bit_depth) | (offsets != 0)).any():
        raise StreamError("a tile of up to 8 bits has an offset or depth of its own: the bytes are damaged")


def scales(frame: np.ndarray, spec: TileSpec) -> tuple[np.ndarray, np.ndarray]:
    """(n, c) each: exponent of a plane's full scale, and the plane value that stands at 0. `frame` (n, FRAME)."""
    exponents = np.repeat(frame[:, 1:2], spec.channels, axis=1).astype(np.int32)
    zeros = np.zeros_like(exponents)
    if spec.alpha:
        exponents[:, -1] = frame[:, 3]
    if spec.colour == "rgb":
        zeros[:, 1:3] = -(1 << exponents[:, 1:3])
        exponents[:, 1:3] += 1
    return exponents, zeros


def _offsets(frame: np.ndarray, spec: TileSpec) -> np.ndarray:
    offsets = np.repeat(frame[:, 0:1], spec.channels, axis=1)
    if spec.alpha:
        offsets[:, -1] = frame[:, 2]
    return offsets[:, None, None, :].astype(np.int32)


def to_blocks(tiles: Tiles, spec: TileSpec, frame: np.ndarray, block: int) -> np.ndarray:
    """float32 (n, c, rows, columns, block * block) in [0, 1]; edges are replicated to whole blocks."""
    lowered = (tiles - _offsets(frame, spec)).astype(np.int32) if frame[:, 0::2].any() else tiles
    planes = colour.forward(lowered, spec)
    exponents, zeros = scales(frame, spec)
    unit = (planes - zeros[:, None, None, :]).astype(np.float32)
    unit *= np.ldexp(np.float32(1), -exponents)[:, None, None, :]
    pad = [(0, 0), (0, -spec.height % block), (0, -spec.width % block), (0, 0)]
    unit = np.pad(unit, pad, mode="edge") if any(p[1] for p in pad) else unit
    n, height, width, c = unit.shape
    cut = unit.reshape(n, height // block, block, width // block, block, c).transpose(0, 5, 1, 3, 2, 4)
    return cut.reshape(n, c, height // block, width // block, block * block)


def from_blocks(fixed: np.ndarray, spec: TileSpec, frame: np.ndarray, block: int, bits: int) -> Tiles:
    """Inverse of `to_blocks` for int32 fixed point in units of 2^-bits of full scale; rounded and clipped."""
    n, c, rows, columns, _ = fixed.shape
    exponents, zeros = scales(frame, spec)
    shift = (bits - exponents).astype(np.int32)[:, :, None, None, None]
    values = ((fixed + (1 << shift >> 1)) >> shift) + zeros[:, :, None, None, None]
    cut = values.reshape(n, c, rows, columns, block, block).transpose(0, 2, 4, 3, 5, 1)
    planes = cut.reshape(n, rows * block, columns * block, c)[:, : spec.height, : spec.width]
    samples = colour.inverse(planes, spec)
    if frame[:, 0::2].any():
        samples = np.minimum(samples + _offsets(frame, spec), spec.maximum).astype(spec.dtype)
    return samples
