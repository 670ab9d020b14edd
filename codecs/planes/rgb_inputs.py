"""From tiles of any kind to the pictures of three channels that convolutional networks take, and back.

An RGB tile is one picture. Every other plane (gray, alpha, the planes of CMYK) is a picture of its own, its samples
in all three channels; what is decoded for it is the rounded mean of the three. Pictures of a tile stand next to each
other: colour first, alpha last.
Planes are scaled as the tile's frame says (frame.py).
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.codec import COLOUR_PLANES, Tiles, TileSpec
from tilepress.codecs.planes.frame import plane_frames

CHANNELS = 3
MIN_BITS = 16  # fraction bits of decoded pictures; no sample has more


def pictures_per_tile(spec: TileSpec) -> int:
    """Return how many pictures a tile becomes: one for RGB, one for each other plane."""
    return spec.channels - (CHANNELS - 1 if spec.colour == "rgb" else 0)


def padded_size(spec: TileSpec, alignment: int) -> tuple[int, int]:
    """Return height and width of the pictures: the tile's, rounded up to multiples of `alignment`."""
    return spec.height + -spec.height % alignment, spec.width + -spec.width % alignment


def to_pictures(tiles: Tiles, spec: TileSpec, frame: np.ndarray, alignment: int) -> np.ndarray:
    """Return pictures float32 (n * pictures_per_tile, 3, H, W) in [0, 1) of tiles; edges are replicated to H and W.

    `tiles`: (n, h, w, c). `frame`: int32 (n, FRAME) from `frames`.
    """
    offsets, depths = plane_frames(frame, spec)
    unit = (tiles - offsets[:, None, None, :]).astype(np.float32)
    unit *= np.ldexp(np.float32(1), -depths)[:, None, None, :]
    height, width = padded_size(spec, alignment)
    pad = [(0, 0), (0, height - spec.height), (0, width - spec.width), (0, 0)]
    unit = np.pad(unit, pad, mode="edge") if any(p[1] for p in pad) else unit
    planes = unit.transpose(0, 3, 1, 2)[:, _sources(spec)]
    return np.ascontiguousarray(planes.reshape(-1, CHANNELS, height, width))


def from_pictures(fixed: np.ndarray, spec: TileSpec, frame: np.ndarray, bits: int) -> Tiles:
    """Return the tiles of `to_pictures` from integers (m, 3, H, W) in units of 2^-bits, rounded and clipped.

    `bits` is at least MIN_BITS; |values| below 2^40. Integer arithmetic only: halves are rounded up.
    """
    offsets, depths = plane_frames(frame, spec)
    cut = fixed.reshape(len(frame), -1, CHANNELS, *fixed.shape[2:])[..., : spec.height, : spec.width].astype(np.int64)
    colours = COLOUR_PLANES[spec.colour]
    shift = (bits - depths)[:, :, None, None]
    if spec.colour == "rgb":
        half = np.int64(1) << shift[:, :colours] >> 1
        parts = [(cut[:, 0] + half) >> shift[:, :colours]]
        cut, shift = cut[:, 1:], shift[:, colours:]
    else:
        parts = []
    whole = CHANNELS * (np.int64(1) << shift)
    parts.append((2 * cut.sum(axis=2) + whole) // (2 * whole))
    samples = np.concatenate(parts, axis=1).transpose(0, 2, 3, 1) + offsets[:, None, None, :]
    return np.ascontiguousarray(np.clip(samples, 0, spec.maximum).astype(spec.dtype))


def _sources(spec: TileSpec) -> list[int]:
    """The plane that stands in each channel of each picture."""
    planes = range(spec.channels)
    colour = [0, 1, 2] if spec.colour == "rgb" else []
    return [*colour, *(plane for plane in planes if plane >= len(colour) for _ in range(CHANNELS))]
