"""What latents will cost, estimated while a network trains: a differentiable likeness of the integer coder.

Like codecs/entropy/context_model.py it predicts each latent linearly from its west, north and diagonal
neighbours and from the channels before it, and the size of the error linearly from the errors made there. The error
is taken to be logistic.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_LEAST = 1e-6  # probability
_NEIGHBOURS = 4  # W, N, NW, NE


class ContextRate(nn.Module):
    """Bits of latents (n, K, h, w) quantised with steps (n, 1, 1, 1)."""

    def __init__(self, channels: int):
        super().__init__()
        self.mean = nn.Conv2d(_NEIGHBOURS * channels, channels, 1)
        self.own = nn.Parameter(torch.zeros(channels, channels))
        self.slope = nn.Parameter(torch.full((channels, _NEIGHBOURS + 1), -2.0))  # through softplus, as the next two
        self.base = nn.Parameter(torch.full((channels,), -6.0))
        self.step = nn.Parameter(torch.full((channels,), -2.0))
        self.register_buffer("before", torch.ones(channels, channels).tril(-1), persistent=False)
        self.before: torch.Tensor
        with torch.no_grad():
            eye = torch.eye(channels)
            self.mean.weight.copy_(torch.cat([eye / 2, eye / 2, 0 * eye, 0 * eye], dim=1)[:, :, None, None])
            assert self.mean.bias is not None
            self.mean.bias.zero_()

    def forward(self, z: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """(n,): bits of each grid of latents, noise or rounding already in them."""
        z = z.float()
        own = (self.own * self.before)[:, :, None, None]
        error = z - self.mean(torch.cat(_around(z), dim=1)) - functional.conv2d(z, own)
        size = error.abs()
        views = [*_around(size), functional.pad(size[:, :-1], (0, 0, 0, 0, 1, 0))]
        slope = functional.softplus(self.slope)
        scale = sum(slope[None, :, i, None, None] * view for i, view in enumerate(views))
        scale = scale + functional.softplus(self.base)[:, None, None]
        scale = scale + functional.softplus(self.step)[:, None, None] * step
        upper = torch.sigmoid((step / 2 - size) / scale)
        mass = upper - torch.sigmoid((-step / 2 - size) / scale)
        return -torch.log2(mass.clamp_min(_LEAST)).sum(dim=(1, 2, 3))


def _around(x: torch.Tensor) -> list[torch.Tensor]:
    """The neighbours of every latent that are coded before it; nearest ones at the edges."""
    height, width = x.shape[2:]
    wide = functional.pad(x, (1, 1, 1, 0), mode="replicate")
    places = ((1, 0), (0, 1), (0, 0), (0, 2))
    return [wide[:, :, y : y + height, x0 : x0 + width] for y, x0 in places]
