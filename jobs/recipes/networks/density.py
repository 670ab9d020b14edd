"""The density of latents that a factorised prior stands for, while a network trains."""

from __future__ import annotations

import torch
from torch import nn

QUICK = 10.0  # gains and densities learn so much more quickly than weights: they are logarithms
COMPONENTS = 3  # of the mixture that is a channel's density
_FITTING = 120  # steps by which the density begins
_FLOOR = 1e-9  # of a likelihood


class Density(nn.Module):
    """A mixture of logistics for each channel: the probability of the bin of a given width around a value.

    Smaller and quicker to train than the chained non-linear CDF of Ballé et al. 2018, appendix 6.1, and of little
    consequence after training: the tables that are shipped are counted from quantised latents.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(3, channels, COMPONENTS))

    @property
    def weight(self) -> torch.Tensor:
        """(c, COMPONENTS), before the softmax."""
        return QUICK * self.raw[0]

    @property
    def mean(self) -> torch.Tensor:
        """(c, COMPONENTS)."""
        return QUICK * self.raw[1]

    @property
    def log_scale(self) -> torch.Tensor:
        """(c, COMPONENTS)."""
        return QUICK * self.raw[2]

    def forward(self, y: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
        """Return likelihoods of `y` (n, c, h, w) for bins of `width` (n, c), in the units of `y`."""
        scale = torch.exp(-self.log_scale).t()[:, None, :, None, None]
        distance = (y - self.mean.t()[:, None, :, None, None]).abs()
        half = width[None, :, :, None, None] / 2
        mass = torch.sigmoid((half - distance) * scale) - torch.sigmoid((-half - distance) * scale)
        share = torch.softmax(self.weight, dim=1).t()[:, None, :, None, None]
        return (share * mass).sum(dim=0).clamp_min(_FLOOR)

    def fit(self, y: torch.Tensor, widths: torch.Tensor) -> None:
        """Begin with the spread of `y` (n, c, h, w), then some steps by itself at each of `widths` (levels, c)."""
        spread = spread_of(y)[:, None]
        self.raw[1] = y.transpose(0, 1).flatten(1).mean(dim=1)[:, None] / QUICK
        self.raw[2] = torch.log(spread * torch.tensor([0.15, 0.5, 1.5], device=y.device)) / QUICK
        optimiser = torch.optim.Adam(self.parameters(), lr=0.05 / QUICK)
        with torch.enable_grad():
            for i in range(_FITTING):
                width = widths[i % len(widths)].expand(len(y), -1)
                noisy = y + (torch.rand_like(y) - 0.5) * width[:, :, None, None]
                loss = -torch.log(self(noisy, width)).mean()
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()


def spread_of(x: torch.Tensor) -> torch.Tensor:
    """Return (c,), the standard deviation of every channel of (n, c, h, w)."""
    return x.transpose(0, 1).flatten(1).std(dim=1).clamp_min(1e-2)
