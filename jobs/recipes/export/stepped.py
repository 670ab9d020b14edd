"""From trained analyses to quantised latents: pictures to look at, quantisers in one step, tables of their coders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from tilepress.codecs.entropy.context_model import MAX_LATENT
from tilepress.codecs.learned.coders import stepped_quantiser
from tilepress.codecs.learned.networks import UNIT
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.jobs.recipes.export.context_model import context_tensors
from tilepress.jobs.recipes.export.rounding import narrow
from tilepress.jobs.recipes.networks.pictures import pictures

_MARGIN = 1.1  # latents beyond those of training are given that much room
_PIECE = 512
SAMPLES = 6  # pictures that each synthesis is tried on


def equal_squares(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Return squares uint8 (m, s, s, 3) of tiles (h, w, 3), s being their median size, at most _PIECE.

    Smaller tiles are left out.
    """
    sides = sorted(min(tile.shape[:2]) for tile in tiles)
    side = min(_PIECE, sides[len(sides) // 2]) if sides else 0
    return np.stack([tile[:side, :side] for tile in tiles if min(tile.shape[:2]) >= side > 0])


def spread(count: int, most: int = SAMPLES) -> list[int]:
    """Return the numbers of a few of `count` pictures, first and last among them, at most `most`, rising."""
    return sorted({int(at) for at in np.linspace(0, count - 1, most)})


def named(prefix: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return tensors NAME as `prefix.NAME`: the inverse of `under` of codecs/learned/tensors.py."""
    return {f"{prefix}.{name}": array for name, array in tensors.items()}


def picture_of(square: np.ndarray) -> torch.Tensor:
    """Return a square (s, s, 3) as a network sees it, float32 (1, 3, s, s)."""
    return pictures(torch.from_numpy(square[None].copy())).contiguous()


def fitted_quantiser(z: np.ndarray, step: int, ceiling: float, dead_zone: float) -> Quantiser:
    """Return a quantiser for all of the latents z (m, K, rows, columns) and some beyond, or for 0..ceiling.

    `step`: in units of 1 / UNIT. `ceiling`: 0 for none. `dead_zone`: of channels that are mostly 0, in steps.
    """
    if ceiling:
        top = np.full(z.shape[1], int(ceiling * UNIT) // step, np.int32)
        return stepped_quantiser(step, np.zeros_like(top), top, np.zeros(len(top), np.float32))
    low, high = (_MARGIN * UNIT / step * edge for edge in (z.min(axis=(0, 2, 3)), z.max(axis=(0, 2, 3))))
    zero = np.ceil(np.maximum(-low, 0))
    top = np.clip(zero + np.ceil(np.maximum(high, 1)), 1, MAX_LATENT)
    sparse = np.diff(z, axis=3).var(axis=(0, 2, 3)) > z.var(axis=(0, 2, 3))  # 0 predicts better than neighbours
    dead = np.where(sparse, dead_zone, 0).astype(np.float32)
    return stepped_quantiser(step, zero.astype(np.int32), top.astype(np.int32), dead)


def symbols_of(quantiser: Quantiser, z: np.ndarray) -> np.ndarray:
    """Return the symbols, int16 (m, rows, columns, K), of latents z (m, K, rows, columns)."""
    symbols: np.ndarray = quantiser.latents(torch.from_numpy(z).movedim(1, -1)).numpy()
    return symbols


def values_of(quantiser: Quantiser, z: np.ndarray) -> torch.Tensor:
    """Return what those symbols stand for, integers (m, K, rows, columns), in units of 1 / UNIT."""
    return quantiser.values(torch.from_numpy(symbols_of(quantiser, z))).movedim(-1, 1)


def stepped_tensors(quantiser: Quantiser, z: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the tensors of a quantiser and of the coder of its symbols, every picture being a plane of its own.

    Names are those that `load_stepped` of codecs/learned/coders.py reads.
    """
    assert quantiser.zero is not None and quantiser.dead is not None
    own = {"zero": narrow(quantiser.zero), "dead": quantiser.dead}
    return context_tensors(symbols_of(quantiser, z)[:, None], quantiser.high, seed) | own


def analysis_tensors(analysis: nn.Sequential) -> dict[str, np.ndarray]:
    """Return copies of the float tensors of an analysis, by the names that codecs/learned/networks.py reads.

    What is exported is an average of weights: the network itself soon has its own again.
    """
    out: dict[str, np.ndarray] = {}
    for i, conv in enumerate(m for m in analysis if isinstance(m, nn.Conv2d)):
        assert conv.bias is not None
        out |= {f"analysis{i}.weight": conv.weight.numpy().copy(), f"analysis{i}.bias": conv.bias.numpy().copy()}
    return out
