"""From a model's tensors back to float networks: where a training begins that goes on from the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from tilepress.codecs.integer.branches import Beside
from tilepress.codecs.integer.network import IntegerLayer
from tilepress.codecs.learned.float_layers import convolution_of
from tilepress.codecs.learned.networks import UNIT, NetworkPlan, load_analysis, load_synthesis
from tilepress.codecs.model import Model
from tilepress.pipeline.errors import UsageError

_LEAST = 1e-3  # of a channel's weights, beside those of others, to be balanced
Consumers = tuple[tuple[nn.Conv2d, int], ...]  # convolutions that see some channels, and from which input on


@dataclass(frozen=True)
class Start:
    """A float synthesis, `modules`, and what it begins as: the integer one of a model.

    `tensors`: as `load_synthesis` reads them. `activation_bits`: of what is between its layers. `fraction_bits`: what
    comes out is in units of 2^-fraction_bits.
    """

    network: NetworkPlan
    modules: nn.Sequential
    tensors: Mapping[str, np.ndarray]
    activation_bits: int
    fraction_bits: int


def require_codec(model: Model, codec_id: str) -> None:
    """UsageError unless a model is of a codec."""
    if model.codec_id != codec_id:
        raise UsageError(f"a model of {model.codec_id} is no beginning for one of {codec_id}")


def require_same(theirs: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """UsageError unless keys of a recipe are to a model what they are here; the message says what to set."""
    for name, value in theirs.items():
        if own[name] != value:
            text = yaml.safe_dump(value, default_flow_style=True, width=1 << 20).removesuffix("...\n").strip()
            raise UsageError(f"the model to begin with has another {name}: set {name}={text}")


def begin_analysis(analysis: nn.Module, network: NetworkPlan, tensors: Mapping[str, np.ndarray]) -> None:
    """Give a float analysis the weights of a model's, which are the same numbers. ModelError if they do not fit."""
    analysis.load_state_dict(load_analysis(network, tensors, "cpu").state_dict())


@torch.no_grad()
def begin_syntheses(starts: Sequence[Start]) -> None:
    """Give float syntheses the weights of integer ones: the inverse of export/synthesis.py but for rounding.

    Syntheses may share modules, as they share integers. ModelError if tensors do not fit.
    """
    producers: dict[Consumers, set[nn.Conv2d]] = {}
    channels: dict[Consumers, int] = {}
    for start in starts:
        _take(start)
        for conv, consumers, count in _links(start):
            producers.setdefault(consumers, set()).add(conv)
            channels[consumers] = count
    for consumers, convs in producers.items():
        _balance(convs, consumers, channels[consumers])


def _take(start: Start) -> None:
    """Undo what integers are multiplied by: each layer's inputs and outputs have units of their own."""
    steps = load_synthesis(start.network, start.tensors, start.activation_bits)
    layers = [step.layer if isinstance(step, Beside) else step for step in steps]
    found = iter([layer for layer in layers if isinstance(layer, IntegerLayer)])
    last = start.network.convolutions[-1]
    scale = np.full(start.network.operations[0].inputs, float(UNIT))
    for operation, module in zip(start.network.operations, start.modules, strict=True):
        conv = convolution_of(module)
        if operation.kind == "shuffle":
            scale = scale[:: operation.size**2]
        if conv is None:
            continue
        layer, one = next(found), (1 << start.activation_bits) - 1
        after = float(1 << start.fraction_bits if operation is last else one)
        unit = np.ldexp(1.0, -layer.shifts) / after
        bias = layer.bias - (np.left_shift(1, layer.shifts) >> 1)  # half of the last place rounds, and is nothing else
        assert conv.bias is not None
        conv.weight.copy_(torch.from_numpy(layer.weight * scale[:, None, None] * unit[:, None, None, None]))
        conv.bias.copy_(torch.from_numpy(bias * unit))
        made = np.full(operation.filters, after)
        scale = np.concatenate([made, scale]) if operation.kind == "beside" else made


def _links(start: Start) -> Iterator[tuple[nn.Conv2d, Consumers, int]]:
    """Yield each convolution but the last, those that see what it makes, and how many channels that are."""
    convolutions = [conv for conv in map(convolution_of, start.modules) if conv]
    pairs = list(zip(start.network.convolutions, convolutions, strict=True))
    for at, (operation, conv) in enumerate(pairs[:-1]):
        consumers, first = list[tuple[nn.Conv2d, int]](), 0
        for following, other in pairs[at + 1 :]:
            consumers.append((other, first))
            first += following.filters
            if following.kind != "beside":
                break
        count = operation.filters if operation.kind == "beside" else consumers[0][0].in_channels
        yield conv, tuple(consumers), count


def _balance(producers: set[nn.Conv2d], consumers: Consumers, channels: int) -> None:
    """Let what comes into channels and what leaves them weigh the same: relu lets scales pass.

    Integers say nothing of scales. Those of channels that are hardly ever alive would else be a thousand times others.
    A shuffle makes one channel of several outputs of a producer.
    """
    seen = [conv.weight[:, first : first + channels] for conv, first in consumers]
    coming = _norm([conv.weight.reshape(channels, -1) for conv in producers])
    leaving = _norm([weight.transpose(0, 1).reshape(channels, -1) for weight in seen])
    scale = (leaving / coming).sqrt()
    for conv in producers:
        each = scale.repeat_interleave(conv.out_channels // channels)
        assert conv.bias is not None
        conv.weight.mul_(each[:, None, None, None])
        conv.bias.mul_(each)
    for weight in seen:
        weight.div_(scale[:, None, None])


def _norm(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """(channels,): the length of rows that lie side by side, none of them nearly 0."""
    norm: torch.Tensor = torch.cat(list(rows), dim=1).norm(dim=1)
    least = _LEAST * float(norm.mean())
    return torch.clamp_min(norm, least)
