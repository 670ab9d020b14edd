"""Blocks moved and bent at random: strokes differ from digit to digit in more ways than a data set shows.

After Simard, Steinkraus and Platt (2003), who bend digits along smooth random fields. A field here is given by what a
grid of control points moves by; points between those follow by bicubic interpolation, so that it turns, stretches and
bends a block at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

_CONTROLS = 4  # control points a side, the outermost on the corners


@dataclass(frozen=True)
class Warp:
    """Changes square blocks at random, by torch's global generator.

    `shifts`: samples that a block moves by in each direction, at most, a whole number. `bend`: samples that control
    points move by, standard deviation. Beyond its border a block is as at its border.
    """

    shifts: int
    bend: float

    def __call__(self, blocks: torch.Tensor) -> torch.Tensor:
        """Return blocks float32 (..., N) in [0, 1], each changed in its own way; as they are if nothing is asked."""
        if not self.shifts and not self.bend:
            return blocks
        side = math.isqrt(blocks.shape[-1])
        flat = blocks.reshape(-1, 1, side, side)
        places = _places(side, blocks.device) + self._moves(len(flat), side, blocks.device) * (2 / side)
        found = functional.grid_sample(flat, places, mode="bicubic", padding_mode="border", align_corners=False)
        return found.clamp(0, 1).reshape(blocks.shape)

    def _moves(self, count: int, side: int, device: torch.device) -> torch.Tensor:
        """Return what samples move by, float32 (count, side, side, 2), x and y."""
        points = self.bend * torch.randn(count, 2, _CONTROLS, _CONTROLS, device=device)
        field = functional.interpolate(points, size=(side, side), mode="bicubic", align_corners=True)
        whole = torch.randint(-self.shifts, self.shifts + 1, (count, 1, 1, 2), device=device)
        return field.movedim(1, -1) + whole


def _places(side: int, device: torch.device) -> torch.Tensor:
    """Return the centres of samples as `grid_sample` counts them, float32 (side, side, 2), x and y."""
    centres = (2 * torch.arange(side, device=device) + 1) / side - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x, y], dim=-1)
