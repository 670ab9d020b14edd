"""From tiles to blocks scaled to [0, 1], and from fixed-point blocks back to tiles, for the block codecs.

Planes are scaled as the tile's frame says (frame.py). Colour differences span -2^depth..2^depth and are halved and
centred on 1/2.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.codec import Tiles, TileSpec
from tilepress.codecs.planes import colour
from tilepress.codecs.planes.frame import plane_frames


def _scales(frame: np.ndarray, spec: TileSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return the exponent of each plane's full scale, and the plane value that stands at 0: int32 (n, c) each."""
    _, exponents = plane_frames(frame, spec)
    zeros = np.zeros_like(exponents)
    if spec.colour == "rgb":
        zeros[:, 1:3] = -(1 << exponents[:, 1:3])
        exponents[:, 1:3] += 1
    return exponents, zeros


def _offsets(frame: np.ndarray, spec: TileSpec) -> np.ndarray:
    return plane_frames(frame, spec)[0][:, None, None, :]


def to_blocks(tiles: Tiles, spec: TileSpec, frame: np.ndarray, block: int) -> np.ndarray:
    """Return blocks float32 (n, c, rows, columns, block * block) in [0, 1]; edges are replicated to whole blocks."""
    lowered = (tiles - _offsets(frame, spec)).astype(np.int32) if frame[:, 0::2].any() else tiles
    planes = colour.forward(lowered, spec)
    exponents, zeros = _scales(frame, spec)
    unit = (planes - zeros[:, None, None, :]).astype(np.float32)
    unit *= np.ldexp(np.float32(1), -exponents)[:, None, None, :]
    pad = [(0, 0), (0, -spec.height % block), (0, -spec.width % block), (0, 0)]
    unit = np.pad(unit, pad, mode="edge") if any(p[1] for p in pad) else unit
    n, height, width, c = unit.shape
    cut = unit.reshape(n, height // block, block, width // block, block, c).transpose(0, 5, 1, 3, 2, 4)
    return cut.reshape(n, c, height // block, width // block, block * block)


def from_blocks(fixed: np.ndarray, spec: TileSpec, frame: np.ndarray, block: int, bits: int) -> Tiles:
    """Return the tiles that `to_blocks` made blocks of, rounded and clipped.

    Args:
        fixed: Samples of blocks, int32 in units of 2^-`bits` of full scale.
        spec: Of the tiles.
        frame: Of each tile, the same as for `to_blocks`.
        block: Side of a block in pixels.
        bits: Fraction bits of `fixed`.
    """
    n, c, rows, columns, _ = fixed.shape
    exponents, zeros = _scales(frame, spec)
    shift = (bits - exponents).astype(np.int32)[:, :, None, None, None]
    values = ((fixed + (1 << shift >> 1)) >> shift) + zeros[:, :, None, None, None]
    cut = values.reshape(n, c, rows, columns, block, block).transpose(0, 2, 4, 3, 5, 1)
    planes = cut.reshape(n, rows * block, columns * block, c)[:, : spec.height, : spec.width]
    samples = colour.inverse(planes, spec)
    if frame[:, 0::2].any():
        samples = np.minimum(samples + _offsets(frame, spec), spec.maximum).astype(spec.dtype)
    return samples
