"""Convolutional networks as models write them down: a list of short texts, one an operation.

    conv OUT SIZE    convolution to OUT channels, SIZE x SIZE (odd), zero padding, stride 1, with bias
    relu             max(x, 0)
    pool             2 x 2 maximum, half the size; of an analysis only
    up               bilinear, twice the size; of a synthesis only
    unshuffle R      R x R pixels become R^2 times the channels; of an analysis or a restoration only
    shuffle R        the inverse; of a synthesis or a restoration only
    repeat R         every sample R x R times; of a synthesis only
    beside OUT SIZE  `conv` and `relu`, and behind their OUT channels those that went in; of a synthesis only

`beside` and the `conv` behind it are a residual block. A transposed convolution of stride 1 is a `conv` with its kernel
turned; with `shuffle` behind it a `conv` is one of a larger stride.
The analysis is a float network. The synthesis is the same in integers, as integer/network.py proves them. So is a
restoration, whose results are as large as what goes in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.branches import Beside, Repeat
from tilepress.codecs.integer.network import PixelShuffle, PixelUnshuffle, Step, Upsample
from tilepress.codecs.learned.tensors import convolution
from tilepress.codecs.model import tensor

if TYPE_CHECKING:
    from torch import nn

UNIT = 256  # what 1 is among the integers that go into a synthesis
ANALYSIS = frozenset({"conv", "relu", "pool", "unshuffle"})
SYNTHESIS = frozenset({"conv", "relu", "up", "shuffle", "repeat", "beside"})
RESTORATION = frozenset({"conv", "relu", "shuffle", "unshuffle", "beside"})
_ARGUMENTS = {"conv": 2, "relu": 0, "pool": 0, "up": 0, "unshuffle": 1, "shuffle": 1, "repeat": 1, "beside": 2}
_CONVOLUTIONS, _SCALES = ("conv", "beside"), ("unshuffle", "shuffle", "repeat")
_SHOWN = 40  # characters of an operation in a message
_MAX_OPERATIONS, _MAX_CHANNELS, _MAX_SIZE, _MAX_STRIDE = 64, 1024, 15, 16
_MAX_RESTORED = 4096  # values between two operations of a restoration for each position: 64 a sample of 8 x 8 blocks
_MAX_REACH = 32  # positions: what is restored in pieces needs as many more on each side
_MAX_DENSITY = 256  # values between two operations for each pixel: a tile of 512 x 512 takes half a gigabyte


@dataclass(frozen=True)
class Operation:
    """One operation. `inputs`, `outputs`: channels; `size`: side of a kernel, or the factor of a shuffle."""

    kind: str
    inputs: int
    outputs: int
    size: int = 0

    @property
    def filters(self) -> int:
        """Channels that the operation's convolution makes."""
        return self.outputs - self.inputs if self.kind == "beside" else self.outputs


@dataclass(frozen=True)
class NetworkPlan:
    """A network's operations. `stride`: how many pixels each way a latent stands for."""

    operations: tuple[Operation, ...]
    stride: int

    @property
    def outputs(self) -> int:
        """Channels that come out."""
        return self.operations[-1].outputs

    @property
    def convolutions(self) -> list[Operation]:
        """Those with weights, which are numbered in this order."""
        return [operation for operation in self.operations if operation.kind in _CONVOLUTIONS]


