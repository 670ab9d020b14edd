"""Moves latents to where the synthesis makes most of them, for their bits; decoders never know.

A symbol moves by one where that pays: the squared error changes by g + h / 2, g being its gradient and h the curvature
of its channel (Gauss-Newton, from a random projection: Hutchinson 1990), and the bits by what a simple model of
differences from neighbours says. A part of the symbols moves at a time, since neighbours share what they could gain.
What comes out is kept only where its own stream and its own decoded pixels cost less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from tilepress.codecs.integer.network import Step
from tilepress.codecs.learned.cnn_ae_ft.changes import arrays_of
from tilepress.codecs.learned.cnn_ae_ft.tuning import follow
from tilepress.codecs.planes.quantiser import Quantiser

_ROUNDS, _FIRST = 10, 6  # for each point of effort beyond the first few
_MOVING = 0.25  # share of symbols that may move in a round
_SEED = 1


@dataclass(frozen=True)
class Target:
    """What latents are refined for. `pieces`: float32 (m, 3, H, W), full scale being 1; `unit`: what full scale is of
    what the synthesis gives; `margin`: latents around; `price`: of a bit; `told`: what the synthesis is told of the
    level in a channel of its own, if it is."""

    pieces: np.ndarray
    unit: float
    margin: int
    price: float
    told: int | None


def refine(
    steps: Sequence[Step],
    quantiser: Quantiser,
    target: Target,
    effort: int,
    latents: np.ndarray,
    cost: Callable[[np.ndarray], float],
) -> np.ndarray:
    """Return symbols int16 (m, rows, columns, K), those of `latents` or better ones.

    Args:
        steps: Of the synthesis.
        quantiser: Of the level.
        target: What they are to become.
        effort: 7 to 9.
        latents: Symbols int16 (m, rows, columns, K).
        cost: Of symbols: squared error of what they decode to, and the price of their stream.
    """
    model = _Model(steps, quantiser, target)
    random = torch.Generator().manual_seed(_SEED)
    start = model.whole(torch.from_numpy(latents.astype(np.float32)))
    curvature = model.curvature(start, random)
    lowest, highest = (model.whole(torch.from_numpy(edge).float()) for edge in (quantiser.low, quantiser.high))
    price = (cost(latents) - model.error(start)) / float(_bits(start))  # of a bit of the simple model
    found = start
    for _ in range(_ROUNDS * (effort - _FIRST)):
        found = _moved(found, model.gradient(found), curvature, price, random).clamp(lowest, highest)
    symbols: np.ndarray = model.symbols(found).to(torch.int16).numpy()
    return symbols if cost(symbols) < cost(latents) else latents


class _Model:
    """The error of whole steps (m, rows, columns, K), followed through the synthesis in floats."""

    def __init__(self, steps: Sequence[Step], quantiser: Quantiser, target: Target) -> None:
        self._steps, self._target = steps, target
        self._arrays = [torch.from_numpy(array.astype(np.float32)) for array in arrays_of(steps)]
        self._pieces = torch.from_numpy(target.pieces)
        self._worth = torch.from_numpy(
            np.broadcast_to(np.asarray(quantiser.worth, np.float32), quantiser.low.shape).copy()
        )
        self._zero = 0 if quantiser.zero is None else torch.from_numpy(quantiser.zero)

    def whole(self, symbols: torch.Tensor) -> torch.Tensor:
        """Symbols as whole steps from 0."""
        return symbols - self._zero

    def symbols(self, whole: torch.Tensor) -> torch.Tensor:
        """The inverse."""
        return whole + self._zero

    def error(self, whole: torch.Tensor) -> float:
        """Squared error of all samples."""
        with torch.no_grad():
            return float(self._errors(whole).square().sum())

    def gradient(self, whole: torch.Tensor) -> torch.Tensor:
        """Of the squared error, for each whole step."""
        with torch.enable_grad():
            variable = whole.clone().requires_grad_(True)
            (found,) = torch.autograd.grad(self._errors(variable).square().sum(), variable)
        return found

    def curvature(self, whole: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """Second derivative of the squared error, float32 (K,), the mean over each channel."""
        with torch.enable_grad():
            variable = whole.clone().requires_grad_(True)
            errors = self._errors(variable)
            signs = torch.randint(0, 2, errors.shape, generator=random).float() * 2 - 1
            (found,) = torch.autograd.grad((errors * signs).sum(), variable)
        return 2 * found.square().mean(dim=(0, 1, 2))

    def _errors(self, whole: torch.Tensor) -> torch.Tensor:
        target = self._target
        x = functional.pad((whole * self._worth).movedim(-1, 1), [target.margin] * 4, mode="replicate")
        if target.told is not None:
            x = torch.cat([x, torch.full_like(x[:, :1], target.told)], dim=1)
        errors = follow(self._steps, x, self._arrays) / target.unit - self._pieces
        around = target.margin * (self._pieces.shape[2] // x.shape[2])
        return errors[:, :, around : errors.shape[2] - around, around : errors.shape[3] - around]


def _moved(
    whole: torch.Tensor, gradient: torch.Tensor, curvature: torch.Tensor, price: float, random: torch.Generator
) -> torch.Tensor:
    """Whole steps, some of them one further where that costs less."""
    up, down = (
        sign * gradient + curvature / 2 + price * (_local_bits(whole, whole + sign) - _local_bits(whole, whole))
        for sign in (1, -1)
    )
    step = torch.where(up < down, 1.0, -1.0)
    pays = torch.minimum(up, down) < 0
    return whole + step * (pays & (torch.rand(whole.shape, generator=random) < _MOVING))


def _bits(whole: torch.Tensor) -> torch.Tensor:
    """About the bits of whole steps: of their differences from the left and from above."""
    across, down = (whole[:, :, 1:] - whole[:, :, :-1]).abs(), (whole[:, 1:] - whole[:, :-1]).abs()
    return torch.log2(1 + across).sum() + torch.log2(1 + down).sum()


def _local_bits(whole: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """What each of `other` would cost of these bits among its neighbours in `whole`."""
    padded = functional.pad(whole.movedim(-1, 1), [1] * 4, mode="replicate").movedim(1, -1)
    height, width = whole.shape[1:3]
    places = ((0, 1), (2, 1), (1, 0), (1, 2))
    around = (padded[:, y : y + height, x : x + width] for y, x in places)
    return torch.stack([torch.log2(1 + (other - neighbour).abs()) for neighbour in around]).sum(dim=0)
