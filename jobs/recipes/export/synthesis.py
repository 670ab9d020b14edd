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
from torch import nn

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import FLOAT32_BOUND, FLOAT64_BOUND, IntegerNetwork
from tilepress.codecs.learned.float_layers import convolution_of
from tilepress.codecs.learned.networks import UNIT, NetworkPlan, load_synthesis
from tilepress.jobs.recipes.export.calibration import Case, Chain, Sample, cases_of, squared_error
from tilepress.jobs.recipes.export.integer_layer import WEIGHT_BITS, Bounds, filling, with_fraction, with_shifts

_MARGIN = 1.2
_NARROW, _WIDE = (7, 8, 9, 10, 11), 14  # bits of activations
_MOST_LOST = 0.02  # of the squared error, before float64 is taken


@dataclass(frozen=True)
class Exported:
    """Tensors for a model and what its configuration says of them. `lost`: squared error added, as a share."""

    tensors: dict[str, np.ndarray]
    activation_bits: int
    fraction_bits: int
    lost: float


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
    cases = cases_of(chains)
    found = [_tried(cases, bits, FLOAT32_BOUND) for bits in _NARROW]
    best = min((e for e in found if e), key=_most_lost, default=None)
    if best is None or _most_lost(best) > _MOST_LOST:
        best = _tried(cases, _WIDE, FLOAT64_BOUND) or best
    if best is None:
        raise ModelError(
            "its weights are too large for integers that are exact: the training diverged; lower lr=, or set clip=1.0"
        )
    return best


def _most_lost(exported: Sequence[Exported]) -> float:
    return max(each.lost for each in exported)


@dataclass(frozen=True)
class _Format:
    bits: int  # of activations
    case: Case
    bounds: Bounds


def _tried(cases: Sequence[Case], bits: int, limit: int) -> list[Exported] | None:
    """One way to export and its errors; None if a chain is not exact within the limit."""
    exported = []
    for case in cases:
        chain = case.chain
        converted = _convert(chain, _Format(bits, case, Bounds(limit, chain.weight_bits)))
        if converted is None:
            return None
        tensors, fraction = converted
        exact = IntegerNetwork(load_synthesis(chain.network, tensors, bits), chain.bounds)
        decoded = [exact(s.values).double() / (1 << fraction) for s in chain.samples]
        exported.append(Exported(tensors, bits, fraction, squared_error(decoded, chain.samples) / case.error - 1))
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
            each, moments = _scales(weight, i, factor, how), _moments_of(how.case, i, scale)
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
    scale = ((1 << how.bits) - 1) / (_MARGIN * how.case.peaks[number])
    if how.case.chain.rounds_in_turn:
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


def _moments_of(case: Case, number: int, scale: np.ndarray) -> np.ndarray | None:
    """Second moments of what a convolution sees, its inputs multiplied by `scale` (in,); None if nobody asks."""
    if case.moments is None:
        return None
    own = case.moments[number]
    each = np.repeat(scale, len(own) // len(scale))
    return own * np.outer(each, each)
