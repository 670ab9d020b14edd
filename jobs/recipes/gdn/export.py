"""From the trained float network of `gdn-factorized` to a model: integers for the synthesis, tables for the prior.

Weights of a convolution are rounded with as many bits as their type has, a power of two for each output; activations
carry FRACTION bits. The quantised latents of the training tiles are counted for the tables, the density of the
training standing in where counts are few.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from tilepress.codecs.entropy.factorized_prior import FactorizedTables, freeze
from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.steps import ROOT_BOUND
from tilepress.codecs.learned.gdn.transform import ALIGNMENT, BITS, FINE_BITS, SCALE, GdnConfig
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.gdn.network import Gdn, GdnNetwork
from tilepress.jobs.recipes.rounding import gram, round_in_turn

FRACTION = 10  # bits of activations after each convolution and inverse GDN
DEAD_ZONES = (0.1, 0.03)  # coarsest and finest level: the parts of a step by which latents are drawn to 0
_GAIN_BITS = 6  # fraction bits of inverse gains, the finest being one
_REACH = 2.0  # activations are clipped at so many times the largest that was seen
_SMOOTHING = 16.0  # latents that the density is worth beside the counts
_COUNTED = 2047  # largest latent that is counted
_SEEN = 16  # tiles that activations are measured on
_FINE = 20  # latents, those of most power, whose weights get FINE_BITS more
_WEIGHTS = (np.int8, np.int16, np.int16)  # of the synthesis
_ANALYSIS = (np.float16, np.int8, np.int8)  # of the analysis, which nothing needs exact

Tensors = dict[str, np.ndarray]


def export(
    network: GdnNetwork,
    tiles: Sequence[np.ndarray],
    options: Mapping[str, Any],
    training: Mapping[str, Any],
    licence: str,
) -> Model:
    """A model for codecs/learned/gdn/codec.py. `tiles`: uint8 (h, w, 3). ModelError if weights are not finite."""
    if not all(bool(torch.isfinite(p).all()) for p in network.parameters()):
        raise ModelError("weights to export are not finite: the training failed")
    levels = len(network.log_gain)
    zones = tuple(round(float(z), 3) for z in np.linspace(*DEAD_ZONES, levels))
    gains, inverse = _gains(network)
    with torch.no_grad():
        tensors = _analysis_tensors(network, [_picture(tile) for tile in tiles[:_SEEN]])
        latents = [network.latents(_picture(tile)) for tile in tiles]
        reach = _measure(network, latents[:_SEEN])
        for level in range(levels):
            frozen = _prior(network, latents, gains[level], zones[level])
            tensors |= frozen.tensors(f"level{level}")
    for level in range(levels):
        tensors[f"level{level}.gain"] = gains[level]
        tensors[f"level{level}.inverse"] = inverse[level]
    scaled = [torch.round(y * gain) * back for y in latents[:_SEEN] for gain, back in _scales(gains, inverse)]
    tensors |= _synthesis_tensors(network, reach, scaled)
    clips = tuple(_fixed(float(reach[i].max())) for i in (0, 2))
    first, second, last = (int(c) for c in options["channels"])
    config = GdnConfig((first, second, last), levels, int(options["default_level"]), (clips[0], clips[1]), zones)
    return Model("gdn-factorized", config.to_json(), training, licence, tensors)


def _gains(network: GdnNetwork) -> tuple[np.ndarray, np.ndarray]:
    """(levels, c) each: float gains of the analysis, integer ones of the synthesis, in units of 2^-_GAIN_BITS of the
    finest level's, which are folded into the first weights. Their products stay what was trained, so that rounding
    the second shifts the rate by very little and no scale at all."""
    forward, back = network.log_gain.detach().exp().numpy(), network.log_inverse_gain.detach().exp().numpy()
    wanted = back / _finest(network) * 2.0**_GAIN_BITS
    inverse = np.clip(np.rint(wanted), 1, 1 << 20).astype(np.int32)
    return (forward * wanted / inverse).astype(np.float32), inverse


def _finest(network: GdnNetwork) -> np.ndarray:
    """(c,): the smallest inverse gain of every channel. With it in the weights all their columns are of one size."""
    smallest: np.ndarray = network.log_inverse_gain.detach().exp().min(dim=0).values.numpy()
    return smallest


def _scales(gains: np.ndarray, inverse: np.ndarray) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(c, 1, 1) each: gain and inverse, in units of the finest, of a middle and the finest level."""
    for level in (len(gains) // 2, len(gains) - 1):
        back = inverse[level].astype(np.float32) / 2**_GAIN_BITS
        yield torch.from_numpy(gains[level])[:, None, None], torch.from_numpy(back)[:, None, None]


def _analysis_tensors(network: GdnNetwork, pictures: Sequence[torch.Tensor]) -> Tensors:
    tensors: Tensors = {}
    convolutions = [m for m in network.analysis if isinstance(m, nn.Conv2d)]
    norms = [m for m in network.analysis if isinstance(m, Gdn)]
    for i, (layer, kind) in enumerate(zip(convolutions, _ANALYSIS, strict=True)):
        weight = layer.weight.detach().numpy()
        if kind == np.int8:
            scale = np.maximum(np.abs(weight).max(axis=(1, 2, 3)), 1e-9) / 127
            tensors[f"analysis{i}.scale"] = scale.astype(np.float32)
            before = network.analysis[: list(network.analysis).index(layer)]
            moments = gram(layer, (before((x - 0.5) * SCALE) for x in pictures))
            weight = round_in_turn(weight / scale[:, None, None, None], moments, 127)
        tensors[f"analysis{i}.weight"] = weight.astype(kind)
        tensors[f"analysis{i}.bias"] = cast(torch.Tensor, layer.bias).detach().numpy().astype(np.float32)
    for i, norm in enumerate(norms):
        tensors[f"gdn{i}.beta"] = norm.beta.detach().numpy().astype(np.float32)
        tensors[f"gdn{i}.gamma"] = norm.gamma.detach().numpy().astype(np.float16)
    return tensors


def _picture(tile: np.ndarray) -> torch.Tensor:
    """(1, 3, h, w) in [0, 1) of a tile, cut to whole alignments."""
    height, width = (max(ALIGNMENT, side // ALIGNMENT * ALIGNMENT) for side in tile.shape[:2])
    short = [(0, max(0, height - tile.shape[0])), (0, max(0, width - tile.shape[1])), (0, 0)]
    padded = np.pad(tile[:height, :width], short, mode="edge")
    return torch.from_numpy(padded).permute(2, 0, 1)[None].float() / 256


def _measure(network: GdnNetwork, latents: Sequence[torch.Tensor]) -> list[np.ndarray]:
    """(c,) each: largest |x| of every channel after the first convolution, inverse GDN, convolution, inverse GDN,
    with room to spare; coarsest and finest level."""
    seen: dict[int, torch.Tensor] = {}
    for y in latents:
        for level in (0, len(network.log_gain) - 1):
            gain = network.log_gain[level].exp()[:, None, None]
            x = torch.round(y * gain) * network.log_inverse_gain[level].exp()[:, None, None]
            for i, step in enumerate(network.synthesis):
                x = step(x)
                if i in (1, 2, 4, 5):
                    top = x.abs().amax(dim=(0, 2, 3))
                    seen[i] = torch.maximum(seen.get(i, top), top)
    return [_REACH * seen[i].numpy().astype(np.float64) + 0.5 for i in sorted(seen)]


def _prior(network: GdnNetwork, latents: Sequence[torch.Tensor], gain: np.ndarray, zone: float) -> FactorizedTables:
    """Tables of one level: counts of the quantised latents, and a little of the density."""
    channels, width = len(gain), 2 * _COUNTED + 1
    counts = np.zeros(channels * width)
    rows = np.arange(channels)[:, None] * width + _COUNTED
    for y in latents:
        scaled = y[0].flatten(1).numpy() * gain[:, None]
        q = np.clip(np.sign(scaled) * np.floor(np.abs(scaled) + 0.5 - zone), -_COUNTED, _COUNTED).astype(np.int64)
        counts += np.bincount((rows + q).ravel(), minlength=len(counts))
    histogram = counts.reshape(channels, width)
    used = [np.flatnonzero(row) - _COUNTED for row in histogram]
    margin = [4 + (int(u[-1]) - int(u[0])) // 4 for u in used]
    low = np.array([max(int(u[0]) - m, -_COUNTED) for u, m in zip(used, margin, strict=True)])
    high = np.array([min(int(u[-1]) + m, _COUNTED) for u, m in zip(used, margin, strict=True)])
    values = torch.arange(-_COUNTED, _COUNTED + 1)[None, None, :, None] / torch.from_numpy(gain)[None, :, None, None]
    expected = network.density(values, 1 / torch.from_numpy(gain)[None])[0, :, :, 0].numpy()
    blend = histogram + _SMOOTHING * expected
    return freeze(low, [row[a + _COUNTED : b + _COUNTED + 1] for row, a, b in zip(blend, low, high, strict=True)])


def _synthesis_tensors(network: GdnNetwork, reach: Sequence[np.ndarray], scaled: Sequence[torch.Tensor]) -> Tensors:
    convolutions = [m for m in network.synthesis if isinstance(m, nn.Conv2d)]
    norms = [m for m in network.synthesis if isinstance(m, Gdn)]
    tensors: Tensors = {}
    before = _GAIN_BITS
    for i, (layer, kind) in enumerate(zip(convolutions, _WEIGHTS, strict=True)):
        weight = layer.weight.detach().double().numpy()
        bias = cast(torch.Tensor, layer.bias).detach().double().numpy()
        weight = weight * _finest(network)[:, None, None] if i == 0 else weight
        after = FRACTION
        if i == len(convolutions) - 1:
            weight, bias, after = weight / SCALE, bias / SCALE + 0.5, BITS
        moments = gram(layer, scaled) if i == 0 else None
        parts = _rounded(weight, bias, (1 << 8 * np.dtype(kind).itemsize - 1) - 1, (before, after), moments)
        if moments is not None:
            parts, tensors["synthesis0.index"], tensors["synthesis0.fine"] = _split(parts, moments)
        for name, array, dtype in zip(("weight", "bias", "shift"), parts, (kind, np.int64, np.int32), strict=True):
            tensors[f"synthesis{i}.{name}"] = array.astype(dtype)
        before = after
    for i, norm in enumerate(norms):
        tensors |= _igdn_tensors(norm, i, reach[2 * i], reach[2 * i + 1])
    return tensors


def _rounded(
    weight: np.ndarray, bias: np.ndarray, top: int, fractions: tuple[int, int], moments: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integer weights up to `top`, biases and shifts of a convolution between fraction bits (before, after); with
    `moments` of its inputs the weights are rounded in turn."""
    before, after = fractions
    largest = np.maximum(np.abs(weight).max(axis=(1, 2, 3)), 1e-9)
    bits = np.clip(np.floor(np.log2(top / largest)), after - before, 24).astype(np.int64)
    real = weight * np.exp2(bits)[:, None, None, None]
    if moments is None:
        scaled = np.rint(real)
    else:
        steps = np.ones(weight.shape[1:])
        steps[_strongest(moments, weight.shape[1])] = 2.0**-FINE_BITS
        scaled = round_in_turn(real, moments, top, steps)
    if np.abs(scaled).max() > top:
        raise ModelError("weights of the synthesis are too large for their type: the training failed")
    shift = bits + before - after
    half = np.where(shift > 0, np.exp2(shift - 1), 0)  # rounds to nearest, since the step itself rounds down
    return scaled, np.rint(bias * np.exp2(bits + before) + half), shift


def _strongest(moments: np.ndarray, channels: int) -> np.ndarray:
    """(_FINE,): the inputs of most power."""
    power = np.diag(moments).reshape(channels, -1).sum(axis=1)
    return np.sort(np.argsort(-power)[:_FINE])


def _split(
    parts: tuple[np.ndarray, np.ndarray, np.ndarray], moments: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Weights, biases and shifts with whole weights; the inputs with finer ones; what those have besides."""
    weight, bias, shift = parts
    index = _strongest(moments, weight.shape[1])
    whole = np.clip(np.rint(weight), -127, 127)
    fine = np.rint((weight - whole)[:, index] * 2.0**FINE_BITS)
    return (whole, bias * 2.0**FINE_BITS, shift + FINE_BITS), index.astype(np.int32), fine.astype(np.int8)


def _igdn_tensors(norm: Gdn, i: int, inside: np.ndarray, outside: np.ndarray) -> Tensors:
    """gamma with as many bits as the proof of the root leaves."""
    gamma, beta = norm.gamma.detach().double().numpy(), norm.beta.detach().double().numpy()
    squares = np.full(len(beta), float(_fixed(float(inside.max()))) ** 2)
    bits = min(24, 30 - int(np.ceil(np.log2(gamma.max() + 1))) // 2 * 2)
    while (np.rint(gamma * 2.0**bits) @ squares + beta * 2.0 ** (bits + 2 * FRACTION)).max() >= ROOT_BOUND / 2:
        bits -= 2
    if bits < 8:
        raise ModelError("divisive normalisation of the synthesis does not fit its integers: the training failed")
    return {
        f"igdn{i}.gamma": np.rint(gamma * 2.0**bits).astype(np.int32),
        f"igdn{i}.beta": np.rint(beta * 2.0 ** (bits + 2 * FRACTION)).astype(np.int64),
        f"igdn{i}.limit": np.array([_fixed(float(v)) for v in outside], np.int32),
        f"igdn{i}.shift": np.array([FRACTION + bits // 2], np.int32),
    }


def _fixed(value: float) -> int:
    return min(int(np.ceil(value * 2**FRACTION)), (1 << 24) - 1)
