"""The float network of `gdn-factorized`: analysis with GDN, synthesis with inverse GDN, a factorised density.

Ballé, Laparra, Simoncelli, "End-to-end optimized image compression" (2017): three stages of convolution,
down-sampling and divisive normalisation, and back; additive uniform noise stands for rounding. One network serves
several rates: each level has a gain for every channel of the latents (Cui et al. 2021, "Asymmetric gained deep image
compression"), and one density of the latents serves them all, since a gain only changes the width of its bins.

Down-sampling is by 4, 2 and 2, which keeps the many positions of the first stages out of the cost. Each synthesis
stage is a 3x3 convolution and a pixel shuffle: the exported integer network has the very same steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from tilepress.codecs.learned.gdn.transform import SCALE

STRIDES = (4, 2, 2)
COMPONENTS = 3  # of the mixture that is a channel's density
_PIXELS = 3 * STRIDES[0] ** 2
QUICK = 10.0  # gains and densities learn so much more quickly than weights: they are logarithms
_FITTING, _FITTED = 120, 32  # steps and crops by which the density begins
EVENNESS = 0.5  # of the channels' spread where training begins: 0 orthonormal, 1 whitened; Adam's steps are absolute
_SHARE = 0.03  # of normalisation in a channel's divisor where training begins
_FLOOR = 1e-9  # of a likelihood


class Gdn(nn.Module):
    """Generalised divisive normalisation, eq. 3 of Ballé et al. 2017, of (n, c, h, w); `inverse` multiplies.

    beta and gamma are squares of the parameters, so that they stay positive.
    """

    def __init__(self, channels: int, inverse: bool):
        super().__init__()
        self.inverse = inverse
        self.root_beta = nn.Parameter(torch.ones(channels))
        gamma = 1e-5 + 3e-3 * torch.eye(channels)
        self.root_gamma = nn.Parameter(gamma.sqrt())

    @property
    def beta(self) -> torch.Tensor:
        """(c,), above 0."""
        return self.root_beta.square() + 1e-3

    @property
    def gamma(self) -> torch.Tensor:
        """(c, c), from 0 up."""
        return self.root_gamma.square()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        norm = functional.conv2d(x.square(), self.gamma[:, :, None, None], self.beta)
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())


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
        """Likelihoods of `y` (n, c, h, w) for bins of `width` (n, c), in the units of `y`."""
        scale = torch.exp(-self.log_scale).t()[:, None, :, None, None]
        distance = (y - self.mean.t()[:, None, :, None, None]).abs()
        half = width[None, :, :, None, None] / 2
        mass = torch.sigmoid((half - distance) * scale) - torch.sigmoid((-half - distance) * scale)
        share = torch.softmax(self.weight, dim=1).t()[:, None, :, None, None]
        return (share * mass).sum(dim=0).clamp_min(_FLOOR)

    def fit(self, y: torch.Tensor, widths: torch.Tensor) -> None:
        """Begin with the spread of `y` (n, c, h, w), then some steps by itself at each of `widths` (levels, c)."""
        spread = _spread(y)[:, None]
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


@dataclass
class Coded:
    """What a batch became: decoded pictures (n, 3, h, w) of full scale 1, and bits (n,) of each."""

    pictures: torch.Tensor
    bits: torch.Tensor


class GdnNetwork(nn.Module):
    """See the module. `channels`: after each stage of the analysis, the latents last; `levels`: how many rates."""

    def __init__(self, channels: tuple[int, int, int], levels: int):
        super().__init__()
        first, second, latents = channels
        self.analysis = nn.Sequential(
            nn.Conv2d(3, first, 8, stride=4, padding=2),
            Gdn(first, inverse=False),
            nn.Conv2d(first, second, 5, stride=2, padding=2),
            Gdn(second, inverse=False),
            nn.Conv2d(second, latents, 5, stride=2, padding=2),
        )
        self.synthesis = nn.Sequential(
            nn.Conv2d(latents, 4 * second, 3, padding=1),
            nn.PixelShuffle(2),
            Gdn(second, inverse=True),
            nn.Conv2d(second, 4 * first, 3, padding=1),
            nn.PixelShuffle(2),
            Gdn(first, inverse=True),
            nn.Conv2d(first, _PIXELS, 3, padding=1),
            nn.PixelShuffle(4),
        )
        self.density = Density(latents)
        self.raw_gains = nn.Parameter(torch.zeros(2, levels, latents))

    @property
    def log_gain(self) -> torch.Tensor:
        """(levels, c): of what latents are multiplied by before they are rounded."""
        return QUICK * self.raw_gains[0]

    @property
    def log_inverse_gain(self) -> torch.Tensor:
        """(levels, c): of what rounded latents are multiplied by."""
        return QUICK * self.raw_gains[1]

    def latents(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures (n, 3, h, w) in [0, 1] to real latents (n, c, h / 16, w / 16), before any gain."""
        y: torch.Tensor = self.analysis((pictures - 0.5) * SCALE)
        return y

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
        decoded = self.synthesis(rounded * inverse[:, :, None, None])
        return Coded(decoded.float() / SCALE + 0.5, bits)


