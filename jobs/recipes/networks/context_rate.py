"""What latents will cost, estimated while a network trains: a differentiable likeness of the integer coder.

Like codecs/entropy/context_model.py it predicts each latent linearly from its west, north and diagonal
neighbours and from the channels before it, and the size of the error linearly from the errors made there. The error
is taken to be logistic.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tilepress.jobs.recipes.networks.latent_rate import LatentRate

_LEAST = 1e-6  # probability
_NEIGHBOURS = 4  # W, N, NW, NE
_RIDGE = 1e-5


class ContextRate(LatentRate):
    """See the module and the base."""

    def __init__(self, channels: int):
        super().__init__(channels)
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

    def forward(self, z: torch.Tensor, step: torch.Tensor, known: torch.Tensor | None = None) -> torch.Tensor:
        """Return the bits (n,) of grids of latents, predicted from those that are `known`."""
        z = z.float()
        seen = z if known is None else known.float()
        own = (self.own * self.before)[:, :, None, None]
        predicted = self.mean(torch.cat(_around(seen), dim=1)) + functional.conv2d(seen, own)
        size, apart = (z - predicted).abs(), (seen - predicted).abs()
        views = [*_around(apart), functional.pad(apart[:, :-1], (0, 0, 0, 0, 1, 0))]
        slope = functional.softplus(self.slope)
        scale = sum(slope[None, :, i, None, None] * view for i, view in enumerate(views))
        scale = scale + functional.softplus(self.base)[:, None, None]
        scale = scale + functional.softplus(self.step)[:, None, None] * step
        upper = torch.sigmoid((step / 2 - size) / scale)
        mass = upper - torch.sigmoid((-step / 2 - size) / scale)
        return -torch.log2(mass.clamp_min(_LEAST)).sum(dim=(1, 2, 3))

    @torch.no_grad()
    def begin(self, z: torch.Tensor) -> None:
        """Let predictions begin as regressions over latents (n, K, h, w)."""
        depth = z.shape[1]
        rows = torch.cat([*_around(z), z], dim=1).movedim(1, -1).reshape(-1, (_NEIGHBOURS + 1) * depth).double()
        rows = torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
        moments = rows.T @ rows / len(rows)
        around, constant = list(range(_NEIGHBOURS * depth)), rows.shape[1] - 1
        ridge = _RIDGE * torch.eye(rows.shape[1], dtype=torch.float64, device=z.device)
        assert self.mean.bias is not None
        for k in range(depth):
            inputs = [*around, *(_NEIGHBOURS * depth + j for j in range(k)), constant]
            gram = moments[inputs][:, inputs] + ridge[: len(inputs), : len(inputs)]
            weights = torch.linalg.solve(gram, moments[inputs, _NEIGHBOURS * depth + k]).float()
            self.mean.weight[k, :, 0, 0] = weights[: len(around)]
            self.own[k, :k] = weights[len(around) : -1]
            self.mean.bias[k] = weights[-1]


def _around(x: torch.Tensor) -> list[torch.Tensor]:
    """The neighbours of every latent that are coded before it; nearest ones at the edges."""
    height, width = x.shape[2:]
    if torch.compiler.is_compiling():  # torch 2.13 expects the gradient of `pad` to lie as it does without
        x = x.contiguous()
    wide = functional.pad(x, (1, 1, 1, 0), mode="replicate")
    places = ((1, 0), (0, 1), (0, 0), (0, 2))
    return [wide[:, :, y : y + height, x0 : x0 + width] for y, x0 in places]
