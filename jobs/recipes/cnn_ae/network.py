"""The float network of `cnn-ae` while it trains: analysis, surrogates of rounding, synthesis, and the rate.

Two surrogates for rounding (Minnen, Singh, "Channel-wise autoregressive entropy models", 2020, section 3.3): the
synthesis sees rounded latents, the gradient passing straight through, so that it learns what rounding does to smooth
areas; the rate is estimated from latents with additive uniform noise as wide as the step (Ballé, Laparra, Simoncelli
2017). When only evaluated, both are rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from tilepress.codecs.learned.networks import UNIT, NetworkPlan, float_network
from tilepress.jobs.recipes.networks.blocks import join, split
from tilepress.jobs.recipes.networks.bounded import bounded
from tilepress.jobs.recipes.networks.linear import begin_linear, centre_latents, may_begin_linear
from tilepress.jobs.recipes.networks.pictures import Coded, pictures
from tilepress.jobs.recipes.networks.priors import PRIORS

_CENTRED = 1 << 18  # pixels that latents are centred on
LEVELS_OF_STRENGTH = 8.0  # a step of 2^8 is told as 1


@dataclass(frozen=True)
class Shape:
    """What the network is made of. `block`: crops are cut into blocks of that side, 0: left whole. `ceiling`: latents
    are clipped to 0..ceiling, 0: not. `told`: the synthesis has a channel for the strength of quantisation. `prior`: of
    PRIORS, how bits are estimated."""

    analysis: NetworkPlan
    synthesis: NetworkPlan
    block: int
    ceiling: float
    told: bool
    prior: str = "context"


class Autoencoder(nn.Module):
    """Called with crops and steps, it gives what the loss needs."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.analysis = float_network(shape.analysis)
        self.synthesis = float_network(shape.synthesis)
        self.rate = PRIORS[shape.prior](shape.analysis.outputs)

    def latents(self, x: torch.Tensor) -> torch.Tensor:
        """Return the latents (n, K, h', w') of pictures (n, 3, h, w)."""
        z: torch.Tensor = self.analysis(x)
        return bounded(z, self.shape.ceiling) if self.shape.ceiling else z

    def forward(self, crops: torch.Tensor, step: torch.Tensor) -> Coded:
        """Return what crops uint8 (n, h, w, 3) become at steps (n,), 1 being full scale."""
        _, inputs, bits = self.coded(crops, step)
        return Coded(join(self.decoded(self.synthesis, inputs), len(crops), crops.shape[1]), bits)

    def coded(self, crops: torch.Tensor, step: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the pieces (m, 3, b, b) that crops are cut into, what a synthesis takes of them, and bits (n,)."""
        x = pictures(crops)
        n, _, height, width = x.shape
        pieces = split(x, self.shape.block)
        z = self.latents(pieces)
        each = step.repeat_interleave(len(pieces) // n)[:, None, None, None]
        rounded = z + (torch.round(z / each) * each - z).detach()
        seen = z + (torch.rand_like(z) - 0.5) * each if self.training else rounded
        bits = self.rate(join(seen, n, height // self.shape.analysis.stride), step[:, None, None, None])
        return pieces, self.told(rounded, each), bits / (height * width)

    def decoded(self, synthesis: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Return the pieces (m, 3, b, b) that a synthesis makes, clipped where they are only evaluated."""
        y: torch.Tensor = synthesis(inputs)
        return y.float() if self.training else y.float().clamp(0, 1)

    def told(self, z: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Return latents as the synthesis takes them."""
        if not self.shape.told:
            return z
        strength = torch.log2(UNIT * step) / LEVELS_OF_STRENGTH
        return torch.cat([z, strength.expand(-1, 1, *z.shape[2:]).to(z.dtype)], dim=1)


@torch.no_grad()
def begin(network: Autoencoder, crops: torch.Tensor) -> None:
    """Let a slim network begin as the principal components of unshuffled pixels.

    Networks of other shapes, or too narrow, only get their latents scaled.
    """
    x, shape = pictures(crops), network.shape
    linear = may_begin_linear(shape.analysis, shape.synthesis)
    if linear:
        begin_linear(network.analysis, network.synthesis, x)
    if shape.ceiling:
        some = x[: max(1, _CENTRED // x[0, 0].numel())]
        undone_by = network.synthesis if linear else None
        centre_latents(network.analysis, shape.ceiling, split(some, shape.block), undone_by)
    if shape.prior != "context":  # contexts predict fairly from the start
        begin_rate(network, crops)


@torch.no_grad()
def begin_rate(network: Autoencoder, crops: torch.Tensor) -> None:
    """Let the estimate of bits begin as it fits the latents of crops uint8 (n, h, w, 3), some of them."""
    x = pictures(crops[: max(1, _CENTRED // crops[0, ..., 0].numel())])
    latents = network.latents(split(x, network.shape.block))
    network.rate.begin(join(latents, len(x), x.shape[2] // network.shape.analysis.stride))
