"""Planes to learn restoration from: what JPEG makes of photographs and drawings, on the device of the crops.

All are float32, in samples of 0..255. A picture is one plane; the blocks of a JPEG file are positions of 64 channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch.nn import functional

from tilepress.codecs.jpeg.file.tables import CHROMA, LUMA, standard_tables
from tilepress.jobs.recipes.networks.numbers import numbers

SIDE = 8
_CENTRE, _COARSE, _COARSEST_SHARE = 128.0, 50, 0.5
_OTHER_SHARE, _OTHER_DEVIATION = 0.125, 0.3
_SHAPES, _STRIPES = 10, 4
_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF


@dataclass(frozen=True)
class Compressed:
    """What JPEG made of planes. `original`: coefficients (n, 64, rows, columns), not quantised; `levels`: quantised.

    `table`: steps int64 (n, 64), 1..255.
    """

    original: torch.Tensor
    levels: torch.Tensor
    table: torch.Tensor

    @property
    def step(self) -> torch.Tensor:
        """(n, 64, 1, 1): by what levels are multiplied."""
        return self.table[:, :, None, None]


def compressed(planes: torch.Tensor, table: torch.Tensor) -> Compressed:
    """Return what JPEG makes of planes (n, h, w), sides multiples of 8, with steps int64 (n, 64)."""
    original = coefficients(planes)
    levels = torch.round(original / table[:, :, None, None])
    return Compressed(original, levels, table)


def coefficients(planes: torch.Tensor) -> torch.Tensor:
    """Return the orthonormal DCT of each block of planes (n, h, w): (n, 64, h / 8, w / 8), natural order.

    In float32, whatever autocast says.
    """
    with torch.autocast(planes.device.type, enabled=False):
        n, height, width = planes.shape
        cut = (planes - _CENTRE).reshape(n, height // SIDE, SIDE, width // SIDE, SIDE)
        basis = _basis(planes.device)
        blocks = torch.einsum("vy,nrycx,ux->nvurc", basis, cut, basis)
        return blocks.reshape(n, SIDE * SIDE, height // SIDE, width // SIDE)


def luma(crops: torch.Tensor) -> torch.Tensor:
    """Return luma (n, h, w) of crops uint8 (n, h, w, 3), rounded as JPEG files hold it."""
    return torch.round(crops.float() @ numbers(_YCC[0], crops.device))


def chroma_mosaics(crops: torch.Tensor) -> torch.Tensor:
    """Return planes (n / 2, h, w) of the halved chroma of pairs of crops uint8 (n, h, w, 3), four side by side.

    Where they meet pictures change at the edge of a block, as they do in collages and scanned pages.
    """
    weights = torch.stack([numbers(row, crops.device) for row in _YCC[1:]])
    both = torch.round(crops.float() @ weights.T + _CENTRE).clamp(max=255).permute(0, 3, 1, 2)
    small = torch.round(functional.avg_pool2d(both, 2))
    pairs = small.reshape(len(crops) // 2, 2, 2, *small.shape[2:])
    return torch.cat(list(torch.cat(list(pairs.unbind(1)), dim=2).unbind(1)), dim=2)


def drawings(count: int, side: int, device: torch.device) -> torch.Tensor:
    """Return drawings (count, side, side) of flat tones: turned rectangles, discs and fine stripes, not smoothed."""
    across = torch.arange(side, device=device, dtype=torch.float32)
    y, x = torch.meshgrid(across, across, indexing="ij")
    planes = _tones(count, device).expand(-1, side, side)
    for number in range(_SHAPES):
        centre, size = torch.rand(2, 2, count, 1, 1, device=device)
        dy, dx = y - side * centre[0], x - side * centre[1]
        angle = torch.randint(0, 8, (count, 1, 1), device=device) * (math.pi / 8)
        along, beside = dx * torch.cos(angle) + dy * torch.sin(angle), dy * torch.cos(angle) - dx * torch.sin(angle)
        long, wide = (side / 2) * size[0] ** 2 + 1, (side / 2) * size[1] ** 3 + 0.5
        if number < _STRIPES:
            inside = ((along / (2 * wide + 1)).floor() % 2 == 0) & (along.abs() < long) & (beside.abs() < long)
        elif number % 2:
            inside = (along / long) ** 2 + (beside / wide) ** 2 < 1
        else:
            inside = (along.abs() < long) & (beside.abs() < wide)
        planes = torch.where(inside, _tones(count, device), planes)
    return planes


def random_tables(kinds: torch.Tensor) -> torch.Tensor:
    """Return steps int64 (n, 64) of random qualities of 5 to 100, coarse ones more often; some of other encoders.

    `kinds`: LUMA or CHROMA, int64 (n,).
    """
    device, count = kinds.device, len(kinds)
    share = torch.rand(count, device=device)
    most = torch.where(torch.rand(count, device=device) < _COARSEST_SHARE, _COARSE, 100)
    table = tables_of(5 + (share * (most - 4)).long(), kinds)
    noise = torch.exp(_OTHER_DEVIATION * torch.randn(count, SIDE * SIDE, device=device))
    other = torch.round(table * noise).clamp(1, 255).long()
    return torch.where(torch.rand(count, 1, device=device) < _OTHER_SHARE, other, table)


def tables_of(qualities: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
    """Return libjpeg's steps int64 (n, 64) of qualities 1..100 and kinds, int64 (n,) each."""
    return _standard(kinds.device)[kinds, qualities - 1]


@cache
def _standard(device: torch.device) -> torch.Tensor:
    """The tables of luma and chroma, int64 (2, 100, 64): copied to a device once, and not in every step."""
    return torch.from_numpy(np.stack([standard_tables(kind) for kind in (LUMA, CHROMA)])).to(device, torch.int64)


def _tones(count: int, device: torch.device) -> torch.Tensor:
    """A tone of 0..255 for each plane; black and white often."""
    return torch.round(torch.rand(count, 1, 1, device=device) * 355 - 50).clamp(0, 255)


@cache
def _basis(device: torch.device) -> torch.Tensor:
    """The orthonormal DCT, float32 (frequency, place)."""
    place = torch.arange(SIDE, dtype=torch.float64)
    rows = torch.cos(math.pi * (2 * place + 1) * place[:, None] / 16) * math.sqrt(2 / SIDE)
    rows[0] = math.sqrt(1 / SIDE)
    return rows.to(device, torch.float32)
