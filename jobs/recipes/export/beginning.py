"""From a model's tensors back to float networks: where a training begins that goes on from the model."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from tilepress.codecs.integer.network import IntegerLayer
from tilepress.codecs.learned.networks import UNIT, NetworkPlan, load_analysis, load_synthesis
from tilepress.jobs.recipes.networks.linear import convolutions

_LEAST = 1e-3  # of a channel's weights, beside those of others, to be balanced


def begin_analysis(analysis: nn.Sequential, network: NetworkPlan, tensors: Mapping[str, np.ndarray]) -> None:
    """Give a float analysis the weights of a model's, which are the same numbers. ModelError if they do not fit."""
    analysis.load_state_dict(load_analysis(network, tensors, "cpu").state_dict())


@torch.no_grad()
def begin_synthesis(
    synthesis: nn.Sequential,
    network: NetworkPlan,
    tensors: Mapping[str, np.ndarray],
    activation_bits: int,
    fraction_bits: int,
) -> None:
    """Give a float synthesis the weights of a model's integer one: the inverse of export/synthesis.py but for rounding.

    Args:
        synthesis: To be changed.
        network: Its operations.
        tensors: Of the model, as `load_synthesis` reads them. ModelError if they do not fit.
        activation_bits: Of what is between its layers.
        fraction_bits: Pictures of the integer network are in units of 2^-fraction_bits.
    """
    steps = load_synthesis(network, tensors, activation_bits)
    layers = [step for step in steps if isinstance(step, IntegerLayer)]
    floats, before = convolutions(synthesis), float(UNIT)
    for conv, layer in zip(floats, layers, strict=True):
        after = float(1 << fraction_bits if layer is layers[-1] else (1 << activation_bits) - 1)
        unit = np.ldexp(1.0, -layer.shifts) / after
        bias = layer.bias - (np.left_shift(1, layer.shifts) >> 1)  # half of the last place rounds, and is nothing else
        assert conv.bias is not None
        conv.weight.copy_(torch.from_numpy(layer.weight * before * unit[:, None, None, None]))
        conv.bias.copy_(torch.from_numpy(bias * unit))
        before = after
    for conv, following in pairwise(floats):
        _balance(conv, following)


def _balance(conv: nn.Conv2d, following: nn.Conv2d) -> None:
    """Let what comes into a channel and what leaves it weigh the same: relu lets scales pass.

    Integers say nothing of scales. Those of channels that are hardly ever alive would else be a thousand times others.
    """
    inner = following.in_channels  # of conv.out_channels / inner outputs each, which a shuffle makes one channel of
    coming = conv.weight.reshape(inner, -1).norm(dim=1)
    leaving = following.weight.transpose(0, 1).reshape(inner, -1).norm(dim=1)
    coming, leaving = (norm.clamp_min(_LEAST * float(norm.mean())) for norm in (coming, leaving))
    scale = (leaving / coming).sqrt()
    each = scale.repeat_interleave(conv.out_channels // inner)
    assert conv.bias is not None
    conv.weight.mul_(each[:, None, None, None])
    conv.bias.mul_(each)
    following.weight.div_(scale[:, None, None])
