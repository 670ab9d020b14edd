"""The entropy of latents while a network trains, each channel by itself, as if latents knew nothing of each other.

As a factorised prior estimates it (Ballé, Laparra, Simoncelli 2017). Coders that predict latents spend less: a network
that trains so is not told that neighbours may be alike.
"""

from __future__ import annotations

import torch

from tilepress.jobs.recipes.networks.density import Density, spread_of
from tilepress.jobs.recipes.networks.latent_rate import LatentRate

_UNITS = 16.0  # full scale in the units of a density, whose means learn by absolute steps
_FITTED = 1 << 17  # latents that densities begin with
_WIDTHS = (0.25, 1.0)  # of the bins that a density begins with, in standard deviations


class FactorizedRate(LatentRate):
    """See the module and the base."""

    def __init__(self, channels: int):
        super().__init__(channels)
        self.density = Density(channels)

    def forward(self, z: torch.Tensor, step: torch.Tensor, known: torch.Tensor | None = None) -> torch.Tensor:
        """Return the bits (n,) of grids of latents; nothing is predicted from those that are `known`."""
        width = (_UNITS * step).reshape(-1, 1).expand(-1, z.shape[1])
        return -torch.log2(self.density(_UNITS * z.float(), width)).sum(dim=(1, 2, 3))

    @torch.no_grad()
    def begin(self, z: torch.Tensor) -> None:
        """Let densities begin as those of the channels of latents (n, K, h, w), some of them."""
        y = _UNITS * z[: max(1, _FITTED // z[0].numel())]
        self.density.fit(y, torch.tensor(_WIDTHS, device=y.device)[:, None] * spread_of(y))
