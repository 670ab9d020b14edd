"""The float transform with divisive normalisation, as codecs/learned/divisive.py runs it in integers.

Ballé, Laparra, Simoncelli, "End-to-end optimized image compression" (2017): three stages of convolution,
down-sampling and divisive normalisation, and back. Down-sampling is by 4, 2 and 2, which keeps the many positions of
the first stages out of the cost. Each synthesis stage is a 3x3 convolution and a pixel shuffle: the exported integer
network has the very same steps.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tilepress.codecs.learned.divisive import SCALE
from tilepress.jobs.recipes.networks.density import spread_of

STRIDES = (4, 2, 2)
_PIXELS = 3 * STRIDES[0] ** 2
EVENNESS = 0.5  # of the channels' spread where training begins: 0 orthonormal, 1 whitened; Adam's steps are absolute
LEAST_BETA = 1e-3
_SHARE = 0.03  # of normalisation in a channel's divisor where training begins


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
        return self.root_beta.square() + LEAST_BETA

    @property
    def gamma(self) -> torch.Tensor:
        """(c, c), from 0 up."""
        return self.root_gamma.square()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape."""
        norm = functional.conv2d(x.square(), self.gamma[:, :, None, None], self.beta)
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())


class DivisiveTransform(nn.Module):
    """See the module. `channels`: after each stage of the analysis, the latents last."""

    def __init__(self, channels: tuple[int, int, int]):
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
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)

    def latents(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return real latents (n, c, h / 16, w / 16) of pictures (n, 3, h, w) in [0, 1]."""
        y: torch.Tensor = self.analysis((pictures - 0.5) * SCALE)
        return y

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        """Return pictures (n, 3, h, w) of full scale 1 of latents (n, c, h / 16, w / 16)."""
        decoded: torch.Tensor = self.synthesis(latents).float() / SCALE + 0.5
        return decoded

    @torch.no_grad()
    def begin_with_klt(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Begin as a hierarchy of orthonormal block transforms, each the KLT of what the one before gives: already a
        fair transform codec. Returns the latents of `pictures` (n, 3, h, w) in [0, 1], and the scale (c,) of them.

        Channels are rescaled towards equal spread (and back in the synthesis), since Adam's steps are absolute: it
        would drown the fine channels in what it changes about the coarse ones.
        """
        x = (pictures - 0.5) * SCALE
        convolutions = [m for m in self.analysis if isinstance(m, nn.Conv2d)]
        inverses = [m for m in self.synthesis if isinstance(m, nn.Conv2d)][::-1]
        norms = [m for m in self.analysis if isinstance(m, Gdn)]
        gates = [m for m in self.synthesis if isinstance(m, Gdn)][::-1]
        scale = torch.ones(3, device=x.device)
        for i, (stride, down, up) in enumerate(zip(STRIDES, convolutions, inverses, strict=True)):
            basis, mean = _klt(functional.pixel_unshuffle(x / scale[:, None, None], stride), down.out_channels)
            scale = _set_transform(down, up, basis, mean, stride, x, scale)
            x = down(x)
            if i < len(norms):
                for norm in (norms[i], gates[i]):
                    norm.root_gamma.copy_(torch.diag((_SHARE / spread_of(x).square()).sqrt()) + 3e-3)
                x = norms[i](x)
        return x, scale


def _klt(blocks: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `count` leading eigenvectors (count, d) of (n, d, h, w), zeros where d is less, and the mean (d,)."""
    rows = blocks.transpose(0, 1).flatten(1).double()
    mean = rows.mean(dim=1)
    centred = rows - mean[:, None]
    vectors = torch.linalg.eigh(centred @ centred.t()).eigenvectors.flip(1)[:, :count].t()
    basis = torch.zeros(count, len(mean), device=blocks.device)
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
    after = spread_of(down(x)) ** -EVENNESS
    after[spare] = 0.5 / spread_of(down(x))[spare]
    down.weight.mul_(after[:, None, None, None])
    down.bias.mul_(after)
    up.weight.zero_()
    finite = torch.where(before.isinf(), 0.0, before)
    up.weight[:, :, 1, 1] = finite[:, None] * basis.t() / after
    up.bias.copy_(finite * mean)
    after[spare] = torch.inf
    return after
