"""From tiles of any kind to the pictures of three channels that convolutional networks take, and back.

An RGB tile is one picture. Every other plane (gray, alpha, the planes of CMYK) is a picture of its own, its samples
in all three channels; what is decoded for it is the rounded mean of the three. Pictures of a tile stand next to each
other: colour first, alpha last.
Planes are scaled as the tile's frame says (frame.py). Tensors stay on their device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilepress.codecs.codec import COLOUR_PLANES, TileSpec
from tilepress.codecs.planes.edges import replicated
from tilepress.codecs.planes.frame import has_offsets, plane_frames, power_of_two
from tilepress.codecs.planes.samples import sample_type

if TYPE_CHECKING:
    import torch

CHANNELS = 3
MIN_BITS = 16  # fraction bits of decoded pictures; no sample has more


def pictures_per_tile(spec: TileSpec) -> int:
    """Return how many pictures a tile becomes: one for RGB, one for each other plane."""
    return spec.channels - (CHANNELS - 1 if spec.colour == "rgb" else 0)


def padded_size(spec: TileSpec, alignment: int) -> tuple[int, int]:
    """Return height and width of the pictures: the tile's, rounded up to multiples of `alignment`."""
    return spec.height + -spec.height % alignment, spec.width + -spec.width % alignment


def to_pictures(tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, alignment: int) -> torch.Tensor:
    """Return pictures float32 (n * pictures_per_tile, 3, H, W) in [0, 1) of tiles; edges are replicated to H and W.

    `tiles`: uint8 or int32 (n, h, w, c). `frame`: int32 (n, FRAME) from `frames`.
    """
    import torch

    offsets, depths = (each[:, :, None, None] for each in plane_frames(frame, spec))
    unit = tiles.movedim(-1, 1).to(torch.float32, memory_format=torch.contiguous_format)
    if has_offsets(spec):
        unit -= offsets
    unit *= power_of_two(-depths)
    height, width = padded_size(spec, alignment)
    unit = replicated(replicated(unit, 2, 0, height - spec.height), 3, 0, width - spec.width)
    if spec.colour == "rgb" and spec.channels == CHANNELS:
        return unit
    sources = [unit[:, plane] for plane in _sources(spec)]
    return torch.stack(sources, dim=1).reshape(-1, CHANNELS, height, width)


def from_pictures(fixed: torch.Tensor, spec: TileSpec, frame: torch.Tensor, bits: int) -> torch.Tensor:
    """Return the tiles (n, h, w, c) of `to_pictures`, rounded, halves up, and clipped, in their `sample_type`.

    `fixed`: (m, 3, H, W) whole numbers in units of 2^-bits, `bits` at least MIN_BITS: float32 within -2^23..2^23, so
    that a half more is exact, or float64 within -2^50..2^50.
    """
    pictures = fixed.reshape(len(frame), -1, CHANNELS, *fixed.shape[2:])[..., : spec.height, : spec.width]
    offsets, depths = (each[:, :, None, None] for each in plane_frames(frame, spec))
    tiles = fixed.new_empty((len(frame), *spec.shape), dtype=sample_type(spec))
    colours = COLOUR_PLANES[spec.colour] if spec.colour == "rgb" else 0
    parts = []
    if colours:  # one depth for all of them
        scaled = pictures[:, 0] * power_of_two(depths[:, :1] - bits)
        parts.append((slice(0, colours), scaled.add_(0.5).floor_()))
    if colours < spec.channels:
        planes = slice(colours, spec.channels)
        parts.append((planes, _means(pictures[:, 1 if colours else 0 :], bits - depths[:, planes])))
    for planes, samples in parts:
        whole = samples.add_(offsets[:, planes]) if has_offsets(spec) else samples
        tiles[..., planes] = whole.clamp_(0, spec.maximum).movedim(1, -1)
    return tiles


def _means(pictures: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """The rounded mean (n, p, h, w) of three channels, (n, p, 3, h, w) in units of 2^-shift: integers, halves up."""
    import torch

    wide = torch.int32 if pictures.dtype == torch.float32 else torch.int64  # for seven times what a float holds
    whole = CHANNELS * (torch.ones_like(shift, dtype=wide) << shift)
    total = pictures.to(wide).sum(dim=2, dtype=wide)
    return torch.div(2 * total + whole, 2 * whole, rounding_mode="floor")


def _sources(spec: TileSpec) -> list[int]:
    """The plane that stands in each channel of each picture."""
    planes = range(spec.channels)
    colour = [0, 1, 2] if spec.colour == "rgb" else []
    return [*colour, *(plane for plane in planes if plane >= len(colour) for _ in range(CHANNELS))]
