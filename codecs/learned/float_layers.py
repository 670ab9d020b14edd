"""Layers of float networks that torch does not have. The module imports torch: import it where a network is built."""

from __future__ import annotations

import torch
from torch import nn


class Beside(nn.Module):
    """The float form of integer/branches.py: relu of a convolution, and behind it what went into it."""

    def __init__(self, inputs: int, filters: int, size: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, filters, size, padding=size // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, filters + c, h, w) of pictures (n, c, h, w)."""
        return torch.cat([self.conv(x).relu(), x], dim=1)


def convolution_of(module: nn.Module) -> nn.Conv2d | None:
    """Return the convolution that an operation's module is or has; None if it has none."""
    if isinstance(module, Beside):
        return module.conv
    return module if isinstance(module, nn.Conv2d) else None
