"""What an export measures of a float network once: its activations, what its layers see, and its own error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tilepress.codecs.learned.float_layers import convolution_of
from tilepress.codecs.learned.networks import UNIT, NetworkPlan
from tilepress.jobs.recipes.export.integer_layer import WEIGHT_BITS
from tilepress.jobs.recipes.export.rounding import gram


@dataclass(frozen=True)
class Sample:
    """What an export is tried on.

    `values`: latents (m, k, h, w) in units of 1 / UNIT, as the integer network takes them. `pictures`: float32
    (m, c, H, W), or corrections, that they stand for; decoded ones are clipped to the `reach` of those.
    """

    values: np.ndarray
    pictures: np.ndarray
    reach: tuple[float, float] = (0, 1)


@dataclass(frozen=True)
class Chain:
    """A network to export. `bounds`: max |value| of each input channel. `weight_bits`: 8 or 16, of its weights."""

    network: NetworkPlan
    modules: nn.Sequential
    bounds: np.ndarray
    samples: Sequence[Sample]
    weight_bits: int = WEIGHT_BITS

    @property
    def rounds_in_turn(self) -> bool:
        """Whether each weight makes up for the rounding of those before it: of 8 bits, the nearest lose too much."""
        return self.weight_bits < WEIGHT_BITS


@dataclass(frozen=True)
class Case:
    """A chain, and what is measured of its float network once, whatever is tried."""

    chain: Chain
    peaks: list[np.ndarray]  # largest activation of each channel, after each convolution with a relu
    moments: list[np.ndarray] | None  # of what each convolution sees; None where weights are rounded to the nearest
    error: float  # squared error of the float network


@torch.no_grad()
def cases_of(chains: Sequence[Chain]) -> list[Case]:
    """Return what is measured of float networks; those that end in the same layers have the same peaks there."""
    cases = []
    for chain, peaks in zip(chains, _joint([_peaks(chain) for chain in chains]), strict=True):
        moments = _moments(chain) if chain.rounds_in_turn else None
        error = squared_error([chain.modules(unit(s)) for s in chain.samples], chain.samples)
        cases.append(Case(chain, peaks, moments, error))
    return cases


def _joint(peaks: Sequence[list[np.ndarray]]) -> list[list[np.ndarray]]:
    """Peaks of chains that agree where these are shared, which is where they lie as far from the end."""
    largest: list[np.ndarray] = []
    for each in peaks:
        for at, peak in enumerate(reversed(each)):
            if at == len(largest):
                largest.append(peak)
            largest[at] = np.maximum(largest[at], peak)
    return [largest[: len(each)][::-1] for each in peaks]


@torch.no_grad()
def _peaks(chain: Chain) -> list[np.ndarray]:
    """Largest activations after each relu, per channel of what a shuffle then makes; dead channels as barely alive."""
    peaks: list[np.ndarray] = []
    for sample in chain.samples:
        x, found, kind = unit(sample), [], ""
        for operation, module in zip(chain.network.operations, chain.modules, strict=True):
            x = module(x)
            if operation.kind in ("relu", "beside"):
                found.append(x[:, : operation.filters])
            elif operation.kind == "shuffle" and kind == "relu":
                found[-1] = x
            kind = operation.kind
        tops = [each.amax(dim=(0, 2, 3)).double().numpy() for each in found]
        peaks = [np.maximum(a, b) for a, b in zip(peaks, tops, strict=True)] if peaks else tops
    return [np.maximum(peak, 1e-3 * max(float(peak.max()), 1e-3)) for peak in peaks]


@torch.no_grad()
def _moments(chain: Chain) -> list[np.ndarray]:
    """Second moments of what each convolution sees, as `gram` gives them, over all samples."""
    seen: list[np.ndarray] = []
    for sample in chain.samples:
        x, found = unit(sample), []
        for module in chain.modules:
            if convolution := convolution_of(module):
                found.append(gram(convolution, [x]))
            x = module(x)
        seen = [a + b for a, b in zip(seen, found, strict=True)] if seen else found
    return seen


def unit(sample: Sample) -> torch.Tensor:
    """Return the latents of a sample as the float network takes them: float32, in units of 1."""
    return torch.from_numpy(sample.values).float() / UNIT


@torch.no_grad()
def squared_error(decoded: Sequence[torch.Tensor], samples: Sequence[Sample]) -> float:
    """Return the mean squared error of decoded samples, clipped to their reach; never 0."""
    squares = [
        (y.clamp(*s.reach).double() - torch.from_numpy(s.pictures)).square().mean()
        for y, s in zip(decoded, samples, strict=True)
    ]
    return float(torch.stack(squares).mean()) + 1e-12
