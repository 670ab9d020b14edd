"""From the trained network of `rbm-autoencoder` to the integers of a model: layers, codebooks, probability tables.

Weights are rounded one after another, on the activations of the training's blocks (export/rounding.py), so that 8 bits
are enough. An input of a decoder's layer is in units of 2^-activation_bits (a code: 1 / UNIT); each neuron has the most
fraction bits that its weights allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tilepress.codecs.entropy.factorized_prior import freeze
from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.sigmoid import INPUT_BITS
from tilepress.codecs.learned.rbm.config import UNIT, RbmConfig
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.jobs.recipes.export.lloyd import companded, lloyd
from tilepress.jobs.recipes.export.rounding import round_in_turn
from tilepress.jobs.recipes.rbm.network import MirroredAutoencoder

_SEEN = 20_000  # blocks that weights are rounded on
_SMOOTHING = 4.0  # codes, spread over all values, that are added to those counted
_MAX_SHIFT = 24
_MOST_BIAS = 1 << 30  # of an integer bias, which has 32 bits
Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Exporter:
    """Exports a network for the blocks (m, N) of a training. `weight_bits`: 8 or 16."""

    network: MirroredAutoencoder
    config: RbmConfig
    weight_bits: int

    @torch.no_grad()
    def tensors(self, blocks: torch.Tensor) -> Tensors:
        """Return the tensors of a model. ModelError if weights are not finite, or too large for integers."""
        if not all(bool(torch.isfinite(p).all()) for p in self.network.parameters()):
            raise ModelError("weights to export are not finite: the training failed")
        tensors = self._encoder(blocks[:_SEEN])
        codes = self.network.encode(blocks)
        for number, steps in enumerate(self.config.steps):
            parts = self._level(codes.numpy(), steps)
            tensors |= {f"level{number}.{name}": array for name, array in parts.items()}
        rounded = torch.round(codes[:_SEEN] * self.config.steps[-1]) / self.config.steps[-1]
        return tensors | self._decoder(rounded)

    @property
    def _top(self) -> int:
        return (1 << (self.weight_bits - 1)) - 1

    def _encoder(self, x: torch.Tensor) -> Tensors:
        out = {}
        for j, layer in enumerate(self.network.encoder):
            weight, bias = _numbers(layer)
            scale = np.maximum(np.abs(weight).max(axis=1), 1e-9) / self._top
            out[f"encoder{j}.weight"] = self._rounded(weight / scale[:, None], x)
            out |= {f"encoder{j}.scale": scale.astype(np.float32), f"encoder{j}.bias": bias.astype(np.float32)}
            x = torch.sigmoid(layer(x))
        return out

    def _decoder(self, x: torch.Tensor) -> Tensors:
        out = {}
        for j, layer in enumerate(self.network.decoder):
            weight, bias = _numbers(layer)
            unit = UNIT if j == 0 else 1 << self.config.activation_bits
            weight *= (1 << INPUT_BITS) / unit
            room = np.abs(bias) * ((1 << INPUT_BITS) * self._top / _MOST_BIAS)  # as if of a weight
            shift = _shifts(np.maximum(np.abs(weight).max(axis=1), room), self._top)
            offset = np.rint(np.ldexp(bias, shift + INPUT_BITS)).astype(np.int64) + (1 << shift >> 1)
            out[f"decoder{j}.weight"] = self._rounded(np.ldexp(weight, shift[:, None]), x)
            out |= {f"decoder{j}.bias": offset.astype(np.int32), f"decoder{j}.shift": shift.astype(np.int8)}
            x = torch.sigmoid(layer(x))
        return out

    def _rounded(self, weight: np.ndarray, inputs: torch.Tensor) -> np.ndarray:
        """Return weights (out, in) as integers that change what they make of `inputs` (m, in) least."""
        moments = (inputs.T @ inputs).double().numpy()
        return round_in_turn(weight, moments, self._top).astype(np.int8 if self.weight_bits == 8 else np.int16)

    def _level(self, codes: np.ndarray, steps: int) -> Tensors:
        """Return the codebook and the probability tables of a level, if it has them."""
        low, high = np.zeros(codes.shape[1], np.int64), np.full(codes.shape[1], steps)
        quantiser, tensors = Quantiser(low, high, step=1 / steps), Tensors()
        if self.config.quantiser == "kmeans":
            table = np.stack([_centres(column * UNIT, steps + 1) for column in codes.T])
            quantiser, tensors = Quantiser(low, high, step=1 / UNIT, table=table), {"centres": table}
        if self.config.coder == "entropy":
            symbols = quantiser.latents(torch.from_numpy(codes)).T.numpy()
            counts = [np.bincount(column, minlength=steps + 1) + _SMOOTHING / (steps + 1) for column in symbols]
            frozen: Mapping[str, np.ndarray] = freeze(low, counts).tensors("level")
            tensors |= {name.removeprefix("level."): array for name, array in frozen.items()}
        return tensors


def _numbers(layer: nn.Module) -> Sequence[np.ndarray]:
    """Return weight and bias, float64, of a linear layer."""
    assert isinstance(layer, nn.Linear)
    return [parameter.detach().double().numpy() for parameter in (layer.weight, layer.bias)]


def _shifts(largest: np.ndarray, top: int) -> np.ndarray:
    """Return the fraction bits, int64 (out,), with which weights up to `largest` (out,) stay within `top`."""
    shift: np.ndarray = np.floor(np.log2(top / np.maximum(largest, 1e-9))).astype(np.int64)
    if shift.min() < 0:
        raise ModelError("a weight to export is too large: the training failed")
    return shift.clip(max=_MAX_SHIFT)


def _centres(samples: np.ndarray, count: int) -> np.ndarray:
    """Return the codebook, int16 (count,), rising, of samples within 0..UNIT; the last value is repeated."""
    ordered = np.sort(samples.astype(np.float64))
    found = np.unique(np.rint(lloyd(ordered, companded(ordered, count))))
    return np.pad(found, (0, count - len(found)), mode="edge").astype(np.int16)
