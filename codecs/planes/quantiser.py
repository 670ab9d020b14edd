"""Scalar quantisation of the latents of the block codecs: uniform, or with a table of values for each latent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Quantiser:
    """What a level makes of latents z (K,): v = z / step + zero, then the symbol 0..top of the value nearest to v.

    A symbol's value is itself, or `table[k, symbol]`. Blocks decode to matrix @ values + offset. `zero`, `matrix`
    (N, K), `offset` (N,): float64, full scale 1. `top` (K,): integers. `table` (K, S): whole numbers, float64, that
    rise along 0..top[k].
    """

    step: float
    zero: np.ndarray
    top: np.ndarray
    matrix: np.ndarray
    offset: np.ndarray
    table: np.ndarray | None = None

    @cached_property
    def _edges(self) -> np.ndarray:
        """(K, S - 1): where the nearest value changes; never beyond `top`."""
        assert self.table is not None
        middle: np.ndarray = (self.table[:, 1:] + self.table[:, :-1]) / 2
        middle[np.arange(middle.shape[1]) >= self.top[:, None]] = np.inf
        return middle

    def scaled(self, z: torch.Tensor) -> torch.Tensor:
        """Latents (..., K) to v."""
        import torch

        return z / self.step + torch.from_numpy(self.zero).to(z)

    def symbols(self, v: torch.Tensor, channel: int | None = None) -> torch.Tensor:
        """v (..., K), or (..., 1) of one channel, to symbols of the same shape; uniform ones keep the float type."""
        import torch

        chosen = slice(None) if channel is None else slice(channel, channel + 1)
        if self.table is None:
            return torch.minimum(torch.round(v).clamp_min(0), torch.from_numpy(self.top[chosen]).to(v))
        edges = torch.from_numpy(self._edges[chosen]).to(v)
        found = torch.searchsorted(edges, v.reshape(-1, v.shape[-1]).T.contiguous())
        return found.T.reshape(v.shape)

    def values(self, symbols: torch.Tensor, channel: int | None = None) -> torch.Tensor:
        """Values of symbols (..., K), or (..., 1) of one channel."""
        import torch

        if self.table is None:
            return symbols
        chosen = slice(None) if channel is None else slice(channel, channel + 1)
        table = torch.from_numpy(self.table[chosen]).to(symbols.device)
        flat = symbols.reshape(-1, symbols.shape[-1]).T
        return torch.gather(table, 1, flat).T.reshape(symbols.shape)
