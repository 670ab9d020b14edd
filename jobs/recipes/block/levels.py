"""The quality levels of a trained block codec: quantisers, refitted integer decoders, entropy models.

A level is made of unquantised latents z (pieces, planes, rows, columns, K) and the blocks (..., N) that they stand
for; its decoder is the linear regression from what the symbols stand for to the blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tilepress.codecs.entropy.context_model import MAX_LATENT
from tilepress.codecs.integer.network import FLOAT32_BOUND, quantise
from tilepress.codecs.learned.block.pca import VALUE_BITS
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.jobs.recipes.export.context_model import context_tensors
from tilepress.jobs.recipes.export.lloyd import codebook
from tilepress.jobs.recipes.export.rounding import narrow

_MARGIN = 1.1  # latents beyond those of training are given that much room
_REFIT = 200_000  # blocks that a decoder is fitted to


def uniform(z: np.ndarray, rest: np.ndarray, step: float) -> Quantiser:
    """Return one step for all latents, placed such that `rest` (K,), the latents of a gray block, is met exactly.

    Coarse steps live on that: what is neutral, and every coefficient that is almost 0, costs next to nothing.
    """
    axes = tuple(range(z.ndim - 1))
    low, high = np.minimum(_MARGIN * np.minimum(z.min(axis=axes), 0), rest), _MARGIN * z.max(axis=axes)
    zero = np.ceil((rest - low) / step) - rest / step
    top = np.clip(np.ceil(high / step + zero) + 1, 1, MAX_LATENT).astype(np.int32)
    return Quantiser(np.zeros_like(top), top, step=step, shift=zero)


def kmeans(z: np.ndarray, step: float, seed: int) -> Quantiser:
    """Return a codebook for each latent, of as many centres as give it the error of a uniform `step`."""
    flat, one = z.reshape(-1, z.shape[-1]), 1 << VALUE_BITS
    chosen = np.random.default_rng(seed).permutation(len(flat))[:_REFIT]
    books = [codebook(column * one, step * one) for column in flat[chosen].T]
    width = max(map(len, books))
    centres = np.stack([np.pad(book, (0, width - len(book)), mode="edge") for book in books])
    top = np.array([len(book) - 1 for book in books], np.int32)
    return Quantiser(np.zeros_like(top), top, step=1 / one, table=centres)


def level_tensors(
    levels: Sequence[Quantiser], z: np.ndarray, blocks: np.ndarray, seed: int
) -> tuple[dict[str, np.ndarray], int]:
    """Return the tensors of all levels for a model, and the fraction bits of their decoders."""
    real = torch.from_numpy(z)
    symbols = [level.latents(real).numpy() for level in levels]
    decoders = [_decoder(level, q, blocks) for level, q in zip(levels, symbols, strict=True)]
    bits = _fraction_bits(decoders, levels)
    tensors: dict[str, np.ndarray] = {}
    for i, (level, q, (weight, offset)) in enumerate(zip(levels, symbols, decoders, strict=True)):
        parts = context_tensors(q, level.high, seed) | _quantiser_tensors(level)
        parts |= {"decoder": narrow(quantise(weight, bits)), "offset": quantise(offset, bits).astype(np.int32)}
        tensors |= {f"level{i}.{name}": array for name, array in parts.items()}
    return tensors, bits


def _quantiser_tensors(level: Quantiser) -> dict[str, np.ndarray]:
    if level.table is not None:
        return {"centres": narrow(level.table)}
    assert level.shift is not None
    return {"zero": level.shift.astype(np.float32)}


def _decoder(level: Quantiser, symbols: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares decoder (N, K) and offset (N,) from what symbols stand for to blocks."""
    thin = slice(None, None, max(1, symbols[..., 0].size // _REFIT))
    q = level.values(torch.from_numpy(symbols.reshape(-1, symbols.shape[-1])[thin].copy())).numpy().astype(np.float64)
    x = blocks.reshape(-1, blocks.shape[-1])[thin]
    q_mean, x_mean = q.mean(axis=0), x.mean(axis=0, dtype=np.float64)
    centred = q - q_mean
    gram = centred.T @ centred + 1e-6 * len(q) * np.eye(q.shape[1])
    weight = np.linalg.solve(gram, centred.T @ (x - x_mean)).T
    return weight, x_mean - weight @ q_mean


def _fraction_bits(decoders: Sequence[tuple[np.ndarray, np.ndarray]], levels: Sequence[Quantiser]) -> int:
    """The most fraction bits, 18 to 20, for which float32 is exact at every level; 22, in float64, with codebooks."""
    if levels[0].table is not None:
        return 22
    reach = max(float((np.abs(w) @ lv.high + np.abs(b)).max()) for (w, b), lv in zip(decoders, levels, strict=True))
    return next((bits for bits in (20, 19) if reach * 2**bits < 0.99 * FLOAT32_BOUND), 18)
