"""From a float synthesis to integers that are proven exact (codecs/integer/network.py), losing as little as may be.

Weights w, bias b and activations x become W = round(w s_out / s_in 2^shift), B and X = s_in x, where s are scales of
each channel: an activation's largest value in calibration, and a margin, fills its bits. A layer is exact in float32
if sum |W| max |X| + |B| < 2^24: bits of activations are bought with bits of weights, so several are tried, and the
one with the least error in the pixels is taken. Float64, several times slower, is for networks that lose too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import FLOAT32_BOUND, FLOAT64_BOUND, IntegerNetwork
from tilepress.codecs.learned.float_layers import convolution_of
from tilepress.codecs.learned.networks import UNIT, NetworkPlan, load_synthesis
from tilepress.jobs.recipes.export.integer_layer import WEIGHT_BITS, Bounds, filling, with_fraction, with_shifts
from tilepress.jobs.recipes.export.rounding import gram

_MARGIN = 1.2
_NARROW, _WIDE = (7, 8, 9, 10, 11), 14  # bits of activations
_MOST_LOST = 0.02  # of the squared error, before float64 is taken


@dataclass(frozen=True)
class Sample:
    """What an export is tried on: latents (m, k, h, w) in units of 1 / UNIT, as the integer network takes them, and
    the pictures float32 (m, 3, H, W) that they stand for, which decoded ones are clipped to the `reach` of."""

    values: np.ndarray
    pictures: np.ndarray
    reach: tuple[float, float] = (0, 1)


@dataclass(frozen=True)
class Exported:
    """Tensors for a model and what its configuration says of them. `lost`: squared error added, as a share."""

    tensors: dict[str, np.ndarray]
    activation_bits: int
    fraction_bits: int
    lost: float


@dataclass(frozen=True)
class Chain:
    """A network to export. `bounds`: max |value| of each input channel. `weight_bits`: 8 or 16, of its weights."""

    network: NetworkPlan
    modules: nn.Sequential
    bounds: np.ndarray
    samples: Sequence[Sample]
    weight_bits: int = WEIGHT_BITS


def export_synthesis(
    network: NetworkPlan,
    modules: nn.Sequential,
    bounds: np.ndarray,
    samples: Sequence[Sample],
    weight_bits: int = WEIGHT_BITS,
) -> Exported:
    """Return the best integer network.

    `bounds`: max |value| of each input channel. `weight_bits`: 8 or 16. ModelError if none can be proven.
    """
    (exported,) = export_chains([Chain(network, modules, bounds, samples, weight_bits)])
    return exported


def export_chains(chains: Sequence[Chain]) -> list[Exported]:
    """Return the best integer networks of one format for syntheses that end in the same layers.

    Activations have the same scales, counted from the end, so that shared layers become the same integers in every
    chain. ModelError if a chain cannot be proven.
    """
    peaks = _joint([_peaks(chain) for chain in chains])
    wanted = [_error([chain.modules(_unit(s)) for s in chain.samples], chain.samples) for chain in chains]
    found = [_tried(chains, peaks, wanted, bits, FLOAT32_BOUND) for bits in _NARROW]
    best = min((e for e in found if e), key=_most_lost, default=None)
    if best is None or _most_lost(best) > _MOST_LOST:
        best = _tried(chains, peaks, wanted, _WIDE, FLOAT64_BOUND) or best
    if best is None:
        raise ModelError("the synthesis cannot be expressed in integers; the training failed")
    return best


def _most_lost(exported: Sequence[Exported]) -> float:
    return max(each.lost for each in exported)


def _joint(peaks: Sequence[list[np.ndarray]]) -> list[list[np.ndarray]]:
    """Peaks of chains that agree where these are shared, which is where they lie as far from the end."""
    largest: list[np.ndarray] = []
    for each in peaks:
        for at, peak in enumerate(reversed(each)):
            if at == len(largest):
                largest.append(peak)
            largest[at] = np.maximum(largest[at], peak)
    return [largest[: len(each)][::-1] for each in peaks]


@dataclass(frozen=True)
class _Format:
    bits: int  # of activations
    peaks: list[np.ndarray]  # largest activation of each channel, after each convolution with a relu
    bounds: Bounds
    moments: list[np.ndarray]  # of what each convolution sees; empty where weights are rounded to the nearest


def _tried(
    chains: Sequence[Chain], peaks: Sequence[list[np.ndarray]], wanted: Sequence[float], bits: int, limit: int
) -> list[Exported] | None:
    """One way to export and its errors; None if a chain is not exact within the limit."""
    exported = []
    for chain, own, error in zip(chains, peaks, wanted, strict=True):
        moments = _moments(chain) if chain.weight_bits < WEIGHT_BITS else []
        converted = _convert(chain, _Format(bits, own, Bounds(limit, chain.weight_bits), moments))
        if converted is None:
            return None
        tensors, fraction = converted
        exact = IntegerNetwork(load_synthesis(chain.network, tensors, bits), chain.bounds)
        decoded = [exact(s.values).double() / (1 << fraction) for s in chain.samples]
        exported.append(Exported(tensors, bits, fraction, _error(decoded, chain.samples) / error - 1))
    return exported


def _convert(chain: Chain, how: _Format) -> tuple[dict[str, np.ndarray], int] | None:
    """Tensors, and the fraction bits of what comes out."""
    tensors: dict[str, np.ndarray] = {}
    scale, reach, fraction = np.full(len(chain.bounds), float(UNIT)), chain.bounds.astype(np.float64), 0
    convolutions = [conv for conv in map(convolution_of, chain.modules) if conv]
    operations, folded = chain.network.convolutions, folds(chain.network)
    for i, (conv, operation, factor) in enumerate(zip(convolutions, operations, factors(chain.network), strict=True)):
        assert conv.bias is not None
        scale, reach = np.repeat(scale, folded[i]), np.repeat(reach, folded[i])
        weight, bias = (p.detach().double().numpy() for p in (conv.weight, conv.bias))
        weight = weight / scale[None, :, None, None]
        if factor:
            each, moments = _scales(weight, i, factor, how), _scaled(how.moments[i], scale) if how.moments else None
            chosen = with_shifts(weight * each[:, None, None, None], bias * each, reach, how.bounds, moments)
            own = each[:: factor**2]
            own_reach = np.full(len(own), float((1 << how.bits) - 1))
            beside = operation.kind == "beside"
            scale = np.concatenate([own, scale]) if beside else own
            reach = np.concatenate([own_reach, reach]) if beside else own_reach
        else:
            fraction, chosen = with_fraction(weight, bias, reach, how.bounds)
        if chosen is None:
            return None
        tensors |= {f"synthesis{i}.{name}": array for name, array in zip(_NAMES, chosen, strict=True)}
    return tensors, fraction


def _scales(weight: np.ndarray, number: int, factor: int, how: _Format) -> np.ndarray:
    """By what each output of a convolution is multiplied, the same for those that a shuffle makes one channel of."""
    scale = ((1 << how.bits) - 1) / (_MARGIN * how.peaks[number])
    if how.moments:
        scale = scale * filling(weight, np.repeat(scale, factor**2), how.bounds).reshape(-1, factor**2).min(axis=1)
    return np.repeat(scale, factor**2)


_NAMES = ("weight", "bias", "shift")


def factors(network: NetworkPlan) -> list[int]:
    """Return of each convolution the factor of the shuffle behind its relu, 1 if there is none; 0 of the last one.

    ModelError if a network cannot be exported: what is between its convolutions is not so.
    """
    kinds = [(operation.kind, operation.size) for operation in network.operations] + 2 * [("", 0)]
    found = []
    for at, (kind, _) in enumerate(kinds):
        if kind == "beside":
            found.append(1)
        elif kind == "conv":
            (relu, _), (then, factor) = kinds[at + 1 : at + 3]
            found.append(0 if relu != "relu" else factor if then == "shuffle" else 1)
    inner = [at for at, (kind, _) in enumerate(kinds[:-3]) if kind == "shuffle"]
    if 0 in found[:-1] or found[-1] or any(kinds[at - 1][0] != "relu" for at in inner):
        raise ModelError("every convolution of a synthesis but the last is followed by relu, and maybe by shuffle then")
    return found


def folds(network: NetworkPlan) -> list[int]:
    """Return of each convolution into how many channels `unshuffle` folded each of those that go in."""
    folded, each = [], 1
    for operation in network.operations:
        if operation.kind in ("conv", "beside"):
            folded.append(each)
            each = 1
        elif operation.kind == "unshuffle":
            each *= operation.size**2
    return folded


@torch.no_grad()
def _peaks(chain: Chain) -> list[np.ndarray]:
    """Largest activations after each relu, per channel of what a shuffle then makes; dead channels as barely alive."""
    peaks: list[np.ndarray] = []
    for sample in chain.samples:
        x, found, kind = _unit(sample), [], ""
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
        x, found = _unit(sample), []
        for module in chain.modules:
            if convolution := convolution_of(module):
                found.append(gram(convolution, [x]))
            x = module(x)
        seen = [a + b for a, b in zip(seen, found, strict=True)] if seen else found
    return seen


def _scaled(moments: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Moments of inputs that are multiplied by `scale`, one for each channel."""
    each = np.repeat(scale, len(moments) // len(scale))
    return moments * np.outer(each, each)


def _unit(sample: Sample) -> torch.Tensor:
    return torch.from_numpy(sample.values).float() / UNIT


@torch.no_grad()
def _error(decoded: Sequence[torch.Tensor], samples: Sequence[Sample]) -> float:
    squares = [
        (y.clamp(*s.reach).double() - torch.from_numpy(s.pictures)).square().mean()
        for y, s in zip(decoded, samples, strict=True)
    ]
    return float(torch.stack(squares).mean()) + 1e-12