@torch.no_grad()
def begin_with_klt(network: GdnNetwork, pictures: torch.Tensor, steps: torch.Tensor) -> None:
    """Begin as a hierarchy of orthonormal block transforms, each the KLT of what the one before gives: already a
    fair transform codec. `pictures` (n, 3, h, w) in [0, 1]; `steps` (levels,): quantisation steps at full scale 1.

    Channels are rescaled towards equal spread (and back in the synthesis), since Adam's steps are absolute: it
    would drown the fine channels in what it changes about the coarse ones.
    """
    x = (pictures - 0.5) * SCALE
    convolutions = [m for m in network.analysis if isinstance(m, nn.Conv2d)]
    inverses = [m for m in network.synthesis if isinstance(m, nn.Conv2d)][::-1]
    norms = [m for m in network.analysis if isinstance(m, Gdn)]
    gates = [m for m in network.synthesis if isinstance(m, Gdn)][::-1]
    scale = torch.ones(3)
    for i, (stride, down, up) in enumerate(zip(STRIDES, convolutions, inverses, strict=True)):
        basis, mean = _klt(functional.pixel_unshuffle(x / scale[:, None, None], stride), down.out_channels)
        scale = _set_transform(down, up, basis, mean, stride, x, scale)
        x = down(x)
        if i < len(norms):
            for norm in (norms[i], gates[i]):
                norm.root_gamma.copy_(torch.diag((_SHARE / _spread(x).square()).sqrt()) + 3e-3)
            x = norms[i](x)
    network.raw_gains[0] = (-torch.log(steps * SCALE)[:, None] - torch.log(scale)) / QUICK
    network.raw_gains[1] = -network.raw_gains[0]
    network.density.fit(x[:_FITTED], 1 / network.log_gain.exp())


def _spread(x: torch.Tensor) -> torch.Tensor:
    """(c,): standard deviation of every channel of (n, c, h, w)."""
    return x.transpose(0, 1).flatten(1).std(dim=1).clamp_min(1e-2)


def _klt(blocks: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `count` leading eigenvectors (count, d) of (n, d, h, w), zeros where d is less, and the mean (d,)."""
    rows = blocks.transpose(0, 1).flatten(1).double()
    mean = rows.mean(dim=1)
    centred = rows - mean[:, None]
    vectors = torch.linalg.eigh(centred @ centred.t()).eigenvectors.flip(1)[:, :count].t()
    basis = torch.zeros(count, len(mean))
    basis[: len(vectors)] = vectors.float()
    return basis, mean.float()


def _set_transform(
    down: nn.Conv2d,
    up: nn.Conv2d,
    basis: torch.Tensor,
    mean: torch.Tensor,
    stride: int,
    x: torch.Tensor,
    scale: torch.Tensor,
) -> torch.Tensor:
    """The transform of `x` / `scale` in the middle taps of both convolutions. Returns the scale of the outputs;
    channels beyond the basis begin small and random, and unseen by what follows (scale infinite)."""
    assert down.bias is not None and up.bias is not None
    inner, spare = slice(2, 2 + stride), basis.abs().sum(dim=1) == 0
    before = scale.repeat_interleave(stride**2)
    down.weight[~spare] = 0.0
    down.weight[~spare, :, inner, inner] = (basis / before)[~spare].reshape(-1, down.in_channels, stride, stride)
    down.bias.copy_(-basis @ mean)
    after = _spread(down(x)) ** -EVENNESS
    after[spare] = 0.5 / _spread(down(x))[spare]
    down.weight.mul_(after[:, None, None, None])
    down.bias.mul_(after)
    up.weight.zero_()
    finite = torch.where(before.isinf(), 0.0, before)
    up.weight[:, :, 1, 1] = finite[:, None] * basis.t() / after
    up.bias.copy_(finite * mean)
    after[spare] = torch.inf
    return after
