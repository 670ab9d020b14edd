"""The float network of `cnn-rnn-ae` while it trains: all iterations in turn, the error of each going to the next.

As in cnn-ae the synthesis sees rounded latents, the gradient passing straight through, and the rate is that of latents
with uniform noise. What the next iteration sees is thus the error that truly quantised latents leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from tilepress.codecs.learned.cnn_rnn_ae.config import RecurrentConfig
from tilepress.codecs.learned.networks import UNIT, float_network
from tilepress.jobs.recipes.networks.blocks import join, split
from tilepress.jobs.recipes.networks.bounded import bounded
from tilepress.jobs.recipes.networks.latent_rate import LatentRate
from tilepress.jobs.recipes.networks.linear import begin_linear, centre_latents, may_begin_linear
from tilepress.jobs.recipes.networks.pictures import Coded, pictures
from tilepress.jobs.recipes.networks.priors import PRIORS

_BEGUN = 1 << 22  # pixels of the pictures that networks begin with


@dataclass
class Iteration:
    """What an iteration does to pieces of pictures, full scale being 1; latents (m, K, h', w').

    `error`: (m, 3, h, w), what was left before, times 2^shift. `latents`: before rounding. `rounded`: with the
    gradient of `latents`. `decoded`: (m, 3, h, w), what the iteration adds.
    """

    error: torch.Tensor
    latents: torch.Tensor
    rounded: torch.Tensor
    decoded: torch.Tensor


class RecurrentAutoencoder(nn.Module):
    """Called with crops, it gives what the loss needs.

    `ceilings`: latents are clipped to 0..ceiling; 0: not. `prior`: of PRIORS, how bits are estimated.
    """

    def __init__(self, config: RecurrentConfig, ceilings: list[float], prior: str = "context"):
        super().__init__()
        self.config, self.ceilings = config, ceilings
        plans = config.synthesis_plans
        self.analyses = nn.ModuleList(float_network(config.analysis_plan) for _ in plans)
        self.syntheses = nn.ModuleList(float_network(each) for each in plans)
        self.rates = nn.ModuleList(PRIORS[prior](config.latents) for _ in config.steps)

    def pair(self, at: int) -> tuple[nn.Sequential, nn.Sequential]:
        """Return the analysis and the synthesis of a number."""
        return cast(nn.Sequential, self.analyses[at]), cast(nn.Sequential, self.syntheses[at])

    def rate(self, iteration: int) -> LatentRate:
        """Return what estimates the bits of an iteration's latents."""
        return cast(LatentRate, self.rates[iteration])

    @property
    def steps(self) -> list[float]:
        """Quantisation step of each iteration, 1 being full scale."""
        return [step / UNIT for step in self.config.steps]

    def forward(self, crops: torch.Tensor) -> Coded:
        """Return what crops uint8 (n, h, w, 3) are after each iteration, and bits of all streams so far."""
        x = pictures(crops)
        n, _, height, width = x.shape
        pieces, rows = split(x, self.config.block), height // self.config.analysis_plan.stride
        total, decoded, bits = torch.zeros_like(pieces), [], []
        for i, done in enumerate(self.iterations(pieces)):
            total = total + done.decoded
            shown = total if self.training else total.clamp(0, 1)
            decoded.append(join(shown.float(), n, height))
            noise = (torch.rand_like(done.latents) - 0.5) * self.steps[i]
            seen = done.latents + noise if self.training else done.rounded
            step = torch.full((n, 1, 1, 1), self.steps[i], device=x.device)
            bits.append(self.rate(i)(join(seen, n, rows), step, join(done.rounded, n, rows)))
        return Coded(torch.stack(decoded), torch.stack(bits).cumsum(dim=0) / (height * width))

    def iterations(self, pieces: torch.Tensor) -> Iterator[Iteration]:
        """Yield each iteration over pieces of pictures (m, 3, h, w)."""
        left, seen = pieces, []
        for i, (at, shift) in enumerate(zip(self.config.networks, self.config.shifts, strict=True)):
            error = left * 2.0**shift
            z = self.analyses[at](error)
            z = bounded(z, self.ceilings[i]) if self.ceilings[i] else z
            rounded = z + (torch.round(z / self.steps[i]) * self.steps[i] - z).detach()
            seen.append(rounded)
            decoded = self.syntheses[at](rounded if self.config.shared else torch.cat(seen, dim=1)) * 2.0**-shift
            left = left - decoded
            yield Iteration(error, z, rounded, decoded)


@torch.no_grad()
def begin(network: RecurrentAutoencoder, crops: torch.Tensor, anew: bool = True) -> None:
    """Let the networks of each iteration begin as principal components of the error that those before it leave.

    Networks of another shape, or too narrow, only get their latents scaled; all stay as they are unless `anew`. Rates
    begin as they fit the latents.
    """
    config = network.config
    x = pictures(crops[: max(1, _BEGUN // crops[0, ..., 0].numel())])
    left, rows = split(x, config.block), x.shape[2] // config.analysis_plan.stride
    done = network.iterations(left)
    for i, at in enumerate(config.networks):
        if anew and i == at:
            _begin_pair(network, i, left)
        result = next(done)
        network.rate(i).begin(join(result.rounded, len(x), rows))
        left = left - result.decoded


def _begin_pair(network: RecurrentAutoencoder, at: int, left: torch.Tensor) -> None:
    """Let the networks of iteration `at` begin, which sees pieces (m, 3, h, w) of errors."""
    config, (analysis, synthesis) = network.config, network.pair(at)
    error = left * 2.0 ** config.shifts[at]
    if may_begin_linear(config.analysis_plan, config.synthesis_plans[at]):
        begin_linear(analysis, synthesis, error, before=config.latents * at)
    elif network.ceilings[at]:
        centre_latents(analysis, network.ceilings[at], error[: max(1, len(error) // 16)])
