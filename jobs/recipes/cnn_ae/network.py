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
from torch.nn import functional

from tilepress.codecs.learned.networks import UNIT, NetworkPlan, float_network
from tilepress.jobs.recipes.networks.context_rate import ContextRate
from tilepress.jobs.recipes.networks.pictures import pictures, principal_components

LEVELS_OF_STRENGTH = 8.0  # a step of 2^8 is told as 1


@dataclass(frozen=True)
class Shape:
    """What the network is made of. `block`: crops are cut into blocks of that side, 0: left whole. `ceiling`: latents
    are clipped to 0..ceiling, 0: not. `told`: the synthesis has a channel for the strength of quantisation."""

    analysis: NetworkPlan
    synthesis: NetworkPlan
    block: int
    ceiling: float
    told: bool


class Autoencoder(nn.Module):
    """Called with crops and steps, it gives what the loss needs."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.analysis = float_network(shape.analysis)
        self.synthesis = float_network(shape.synthesis)
        self.rate = ContextRate(shape.analysis.outputs)

    def latents(self, x: torch.Tensor) -> torch.Tensor:
        """Return the latents (n, K, h', w') of pictures (n, 3, h, w)."""
        z: torch.Tensor = self.analysis(x)
        return z.clamp(0, self.shape.ceiling) if self.shape.ceiling else z

    def forward(self, crops: torch.Tensor, step: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops uint8 (n, h, w, 3) and steps (n,), 1 being full scale, to squared error a sample and bits a pixel,
        (n,) each."""
        x = pictures(crops)
        n, _, height, width = x.shape
        pieces = split(x, self.shape.block)
        z = self.latents(pieces)
        each = step.repeat_interleave(len(pieces) // n)[:, None, None, None]
        rounded = z + (torch.round(z / each) * each - z).detach()
        y = self.synthesis(self.told(rounded, each))
        if not self.training:
            y = y.clamp(0, 1)
        error = (y.float() - pieces).square().reshape(n, -1).mean(dim=1)
        seen = z + (torch.rand_like(z) - 0.5) * each if self.training else rounded
        bits = self.rate(join(seen, n, height // self.shape.analysis.stride), step[:, None, None, None])
        return error, bits / (height * width)

    def told(self, z: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Return latents as the synthesis takes them."""
        if not self.shape.told:
            return z
        strength = torch.log2(UNIT * step) / LEVELS_OF_STRENGTH
        return torch.cat([z, strength.expand(-1, 1, *z.shape[2:]).to(z.dtype)], dim=1)


def split(x: torch.Tensor, block: int) -> torch.Tensor:
    """(n, c, h, w) to (n * blocks, c, block, block), row by row; 0: themselves."""
    if not block:
        return x
    n, c, height, width = x.shape
    cut = x.reshape(n, c, height // block, block, width // block, block).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(-1, c, block, block)


def join(z: torch.Tensor, n: int, rows: int) -> torch.Tensor:
    """Return grids (n, K, rows, rows) of the latents of the blocks of n square crops."""
    if len(z) == n:
        return z
    side, across = z.shape[2], rows // z.shape[2]
    cut = z.reshape(n, across, across, z.shape[1], side, side).permute(0, 3, 1, 4, 2, 5)
    return cut.reshape(n, z.shape[1], rows, rows)


@torch.no_grad()
def begin_linear(network: Autoencoder, crops: torch.Tensor) -> None:
    """Let a slim network begin as the principal components of unshuffled pixels, each passed through relu as its
    positive and its negative part. Networks of other shapes, or too narrow, only get their latents scaled."""
    x = pictures(crops)
    first, last = network.shape.analysis.operations[0], network.shape.synthesis.operations[-1]
    encoder, decoder = ([m for m in net if isinstance(m, nn.Conv2d)] for net in (network.analysis, network.synthesis))
    count = network.shape.analysis.outputs
    hidden = [m.out_channels for m in (*encoder[:-1], *decoder[:-1])]
    if first.kind != "unshuffle" or last.kind != "shuffle" or first.size != last.size or min(hidden) < 2 * count:
        return _scale_latents(network, x)
    samples = functional.pixel_unshuffle(x, first.size).permute(0, 2, 3, 1).reshape(-1, first.outputs)
    mean, basis = principal_components(samples, count)
    both, sign = torch.cat([basis, -basis]), torch.cat([torch.eye(count), -torch.eye(count)])
    _set(encoder[0], both, -both @ mean)
    for conv in (*encoder[1:-1], *decoder[1:-1]):
        _set(conv, torch.eye(2 * count), torch.zeros(2 * count))
    _set(encoder[-1], sign.T, torch.zeros(count), silence=True)
    _set(decoder[0], sign, torch.zeros(2 * count))
    _set(decoder[-1], both.T, mean, silence=True)
    return None


def _set(conv: nn.Conv2d, matrix: torch.Tensor, bias: torch.Tensor, silence: bool = False) -> None:
    """Let the first outputs of a convolution be `matrix` @ its first inputs; `silence`: of nothing else at first."""
    rows, columns = matrix.shape
    middle = conv.kernel_size[0] // 2
    conv.weight[:rows] = 0
    if silence:
        conv.weight.zero_()
    conv.weight[:rows, :columns, middle, middle] = matrix
    assert conv.bias is not None
    conv.bias[:rows] = bias


def _scale_latents(network: Autoencoder, x: torch.Tensor) -> None:
    """Centre the latents in their range, or leave them where they have none."""
    ceiling = network.shape.ceiling
    if not ceiling:
        return
    z = network.analysis(split(x[: max(1, (1 << 18) // x[0, 0].numel())], network.shape.block))
    spread, mean = z.std(dim=(0, 2, 3)) + 1e-6, z.mean(dim=(0, 2, 3))
    final = next(m for m in reversed(network.analysis) if isinstance(m, nn.Conv2d))
    gain = ceiling / 6 / spread
    assert final.bias is not None
    final.weight.mul_(gain[:, None, None, None])
    final.bias.sub_(mean).mul_(gain).add_(ceiling / 2)
