"""The float network of `cae` while it trains: all levels of a picture in one pass.

As in cnn-ae the synthesis sees rounded latents, the gradient passing straight through, and the rate is that of latents
with uniform noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from tilepress.codecs.learned.cae.config import CaeConfig
from tilepress.codecs.learned.networks import ANALYSIS, SYNTHESIS, UNIT, float_network, plan
from tilepress.jobs.recipes.networks.latent_rate import LatentRate
from tilepress.jobs.recipes.networks.linear import convolutions, set_linear
from tilepress.jobs.recipes.networks.pictures import Coded, pictures, principal_components
from tilepress.jobs.recipes.networks.priors import PRIORS

_BEGUN = 1 << 22  # pixels of the pictures that units begin with


@dataclass
class CodedLevels(Coded):
    """What crops became at each level, coarse to fine. `energies` (levels, n): sum of squared latents, a pixel."""

    energies: torch.Tensor


class SymmetricAutoencoder(nn.Module):
    """Called with crops, it gives what the loss needs. `prior`: of PRIORS, how bits are estimated."""

    def __init__(self, config: CaeConfig, prior: str = "context"):
        super().__init__()
        self.config = config
        units = range(config.level_count)
        self.downs = nn.ModuleList(float_network(config.down_plan(u)) for u in units)
        self.ups = nn.ModuleList(float_network(config.up_plan(u)) for u in units)
        features, latents = config.features[1:], config.latents
        self.heads = nn.ModuleList(float_network(plan(config.head(u), features[u], ANALYSIS)) for u in units)
        self.entries = nn.ModuleList(float_network(plan(config.entry(u), latents[u], SYNTHESIS)) for u in units)
        self.rates = nn.ModuleList(PRIORS[prior](depth) for depth in latents)

    def forward(self, crops: torch.Tensor) -> CodedLevels:
        """Return what crops uint8 (n, h, w, 3) become."""
        x = features = pictures(crops)
        levels = []
        for unit, down in enumerate(self.downs):
            features = down(features)
            levels.append(self._coded(x, self.heads[unit](features), unit))
        decoded, bits, energies = zip(*reversed(levels), strict=True)
        return CodedLevels(torch.stack(decoded), torch.stack(bits), torch.stack(energies))

    def step(self, unit: int) -> float:
        """Return the quantisation step behind a unit, 1 being full scale."""
        return self.config.steps[unit] / UNIT

    def rounded(self, z: torch.Tensor, unit: int) -> torch.Tensor:
        """Return latents in whole steps, with the gradient of `z`."""
        step = self.step(unit)
        return z + (torch.round(z / step) * step - z).detach()

    def synthesis(self, unit: int) -> nn.Sequential:
        """Return entry and up-sampling units from the latents behind a unit to pictures, as one network."""
        parts = [self.entries[unit], *(self.ups[u] for u in range(unit, -1, -1))]
        return nn.Sequential(*(module for part in parts for module in cast(nn.Sequential, part)))

    def analysis(self, unit: int) -> nn.Sequential:
        """Return down-sampling units and head from pictures to the latents behind a unit, as one network."""
        parts = [*self.downs[: unit + 1], self.heads[unit]]
        return nn.Sequential(*(module for part in parts for module in cast(nn.Sequential, part)))

    def _coded(self, x: torch.Tensor, z: torch.Tensor, unit: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return pictures (n, 3, h, w) decoded from latents `z` behind a unit, and bits and energy (n,) of those."""
        rounded, area, step = self.rounded(z, unit), x.shape[2] * x.shape[3], self.step(unit)
        y = self.synthesis(unit)(rounded)
        y = y if self.training else y.clamp(0, 1)
        seen = z + (torch.rand_like(z) - 0.5) * step if self.training else rounded
        bits = self.rates[unit](seen, torch.full((len(x), 1, 1, 1), step, device=x.device), rounded)
        energy = z.float().square().sum(dim=(1, 2, 3)) / area
        return y.float(), bits / area, energy


def may_begin_linear(config: CaeConfig) -> bool:
    """Return whether `begin` suits a network: of units `unshuffle`, `conv`, `relu` with two features for each latent.

    Their mirror images end in `conv`, maybe `relu`, and `shuffle`.
    """
    for unit, depth in enumerate(config.latents):
        down, up, wide = config.down_plan(unit), config.up_plan(unit), 2 * depth
        kinds = [operation.kind for operation in down.operations]
        inner, last = [c.outputs for c in up.convolutions[:-1]], up.operations[-1]
        mirrored = (last.kind, last.size) == ("shuffle", down.operations[0].size) and min(inner, default=wide) >= wide
        if kinds != ["unshuffle", "conv", "relu"] or down.outputs != wide or not mirrored:
            return False
    return True


@torch.no_grad()
def begin(network: SymmetricAutoencoder, crops: torch.Tensor) -> None:
    """Let each unit begin as the principal components of cells of what it sees: pixels, or components of the last one.

    Features are components, then their negatives, as relu passes them; latents are the components themselves.
    """
    x = pictures(crops[: max(1, _BEGUN // crops[0, ..., 0].numel())])
    for unit, depth in enumerate(network.config.latents):
        factor = network.config.down_plan(unit).operations[0].size
        cells = functional.pixel_unshuffle(x, factor)
        mean, basis = principal_components(cells.movedim(1, -1).reshape(-1, cells.shape[1]), depth)
        signs = torch.eye(cells.shape[1], device=x.device)
        if unit:
            features = network.config.features[unit]
            signs = torch.zeros(x.shape[1], features, device=x.device)
            eye = torch.eye(x.shape[1], device=x.device)
            signs[:, : x.shape[1]], signs[:, x.shape[1] : 2 * x.shape[1]] = eye, -eye
            signs = torch.kron(signs, torch.eye(factor**2, device=x.device))
        _begin_unit(network, unit, mean, basis, signs)
        x = (cells.movedim(1, -1) - mean) @ basis.T
        x = x.movedim(-1, 1)
        step = network.step(unit)
        cast(LatentRate, network.rates[unit]).begin(torch.round(x / step) * step)


@torch.no_grad()
def begin_rates(network: SymmetricAutoencoder, crops: torch.Tensor) -> None:
    """Let the estimates of bits begin as they fit the latents of crops uint8 (n, h, w, 3), some of them."""
    x = pictures(crops[: max(1, _BEGUN // crops[0, ..., 0].numel())])
    for unit in range(network.config.level_count):
        cast(LatentRate, network.rates[unit]).begin(network.rounded(network.analysis(unit)(x), unit))


def _begin_unit(
    network: SymmetricAutoencoder, unit: int, mean: torch.Tensor, basis: torch.Tensor, signs: torch.Tensor
) -> None:
    """Set the weights of a unit, its head, its entry and its mirror image.

    `mean` (c,), `basis` (K, c): of cells. `signs` (c, inputs): from the unshuffled inputs of the unit to cells.
    """
    depth = len(basis)
    both, sign = torch.cat([basis, -basis]), torch.cat([torch.eye(depth), -torch.eye(depth)])
    (down,), (head,), (entry,) = (convolutions(part[unit]) for part in (network.downs, network.heads, network.entries))
    *inner, last = convolutions(network.ups[unit])
    set_linear(down, both @ signs, -both @ mean)
    set_linear(head, sign.T, torch.zeros(depth), silence=True)
    set_linear(entry, sign, torch.zeros(2 * depth))
    for conv in inner:
        set_linear(conv, torch.eye(2 * depth), torch.zeros(2 * depth))
    set_linear(last, signs.T @ both.T, signs.T @ mean, silence=True)
