"""Where convolutional autoencoders begin: as the principal components of cells of pixels, if their shape allows it."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from tilepress.codecs.learned.networks import NetworkPlan
from tilepress.jobs.recipes.networks.pictures import principal_components


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    """Return the convolutions of a network, in their order."""
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def may_begin_linear(analysis: NetworkPlan, synthesis: NetworkPlan) -> bool:
    """Return whether `begin_linear` suits networks: slim ones from `unshuffle` to `shuffle`, relu in between."""
    first, last = analysis.operations[0], synthesis.operations[-1]
    hidden = [c.outputs for c in (*analysis.convolutions[:-1], *synthesis.convolutions[:-1])]
    wide = min(hidden, default=0) >= 2 * analysis.outputs
    return first.kind == "unshuffle" and last.kind == "shuffle" and first.size == last.size and wide


@torch.no_grad()
def begin_linear(analysis: nn.Sequential, synthesis: nn.Sequential, x: torch.Tensor, before: int = 0) -> None:
    """Let networks begin as the principal components of the cells of pictures (n, 3, h, w).

    Each component passes relu as its positive and its negative part. `before`: channels that the synthesis sees in
    front of these latents, which play no part in it at first.
    """
    encoder, decoder = convolutions(analysis), convolutions(synthesis)
    inputs, count = encoder[0].in_channels, encoder[-1].out_channels
    cells = functional.pixel_unshuffle(x, math.isqrt(inputs // x.shape[1]))
    mean, basis = principal_components(cells.permute(0, 2, 3, 1).reshape(-1, inputs), count)
    both, sign = torch.cat([basis, -basis]), torch.cat([torch.eye(count), -torch.eye(count)])
    set_linear(encoder[0], both, -both @ mean)
    for conv in (*encoder[1:-1], *decoder[1:-1]):
        set_linear(conv, torch.eye(2 * count), torch.zeros(2 * count))
    set_linear(encoder[-1], sign.T, torch.zeros(count), silence=True)
    set_linear(decoder[0], sign, torch.zeros(2 * count), first=before)
    set_linear(decoder[-1], both.T, mean, silence=True)


def set_linear(
    conv: nn.Conv2d, matrix: torch.Tensor, bias: torch.Tensor, silence: bool = False, first: int = 0
) -> None:
    """Let the first outputs of a convolution be a matrix times its inputs from `first` on, and `bias`.

    `silence`: they see nothing else at first, as do the other outputs.
    """
    rows, columns = matrix.shape
    middle = conv.kernel_size[0] // 2
    conv.weight[: None if silence else rows] = 0
    conv.weight[:rows, first : first + columns, middle, middle] = matrix
    assert conv.bias is not None
    conv.bias[:rows] = bias


@torch.no_grad()
def centre_latents(
    analysis: nn.Sequential, ceiling: float, x: torch.Tensor, undone_by: nn.Sequential | None = None
) -> None:
    """Let the latents of pictures (n, 3, h, w) fill the range 0..ceiling.

    `undone_by`: a synthesis of the latents as they were, that is to make of the new ones what it made of those.
    """
    z = analysis(x)
    spread, mean = z.std(dim=(0, 2, 3)) + 1e-6, z.mean(dim=(0, 2, 3))
    final, gain = convolutions(analysis)[-1], ceiling / 6 / spread
    assert final.bias is not None
    final.weight.mul_(gain[:, None, None, None])
    final.bias.sub_(mean).mul_(gain).add_(ceiling / 2)
    if undone_by is not None:
        first, count = convolutions(undone_by)[0], len(gain)
        assert first.bias is not None
        first.weight[:, :count].div_(gain[:, None, None])
        first.bias.add_(first.weight[:, :count].sum(dim=(2, 3)) @ (mean * gain - ceiling / 2))