def plan(texts: Sequence[str], inputs: int, allowed: frozenset[str]) -> NetworkPlan:
    """Return a network for `inputs` channels. ModelError if it makes no sense or is of absurd size."""
    if not 1 <= len(texts) <= _MAX_OPERATIONS:
        raise ModelError(f"a network of {len(texts)} operations: 1 to {_MAX_OPERATIONS} are possible")
    operations, channels, stride, widths = [], inputs, 1, list[tuple[int, int]]()
    for text in texts:
        operation = _read(text, channels, allowed)
        operations.append(operation)
        channels = operation.outputs
        stride *= operation.size if operation.kind in _SCALES else 2 if operation.kind in ("pool", "up") else 1
        widths.append((channels, stride))
    if stride > _MAX_STRIDE or not any(operation.kind in _CONVOLUTIONS for operation in operations):
        raise ModelError(f"a network of stride {stride}, or without a convolution: {', '.join(texts)}")
    densest = max(width * (stride // at if "up" in allowed else at) ** -2 for width, at in widths)
    if densest > _MAX_DENSITY:
        raise ModelError(f"a network of {densest:.0f} values a pixel, above {_MAX_DENSITY}: {', '.join(texts)}")
    if allowed != ANALYSIS:
        _require_rectifiers_after_convolutions(operations)
    return NetworkPlan(tuple(operations), stride)


def plan_restoration(texts: Sequence[str], inputs: int) -> NetworkPlan:
    """Return a network whose results are as large as its `inputs`, by which they are reached from near alone.

    ModelError if it makes no sense, or is not so.
    """
    if not 1 <= len(texts) <= _MAX_OPERATIONS:
        raise ModelError(f"a network of {len(texts)} operations: 1 to {_MAX_OPERATIONS} are possible")
    operations, channels, scale = [], inputs, 1
    for text in texts:
        operation = _read(text, channels, RESTORATION)
        operations.append(operation)
        channels = operation.outputs
        if operation.kind == "shuffle":
            scale *= operation.size
        elif operation.kind == "unshuffle":
            scale = scale // operation.size if operation.size and scale % operation.size == 0 else 0
        if not 1 <= scale <= _MAX_STRIDE or channels * scale**2 > _MAX_RESTORED:
            raise ModelError(f"{text!r} of a restoration is finer or coarser than can be: {', '.join(texts)}")
    if scale != 1 or operations[-1].kind != "conv":
        raise ModelError(f"a restoration ends with a conv, as large as what goes in: {', '.join(texts)}")
    _require_rectifiers_after_convolutions(operations)
    restoration = NetworkPlan(tuple(operations), 1)
    if reach(restoration) > _MAX_REACH:
        raise ModelError(f"a restoration that looks {reach(restoration)} positions far, above {_MAX_REACH}")
    return restoration


def reach(network: NetworkPlan) -> int:
    """Return how many positions away, each way, an input of a restoration may change its results.

    What `unshuffle` folds belongs to one position: a part of one that is reached is all of it from there on.
    """
    total, scale = Fraction(0), 1
    for operation in network.operations:
        if operation.kind in _CONVOLUTIONS:
            total += Fraction(operation.size // 2, scale)
        elif operation.kind == "shuffle":
            scale *= operation.size
        elif operation.kind == "unshuffle":
            scale //= operation.size
            total = Fraction(math.ceil(total * scale), scale)
    return math.ceil(total)


def _require_rectifiers_after_convolutions(operations: Sequence[Operation]) -> None:
    """Integers are rectified where a convolution clips them, and nowhere else."""
    kinds = [operation.kind for operation in operations]
    if any(kind == "relu" and before != "conv" for before, kind in zip(["", *kinds], kinds, strict=False)):
        raise ModelError("a relu of an integer network follows a convolution")


def _read(text: str, channels: int, allowed: frozenset[str]) -> Operation:
    kind, *words = str(text).split() or [""]
    if kind not in allowed or len(words) != _ARGUMENTS[kind] or not all(w.isdecimal() and len(w) < 5 for w in words):
        raise ModelError(f"{str(text)[:_SHOWN]!r} is no operation of such a network: {', '.join(sorted(allowed))}")
    numbers = [int(word) for word in words]
    outputs, size = channels, numbers[-1] if numbers else 0
    if kind in _CONVOLUTIONS:
        outputs = numbers[0] + (channels if kind == "beside" else 0)
    elif kind == "unshuffle":
        outputs = channels * size * size
    elif kind == "shuffle":
        outputs = channels // (size * size) if size and channels % (size * size) == 0 else 0
    sized = size <= _MAX_SIZE and (kind not in _CONVOLUTIONS or size % 2 == 1) and (kind != "repeat" or size > 0)
    bounded = 1 <= outputs <= _MAX_CHANNELS and 0 not in numbers[:-1] and sized
    if not bounded:
        raise ModelError(f"{str(text)[:_SHOWN]!r} after {channels} channels is not possible")
    return Operation(kind, channels, outputs, size)


def float_network(network: NetworkPlan) -> nn.Sequential:
    """Return the operations as torch modules in the same order, randomly initialised."""
    from torch import nn

    from tilepress.codecs.learned import float_layers

    def module(operation: Operation) -> nn.Module:
        size = operation.size
        if operation.kind == "conv":
            return nn.Conv2d(operation.inputs, operation.outputs, size, padding=size // 2)
        if operation.kind == "beside":
            return float_layers.Beside(operation.inputs, operation.filters, size)
        if operation.kind == "relu":
            return nn.ReLU()
        if operation.kind == "pool":
            return nn.MaxPool2d(2)
        if operation.kind == "up":
            return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        if operation.kind == "repeat":
            return nn.Upsample(scale_factor=size, mode="nearest")
        return nn.PixelUnshuffle(size) if operation.kind == "unshuffle" else nn.PixelShuffle(size)

    return nn.Sequential(*map(module, network.operations))


def load_analysis(network: NetworkPlan, tensors: Mapping[str, np.ndarray], device: str) -> nn.Sequential:
    """Return the float network of tensors `analysis{i}.weight`, `.bias`, float32; ModelError if they do not fit."""
    import torch

    for i, conv in enumerate(network.convolutions):
        shape = (conv.outputs, conv.inputs, conv.size, conv.size)
        tensor(tensors, f"analysis{i}.weight", ("float32",), shape)
        tensor(tensors, f"analysis{i}.bias", ("float32",), shape[:1])
    modules = float_network(network)
    with torch.no_grad():
        for i, module in enumerate(m for m in modules if isinstance(m, torch.nn.Conv2d)):
            module.weight.copy_(torch.from_numpy(tensors[f"analysis{i}.weight"].copy()))
            assert module.bias is not None
            module.bias.copy_(torch.from_numpy(tensors[f"analysis{i}.bias"].copy()))
    return modules.eval().requires_grad_(False).to(device)


def load_synthesis(network: NetworkPlan, tensors: Mapping[str, np.ndarray], activation_bits: int) -> list[Step]:
    """Return integer steps of tensors `synthesis{i}.weight`, `.bias`, `.shift`; activations have `activation_bits`.

    ModelError if a tensor is missing or of another shape or type; what is computed is proven by IntegerNetwork.
    """
    steps: list[Step] = []
    convolutions = 0
    for at, operation in enumerate(network.operations):
        if operation.kind in _CONVOLUTIONS:
            follows = network.operations[at + 1].kind if at + 1 < len(network.operations) else ""
            rectified = operation.kind == "beside" or follows == "relu"
            clip = (0, (1 << activation_bits) - 1) if rectified else (None, None)
            shape = (operation.filters, operation.inputs, operation.size, operation.size)
            layer = convolution(tensors, f"synthesis{convolutions}", shape, *clip)
            steps.append(Beside(layer) if operation.kind == "beside" else layer)
            convolutions += 1
        elif operation.kind in _STEPS:
            steps.append(_STEPS[operation.kind](operation.size))
    return steps


_STEPS: dict[str, Callable[[int], Step]] = {
    "up": lambda _: Upsample(),
    "shuffle": PixelShuffle,
    "unshuffle": PixelUnshuffle,
    "repeat": Repeat,
}
