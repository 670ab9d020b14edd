"""The float network of `gdn-factorized`: the transform with divisive normalisation, gains, and a factorised density.

Additive uniform noise stands for rounding (Ballé, Laparra, Simoncelli 2017). One network serves several rates: each
level has a gain for every channel of the latents (Cui et al. 2021, "Asymmetric gained deep image compression"), and
one density of the latents serves them all, since a gain only changes the width of its bins.
"""

from __future__ import annotations

import torch
from torch import nn

from tilepress.codecs.learned.divisive import SCALE
from tilepress.jobs.recipes.networks.density import QUICK, Density
from tilepress.jobs.recipes.networks.divisive import DivisiveTransform
from tilepress.jobs.recipes.networks.pictures import Coded

_FITTED = 32  # crops that the density begins with


class GdnNetwork(DivisiveTransform):
    """See the module. `channels`: after each stage of the analysis, the latents last; `levels`: how many rates."""

    def __init__(self, channels: tuple[int, int, int], levels: int):
        super().__init__(channels)
        self.density = Density(channels[2])
        self.raw_gains = nn.Parameter(torch.zeros(2, levels, channels[2]))

    @property
    def log_gain(self) -> torch.Tensor:
        """(levels, c): of what latents are multiplied by before they are rounded."""
        return QUICK * self.raw_gains[0]

    @property
    def log_inverse_gain(self) -> torch.Tensor:
        """(levels, c): of what rounded latents are multiplied by."""
        return QUICK * self.raw_gains[1]

    def forward(self, pictures: torch.Tensor, levels: torch.Tensor) -> Coded:
        """Code pictures (n, 3, h, w) in [0, 1] at `levels` (n,). In training the rate is that of noisy latents;
        the synthesis sees rounded ones, with the gradient passed straight through (Minnen and Singh 2020): noise
        in the many channels that are zero at low rates would cost it more than it teaches."""
        y = self.latents(pictures).float()
        gain, inverse = self.log_gain[levels].exp(), self.log_inverse_gain[levels].exp()
        scaled = y * gain[:, :, None, None]
        rounded = scaled + (torch.round(scaled) - scaled).detach()
        coded = scaled + torch.rand_like(scaled) - 0.5 if self.training else rounded
        likelihood = self.density(coded / gain[:, :, None, None], 1 / gain)
        bits = -torch.log2(likelihood).sum(dim=(1, 2, 3))
        area = pictures.shape[2] * pictures.shape[3]
        return Coded(self.pictures(rounded * inverse[:, :, None, None]), bits / area)

    @torch.no_grad()
    def begin(self, pictures: torch.Tensor, steps: torch.Tensor) -> None:
        """Begin as a fair transform codec of `pictures` (n, 3, h, w) in [0, 1].

        `steps` (levels,): quantisation steps at full scale 1.
        """
        latents, scale = self.begin_with_klt(pictures)
        self.raw_gains[0] = (-torch.log(steps * SCALE)[:, None] - torch.log(scale)) / QUICK
        self.raw_gains[1] = -self.raw_gains[0]
        self.begin_density(latents)

    @torch.no_grad()
    def begin_density(self, latents: torch.Tensor) -> None:
        """Let the density begin as that of latents (n, c, h, w), some of them."""
        self.density.fit(latents[:_FITTED], 1 / self.log_gain.exp())
