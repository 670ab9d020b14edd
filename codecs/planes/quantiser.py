"""Scalar quantisation of latents: one quantiser for every learned codec, the channel being the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Quantiser:
    """Turns real latents z (..., K) into symbols, and symbols into the integers that a decoder sees.

    With u = z * gain / step + shift, the symbol is round(u) + zero, within `low`..`high`. Where there is `dead`,
    rounding is sgn(u) * floor(|u| + 1/2 - dead): a latent that is mostly 0 costs little error for its bits (Sullivan,
    "Efficient scalar quantization of exponential and Laplacian random variables", IEEE Trans. Information Theory
    42(5), 1996). A symbol stands for (symbol - zero) * worth. With a `table` the symbol is that of the value nearest
    to u, and stands for table[k, symbol].

    `low`, `high`: integers (K,).
    `gain`, `shift`: floats (K,); None: 1 and 0.
    `step`: quantisation step, above 0.
    `zero`: integers (K,), None: 0. `worth`: integers (K,) or one for all.
    `dead`: floats (K,) of 0..1/2, shares of a step; None: round to the nearest, halves to even.
    `table`: integers (K, S) that rise along 0..high[k], S > high; `low` is 0 then.
    """

    low: np.ndarray
    high: np.ndarray
    gain: np.ndarray | None = None
    step: float = 1.0
    shift: np.ndarray | None = None
    zero: np.ndarray | None = None
    worth: np.ndarray | int = 1
    dead: np.ndarray | None = None
    table: np.ndarray | None = None

    @property
    def bounds(self) -> np.ndarray:
        """Largest |value| that a symbol stands for, int64 (K,)."""
        if self.table is not None:
            return np.asarray(np.abs(self.table.astype(np.int64)).max(axis=1))
        zero = np.int64(0) if self.zero is None else self.zero.astype(np.int64)
        bounds: np.ndarray = np.maximum(np.abs(self.low - zero), np.abs(self.high - zero)).astype(np.int64)
        bounds *= np.asarray(self.worth, np.int64)
        return bounds

    def latents(self, z: torch.Tensor) -> np.ndarray:
        """Return the symbols, int16, of latents (..., K) on any device."""
        import torch

        symbols: np.ndarray = self.symbols(self.scaled(z)).to(torch.int16).cpu().numpy()
        return symbols

    def scaled(self, z: torch.Tensor) -> torch.Tensor:
        """Return u of latents (..., K)."""
        import torch

        u = z if self.gain is None else z * torch.from_numpy(self.gain).to(z)
        u = u if self.step == 1 else u / self.step
        return u if self.shift is None else u + torch.from_numpy(self.shift).to(z)

    def symbols(self, u: torch.Tensor, channel: int | None = None) -> torch.Tensor:
        """Return symbols of u (..., K), or (..., 1) of one channel; those of uniform steps in the float type of u."""
        import torch

        at = slice(None) if channel is None else slice(channel, channel + 1)
        if self.table is not None:
            edges = torch.from_numpy(self._edges[at]).to(u)
            found = torch.searchsorted(edges, u.reshape(-1, u.shape[-1]).T.contiguous())
            return found.T.reshape(u.shape)
        whole = torch.round(u)
        if self.dead is not None:
            half = torch.from_numpy(0.5 - self.dead[at].astype(np.float64)).to(u)
            whole = torch.sign(u) * torch.floor(u.abs() + half)
        whole = whole if self.zero is None else whole + torch.from_numpy(self.zero[at]).to(u)
        low, high = (torch.from_numpy(edge[at]).to(u) for edge in (self.low, self.high))
        return torch.minimum(torch.maximum(whole, low), high)

    def values(self, symbols: torch.Tensor, channel: int | None = None) -> torch.Tensor:
        """Return what symbols (..., K), or (..., 1) of one channel, stand for: int64, or symbols as they are."""
        import torch

        at = slice(None) if channel is None else slice(channel, channel + 1)
        if self.table is not None:
            table = torch.from_numpy(self.table[at].astype(np.int64)).to(symbols.device)
            flat = symbols.reshape(-1, symbols.shape[-1]).T.to(torch.int64)
            return torch.gather(table, 1, flat).T.reshape(symbols.shape)
        if self.zero is None and isinstance(self.worth, int) and self.worth == 1:
            return symbols
        values = symbols.to(torch.int64)
        if self.zero is not None:
            values = values - torch.from_numpy(self.zero[at].astype(np.int64)).to(symbols.device)
        worth = np.broadcast_to(np.asarray(self.worth, np.int64), self.low.shape)[at]
        return values * torch.from_numpy(worth.copy()).to(symbols.device)

    @cached_property
    def _edges(self) -> np.ndarray:
        """Where the nearest value changes, float64 (K, S - 1); never beyond `high`."""
        assert self.table is not None
        middle: np.ndarray = (self.table[:, 1:].astype(np.float64) + self.table[:, :-1]) / 2
        middle[np.arange(middle.shape[1]) >= self.high[:, None]] = np.inf
        return middle
