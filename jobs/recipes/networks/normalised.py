"""Batch normalisation behind the convolutions of a network while it trains; what is exported has none.

In evaluation normalisation is one factor and one addend a channel, which become those of the convolution before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.networks import NetworkPlan, float_network

NORM = "norm"  # an operation of recipes: batch normalisation of what the `conv` before it makes


def without_norms(texts: Sequence[str]) -> list[str]:
    """Return the operations that are exported. ModelError if one to be left out is not behind a `conv`."""
    before = ["", *texts]
    if any(text == NORM and not before[at].startswith("conv") for at, text in enumerate(texts)):
        raise ModelError("norm stands behind conv: what is exported has it in the convolution")
    return [text for text in texts if text != NORM]


def normalised(network: NetworkPlan, texts: Sequence[str]) -> nn.Sequential:
    """Return the float network of `texts`, whose plan without norms is `network`, randomly initialised."""
    modules, out = iter(float_network(network)), list[nn.Module]()
    for text in texts:
        out.append(nn.BatchNorm2d(_channels(out[-1])) if text == NORM else next(modules))
    return nn.Sequential(*out)


@torch.no_grad()
def folded(network: nn.Sequential) -> nn.Sequential:
    """Return a network in evaluation mode with every normalisation in the convolution before it."""
    out: list[nn.Module] = []
    for module in network:
        if isinstance(module, nn.BatchNorm2d):
            convolution = out.pop()
            assert isinstance(convolution, nn.Conv2d)
            module = fuse_conv_bn_eval(convolution, module)
        out.append(module)
    return nn.Sequential(*out).eval()


def unnormalised(network: nn.Sequential) -> nn.Sequential:
    """Return the modules of a network but for normalisations: the very same, of the operations that are exported."""
    return nn.Sequential(*(module for module in network if not isinstance(module, nn.BatchNorm2d)))


@torch.no_grad()
def pass_on(network: nn.Sequential, x: torch.Tensor) -> None:
    """Let normalisations change nothing about what a network makes of `x`, in training and evaluation alike."""
    for module in network:
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            variance, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
            module.running_mean.copy_(mean)
            module.running_var.copy_(variance)
            module.weight.copy_((variance + module.eps).sqrt())
            module.bias.copy_(mean)
        else:
            x = module(x)


def _channels(module: nn.Module) -> int:
    assert isinstance(module, nn.Conv2d)
    return module.out_channels
