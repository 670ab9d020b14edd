"""From tiles to blocks scaled to [0, 1], and from fixed-point blocks back to tiles, for the block codecs.

Planes are scaled as the tile's frame says (frame.py). Colour differences span -2^depth..2^depth and are halved and
centred on 1/2. Tensors stay on their device. Whole numbers and fixed point stand in float32, where all this is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.planes import colour
from tilepress.codecs.planes.edges import replicated
from tilepress.codecs.planes.frame import frames, has_offsets, plane_frames, power_of_two
from tilepress.codecs.planes.samples import sample_type

if TYPE_CHECKING:
    import torch


def to_blocks(tiles: torch.Tensor, spec: TileSpec, frame: torch.Tensor, block: int) -> torch.Tensor:
    """Return blocks float32 (n, c, rows, columns, block * block) in [0, 1]; edges are replicated to whole blocks.

    `tiles`: uint8 or int32 (n, h, w, c). `frame`: int32 (n, FRAME) from `frames`.
    """
    import torch

    x = replicated(replicated(tiles, 1, 0, -spec.height % block), 2, 0, -spec.width % block)
    n, height, width, c = x.shape
    cut = x.reshape(n, height // block, block, width // block, block, c).permute(0, 5, 1, 3, 2, 4).contiguous()
    samples = cut.to(torch.float32).reshape(n, c, height // block, width // block, block * block)
    if has_offsets(spec):
        samples -= _across(plane_frames(frame, spec)[0])
    scales = _scales(frame, spec)
    return colour.forward(samples, spec).sub_(scales.zero).mul_(scales.share)


def from_blocks(fixed: torch.Tensor, spec: TileSpec, frame: torch.Tensor, block: int, bits: int) -> torch.Tensor:
    """Return the tiles (n, h, w, c) that `to_blocks` made blocks of, rounded and clipped, in their `sample_type`.

    Args:
        fixed: Samples of blocks (n, c, rows, columns, block * block), whole numbers within -2^(bits + 1)..2^(bits + 1)
            in units of 2^-`bits` of full scale, in any type; it is not changed.
        spec: Of the tiles.
        frame: Of each tile, the same as for `to_blocks`.
        block: Side of a block in pixels.
        bits: Fraction bits of `fixed`, 17 to 22: with a half of the last bit that stays, all sums are below 2^24.
    """
    import torch

    n, c, rows, columns, _ = fixed.shape
    scales = _scales(frame, spec)
    planes = fixed.to(torch.float32) * (scales.whole * 2.0**-bits)
    planes.add_(scales.zero + 0.5).floor_()
    samples = colour.inverse(planes, spec)
    if has_offsets(spec):
        offsets = plane_frames(frame, spec)[0]
        samples = [(x + offsets[:, i, None, None, None]).clamp_(max=spec.maximum) for i, x in enumerate(samples)]
    whole = torch.stack([x.to(sample_type(spec)) for x in samples], dim=-1)
    cut = whole.reshape(n, rows, columns, block, block, c).transpose(2, 3)
    return cut.reshape(n, rows * block, columns * block, c)[:, : spec.height, : spec.width]


@dataclass(frozen=True)
class _Scales:
    """float32 (n or 1, c, 1, 1, 1) of each plane: full scale, a power of two; 1 / `whole`; what stands at 0."""

    whole: torch.Tensor
    share: torch.Tensor
    zero: torch.Tensor


def _scales(frame: torch.Tensor, spec: TileSpec) -> _Scales:
    if has_offsets(spec):
        return _scales_of(frame, spec)
    return _own_scales(replace(spec, height=1, width=1), frame.device)


@lru_cache(maxsize=64)
def _own_scales(spec: TileSpec, device: torch.device) -> _Scales:
    """Of tiles that all have the same frame."""
    import torch

    return _scales_of(frames(torch.zeros((1, *spec.shape), dtype=torch.uint8, device=device), spec), spec)


def _scales_of(frame: torch.Tensor, spec: TileSpec) -> _Scales:
    import torch

    _, exponents = plane_frames(frame, spec)
    zeros = torch.zeros_like(exponents)
    if spec.colour == "rgb":
        zeros[:, 1:3] = -(1 << exponents[:, 1:3])
        exponents[:, 1:3] += 1
    whole, share = power_of_two(exponents), power_of_two(-exponents)
    return _Scales(_across(whole), _across(share), _across(zeros.to(torch.float32)))


def _across(values: torch.Tensor) -> torch.Tensor:
    """Numbers (n, c) beside blocks (n, c, rows, columns, N)."""
    return values[:, :, None, None, None]
