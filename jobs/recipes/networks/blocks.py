"""Square crops as the blocks that a network sees, and what networks make of blocks as crops again."""

from __future__ import annotations

import torch


def split(x: torch.Tensor, block: int) -> torch.Tensor:
    """Return crops (n, c, h, w) as (n * blocks, c, block, block), row by row; 0: themselves."""
    if not block:
        return x
    n, c, height, width = x.shape
    cut = x.reshape(n, c, height // block, block, width // block, block).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(-1, c, block, block)


def join(z: torch.Tensor, n: int, rows: int) -> torch.Tensor:
    """Return (n, K, rows, rows), the latents or the samples of n square crops, of those of their blocks."""
    if len(z) == n:
        return z
    side, across = z.shape[2], rows // z.shape[2]
    cut = z.reshape(n, across, across, z.shape[1], side, side).permute(0, 3, 1, 4, 2, 5)
    return cut.reshape(n, z.shape[1], rows, rows)
