"""The network of the lossless codec in floats, as it is trained.

Loss: bits that the network's own mixture of logistic distributions, discretised, takes for a sample (Salimans et al.,
"PixelCNN++", 2017, section 2.1), with the limits of codecs/lossless/network.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from tilepress.codecs.lossless.features import FEATURES, LIMIT
from tilepress.codecs.lossless.network import (
    HIDDEN_MAX,
    INPUT_ONE,
    LAST_ONE,
    LEAST_SCALE,
    LOG_SCALE_LIMIT,
    LOG_WEIGHT_LIMIT,
    OFFSET_LIMIT,
    WEIGHT_ONE,
    Network,
)
from tilepress.codecs.lossless.predictors import PARTS
from tilepress.jobs.fitting.samples import Rows

BATCH = 1024
WEIGHT_LIMIT, BIAS_LIMIT = 7.9, 100.0
SCALES = (WEIGHT_ONE, WEIGHT_ONE, LAST_ONE)  # of a layer's integer weights; biases are INPUT_ONE finer
_MOST = (LIMIT, HIDDEN_MAX, HIDDEN_MAX)  # of a layer's integer inputs
_RATE, _RATE_TUNING = 4e-3, 1.5e-3  # Adam's peak: from scratch, from trained weights
_WARM = 0.1  # share of the training until the peak
_LEAST_STEPS = 300
_LN2 = math.log(2)


@dataclass(frozen=True)
class Schedule:
    """How long to train: passes over the rows, and wall time at most (0: no limit)."""

    epochs: float
    seconds: float
    seed: int


class MixtureNetwork(torch.nn.Module):
    """Three layers; from features (n, FEATURES) int16 to (n, 3 PARTS): logarithms of weights, offsets, scales."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__()
        widths = (FEATURES, one, two, 3 * PARTS)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(*pair) for pair in pairwise(widths))
        last = self._linear()[2]
        with torch.no_grad():
            last.weight *= 0.1
            last.bias[:] = torch.tensor([0, 0, -1.0, 0, 0, 0, -1.2, -0.5, 0.5])  # a narrow one, a usual, a wide

    @classmethod
    def of(cls, network: Network) -> MixtureNetwork:
        """Return the same in floats."""
        module = cls(network.layers[1].size, network.layers[3].size)
        with torch.no_grad():
            for place, (linear, one) in enumerate(zip(module._linear(), SCALES, strict=True)):
                weight, bias = (torch.tensor(array) for array in network.layers[2 * place : 2 * place + 2])
                linear.weight[:] = weight.T[: linear.out_features] / one
                linear.bias[:] = bias[: linear.out_features] / (one * INPUT_ONE)
        return module

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """See the class; hidden values are cut as the integers are."""
        one, two, three = self._linear()
        hidden = features.float() / INPUT_ONE
        for linear in (one, two):
            hidden = linear(hidden).clamp(0, HIDDEN_MAX / INPUT_ONE)
        out: torch.Tensor = three(hidden)
        return out

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return weights (inputs, outputs) and biases of each layer, float32."""
        return [(linear.weight.detach().numpy().T, linear.bias.detach().numpy()) for linear in self._linear()]

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep weights and biases so small that the integers cannot overflow: see Network."""
        for linear, one, most in zip(self._linear(), SCALES, _MOST, strict=True):
            room = 2.0**31 / one - BIAS_LIMIT * INPUT_ONE
            limit = min(WEIGHT_LIMIT, room / most / linear.in_features - 1.0 / one)
            linear.weight.clamp_(-limit, limit)
            linear.bias.clamp_(-BIAS_LIMIT, BIAS_LIMIT)

    def _linear(self) -> list[torch.nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, torch.nn.Linear)]


def bits(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return mean bits of a sample: `outputs` (n, 3 PARTS) of the network, `targets` (n, 2) of Rows."""
    logs, offsets, scales = torch.split(outputs, PARTS, 1)
    value, unit = targets[:, :1], targets[:, 1:]
    weights = torch.log_softmax(logs.clamp(-LOG_WEIGHT_LIMIT, LOG_WEIGHT_LIMIT) * _LN2, 1)
    scale = unit * torch.exp2(scales.clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)) + LEAST_SCALE
    distance = value - unit * offsets.clamp(-OFFSET_LIMIT, OFFSET_LIMIT)
    above, below = (distance + 0.5) / scale, (distance - 0.5) / scale
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), which does not cancel
    mass = functional.logsigmoid(above) + functional.logsigmoid(-below) + torch.log(-torch.expm1(-1 / scale))
    return -torch.logsumexp(weights + mass, 1).mean() / _LN2


def fit(rows: Rows, hidden: tuple[int, int], start: Network | None, schedule: Schedule) -> MixtureNetwork:
    """Train on all rows, from `start` where its hidden layers are as wide, in one thread: repeatable on a machine."""
    features, targets = torch.from_numpy(rows.features), torch.from_numpy(rows.targets)
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(schedule.seed)
        tuned = start is not None and (start.layers[1].size, start.layers[3].size) == hidden
        module = MixtureNetwork.of(start) if start is not None and tuned else MixtureNetwork(*hidden)
        optimiser = torch.optim.Adam(module.parameters(), betas=(0.9, 0.99))
        for batch, done in _batches(len(features), schedule):
            optimiser.param_groups[0]["lr"] = (_RATE_TUNING if tuned else _RATE) * _shape(done)
            loss = bits(module(features[batch]), targets[batch])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
            module.clamp()
    return module


def _batches(rows: int, schedule: Schedule) -> Iterator[tuple[torch.Tensor, float]]:
    """Numbers of the rows of each batch, and the share 0..1 of the training that is done."""
    size = min(BATCH, rows)
    steps = max(_LEAST_STEPS, int(schedule.epochs * (rows // size)))
    began = time.monotonic()
    order = torch.zeros(0, dtype=torch.int64)
    for step in range(steps):
        done = step / steps
        if schedule.seconds:
            done = max(done, (time.monotonic() - began) / schedule.seconds)
        if done >= 1:
            return
        if len(order) < size:
            order = torch.randperm(rows)
        batch, order = order[:size], order[size:]
        yield batch, done


def _shape(done: float) -> float:
    """One cycle: up along a cosine, then down to nothing."""
    if done < _WARM:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * done / _WARM)) / 2
    return (1 + math.cos(math.pi * (done - _WARM) / (1 - _WARM))) / 2


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # more only wait for each other, and sum in another order
    try:
        yield
    finally:
        torch.set_num_threads(before)
