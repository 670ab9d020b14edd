"""From a model of `gdn-factorized` back to its float network: the inverse of gdn/export.py but for rounding."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tilepress.codecs.integer.network import IntegerLayer, InverseGdn
from tilepress.codecs.learned.divisive import BITS, SCALE, analysis_layers, synthesis_steps
from tilepress.codecs.learned.gdn.codec import GdnConfig
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.export.divisive import FRACTION
from tilepress.jobs.recipes.gdn.network import GdnNetwork
from tilepress.jobs.recipes.networks.density import QUICK
from tilepress.jobs.recipes.networks.divisive import LEAST_BETA, Gdn

_LEAST = 1e-3  # of a root: the gradient of a square is 0 at 0
_LEAST_GAIN = 1e-6


@torch.no_grad()
def begin_transform(network: GdnNetwork, model: Model) -> None:
    """Give a network the weights and gains of a model with as many channels and levels. ModelError if it is damaged."""
    config = GdnConfig.from_json(model.config)
    _begin_analysis(network.analysis, model, config)
    levels = range(config.levels)
    gains = np.stack([model.tensors[f"level{i}.gain"] for i in levels]).clip(_LEAST_GAIN)
    inverse = np.stack([model.tensors[f"level{i}.inverse"] for i in levels])
    unit = 1.0 / (gains[-1] * inverse[-1])  # what the finest level is divided by is what it was multiplied by
    network.raw_gains[0] = torch.from_numpy(np.log(gains)) / QUICK
    network.raw_gains[1] = torch.from_numpy(np.log(inverse * unit)) / QUICK
    _begin_synthesis(network.synthesis, model, config, unit)


def _begin_analysis(analysis: nn.Sequential, model: Model, config: GdnConfig) -> None:
    norms = iter([module for module in analysis if isinstance(module, Gdn)])
    convolutions = [module for module in analysis if isinstance(module, nn.Conv2d)]
    for conv, layer in zip(convolutions, analysis_layers(model.tensors, config.channels), strict=True):
        _set(conv, layer["weight"], layer["bias"])
        if "beta" in layer:
            _set_roots(next(norms), layer["beta"], layer["gamma"][:, :, 0, 0])


def _begin_synthesis(synthesis: nn.Sequential, model: Model, config: GdnConfig, unit: np.ndarray) -> None:
    """`unit` (c,): what 1 is worth among the integers that go in."""
    steps = synthesis_steps(model.tensors, config.channels, config.reach)
    layers = [step for step in steps if isinstance(step, IntegerLayer)]
    convolutions = [module for module in synthesis if isinstance(module, nn.Conv2d)]
    before, scale = 0, 1 / unit
    for conv, layer in zip(convolutions, layers, strict=True):
        last = layer is layers[-1]
        after, shifts = BITS if last else FRACTION, layer.shifts
        half = np.left_shift(1, shifts) >> 1  # it rounds, and is nothing else
        weight = np.ldexp(layer.weight * scale[:, None, None], (before - after - shifts)[:, None, None, None])
        bias = np.ldexp((layer.bias - half).astype(np.float64), -shifts - after)
        _set(conv, weight * SCALE if last else weight, (bias - 0.5) * SCALE if last else bias)
        before, scale = after, np.ones(1)
    norms = [module for module in synthesis if isinstance(module, Gdn)]
    for norm, step in zip(norms, (step for step in steps if isinstance(step, InverseGdn)), strict=True):
        bits = 2 * (step.shift - FRACTION)
        beta, gamma = step.beta.astype(np.float64), step.gamma.astype(np.float64)
        _set_roots(norm, np.ldexp(beta, -bits - 2 * FRACTION), np.ldexp(gamma, -bits))


def _set(conv: nn.Conv2d, weight: np.ndarray, bias: np.ndarray) -> None:
    assert conv.bias is not None
    conv.weight.copy_(torch.from_numpy(weight))
    conv.bias.copy_(torch.from_numpy(bias))


def _set_roots(norm: Gdn, beta: np.ndarray, gamma: np.ndarray) -> None:
    norm.root_beta.copy_(torch.from_numpy(np.sqrt((beta - LEAST_BETA).clip(_LEAST**2))))
    norm.root_gamma.copy_(torch.from_numpy(np.sqrt(gamma.clip(_LEAST**2))))
