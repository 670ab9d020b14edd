"""What latents will cost, estimated while a network trains: what every estimate has."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import nn


class LatentRate(nn.Module):
    """Bits of latents quantised in uniform steps, full scale being 1. It is made for a number of channels."""

    @abstractmethod
    def __init__(self, channels: int):
        super().__init__()

    @abstractmethod
    def forward(self, z: torch.Tensor, step: torch.Tensor, known: torch.Tensor | None = None) -> torch.Tensor:
        """Return the bits (n,) of grids of latents `z` (n, K, h, w), noise or rounding already in them.

        `step`: of each grid, (n, 1, 1, 1). `known`: the same latents rounded, which a decoder predicts the others from;
        None: `z` itself. Noise in them would hide how certain latents are that are nearly always 0.
        """

    @abstractmethod
    def begin(self, z: torch.Tensor) -> None:
        """Let the estimate begin as it fits latents (n, K, h, w)."""
