"""From crops to what networks see, and principal components of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_AT_ONCE = 1 << 14


@dataclass
class Coded:
    """What crops became: decoded `pictures` (..., n, 3, h, w) of full scale 1, and `bits` (..., n) a pixel.

    Networks that code them several times have an axis for that in front.
    """

    pictures: torch.Tensor
    bits: torch.Tensor


def pictures(crops: torch.Tensor) -> torch.Tensor:
    """Return crops uint8 (n, h, w, 3) as float32 (n, 3, h, w) in [0, 1), scaled as codecs/planes/rgb_inputs.py does."""
    return crops.permute(0, 3, 1, 2).float() / 256


def moved(crops: torch.Tensor, most: int) -> torch.Tensor:
    """Return crops (n, h, w, c) moved by random pixels, up to `most` each way, mirrored where nothing is: all alike."""
    for axis in (1, 2):
        last = crops.shape[axis] - 1
        places = torch.arange(last + 1, device=crops.device) + int(torch.randint(-most, most + 1, ()))
        crops = crops.index_select(axis, last - (last - places.abs()).abs())
    return crops


def principal_components(blocks: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean (N,) of blocks (m, N), and their first components (count, N), rows of length 1, largest first."""
    total = blocks.sum(dim=0, dtype=torch.float64)
    mean = (total / len(blocks)).to(blocks.dtype)
    scatter = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=blocks.device)
    for part in torch.split(blocks, _AT_ONCE):
        scatter += ((part - mean).T @ (part - mean)).double()
    vectors: torch.Tensor = torch.linalg.eigh(scatter).eigenvectors
    basis = vectors.flip(1)[:, :count].T
    basis = basis * torch.where(basis.sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
    return mean, basis.to(blocks.dtype)
