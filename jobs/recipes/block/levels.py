"""The quality levels of a trained block codec: quantisers, refitted integer decoders, entropy models.

A level is made of unquantised latents z (pieces, planes, rows, columns, K) and the blocks (..., N) that they stand
for; its decoder is the linear regression from what the symbols stand for to the blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.entropy.context_model import MAX_LATENT
from tilepress.codecs.integer.network import FLOAT32_BOUND, quantise
from tilepress.codecs.learned.block.model import VALUE_BITS
from tilepress.jobs.recipes.block.entropy import fit
from tilepress.jobs.recipes.lloyd import codebook

_MARGIN = 1.1  # latents beyond those of training are given that much room
_REFIT = 200_000  # blocks that a decoder is fitted to


@dataclass(frozen=True)
class Grid:
    """Symbols round(z / step + zero) in 0..top (K,)."""

    step: float
    zero: np.ndarray
    top: np.ndarray

    def symbols(self, z: np.ndarray) -> np.ndarray:
        """int16, of the shape of z."""
        scaled = np.rint(z / np.float32(self.step) + self.zero.astype(np.float32))
        return np.clip(scaled, 0, self.top).astype(np.int16)

    def values(self, symbols: np.ndarray) -> np.ndarray:
        """What the decoder sees."""
        return symbols.astype(np.float64)

    def tensors(self) -> dict[str, np.ndarray]:
        """What a model keeps of it."""
        return {"zero": self.zero.astype(np.float32)}


@dataclass(frozen=True)
class Codebooks:
    """Symbols of the nearest of `centres` (K, S), whole numbers of which the first top + 1 (K,) count."""

    centres: np.ndarray
    top: np.ndarray

    def symbols(self, z: np.ndarray) -> np.ndarray:
        """int16, of the shape of z."""
        out = np.empty(z.shape, np.int16)
        for k, (row, top) in enumerate(zip(self.centres, self.top, strict=True)):
            edges = (row[1 : top + 1] + row[:top]) / 2
            out[..., k] = np.searchsorted(edges, z[..., k] * np.float32(1 << VALUE_BITS))
        return out

    def values(self, symbols: np.ndarray) -> np.ndarray:
        """What the decoder sees."""
        values: np.ndarray = self.centres[np.arange(len(self.centres)), symbols]
        return values.astype(np.float64)

    def tensors(self) -> dict[str, np.ndarray]:
        """What a model keeps of it."""
        return {"centres": narrow(self.centres)}


Quantisation = Grid | Codebooks


def uniform(z: np.ndarray, rest: np.ndarray, step: float) -> Grid:
    """One step for all latents, placed such that `rest` (K,), the latents of a gray block, is met exactly.

    Coarse steps live on that: what is neutral, and every coefficient that is almost 0, costs next to nothing.
    """
    axes = tuple(range(z.ndim - 1))
    low, high = np.minimum(_MARGIN * np.minimum(z.min(axis=axes), 0), rest), _MARGIN * z.max(axis=axes)
    zero = np.ceil((rest - low) / step) - rest / step
    top = np.clip(np.ceil(high / step + zero) + 1, 1, MAX_LATENT)
    return Grid(step, zero, top.astype(np.int32))


def kmeans(z: np.ndarray, step: float, seed: int) -> Codebooks:
    """A codebook for each latent, of as many centres as give it the error of a uniform `step`."""
    flat = z.reshape(-1, z.shape[-1])
    chosen = np.random.default_rng(seed).permutation(len(flat))[:_REFIT]
    books = [codebook(column * (1 << VALUE_BITS), step * (1 << VALUE_BITS)) for column in flat[chosen].T]
    width = max(map(len, books))
    centres = np.stack([np.pad(book, (0, width - len(book)), mode="edge") for book in books])
    return Codebooks(centres, np.array([len(book) - 1 for book in books], np.int32))


def level_tensors(
    levels: Sequence[Quantisation], z: np.ndarray, blocks: np.ndarray, seed: int
) -> tuple[dict[str, np.ndarray], int]:
    """Tensors of all levels for a model, and the fraction bits of their decoders."""
    decoders = [_decoder(level, z, blocks) for level in levels]
    bits = _fraction_bits(decoders, levels)
    tensors: dict[str, np.ndarray] = {}
    for i, (level, (weight, offset)) in enumerate(zip(levels, decoders, strict=True)):
        fitted, cdf = fit(level.symbols(z), level.top, seed)
        parts = {name: narrow(array) for name, array in fitted._asdict().items()} | level.tensors()
        parts |= {"cdf": cdf, "decoder": narrow(quantise(weight, bits))}
        parts["offset"] = quantise(offset, bits).astype(np.int32)
        tensors |= {f"level{i}.{name}": array for name, array in parts.items()}
    return tensors, bits


def _decoder(level: Quantisation, z: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares decoder (N, K) and offset (N,) from quantised latents to blocks."""
    thin = slice(None, None, max(1, z[..., 0].size // _REFIT))
    q = level.values(level.symbols(z.reshape(-1, z.shape[-1])[thin]))
    x = blocks.reshape(-1, blocks.shape[-1])[thin]
    q_mean, x_mean = q.mean(axis=0), x.mean(axis=0, dtype=np.float64)
    centred = q - q_mean
    gram = centred.T @ centred + 1e-6 * len(q) * np.eye(q.shape[1])
    weight = np.linalg.solve(gram, centred.T @ (x - x_mean)).T
    return weight, x_mean - weight @ q_mean


def _fraction_bits(decoders: Sequence[tuple[np.ndarray, np.ndarray]], levels: Sequence[Quantisation]) -> int:
    """The most fraction bits, 18 to 20, for which float32 is exact at every level; 22, in float64, with codebooks."""
    if isinstance(levels[0], Codebooks):
        return 22
    reach = max(float((np.abs(w) @ lv.top + np.abs(b)).max()) for (w, b), lv in zip(decoders, levels, strict=True))
    return next((bits for bits in (20, 19) if reach * 2**bits < 0.99 * FLOAT32_BOUND), 18)


def narrow(array: np.ndarray) -> np.ndarray:
    """Integers as int16 if they fit, else int32."""
    small = np.abs(array.astype(np.int64)).max(initial=0) < 1 << 15
    return array.astype(np.int16 if small else np.int32)
