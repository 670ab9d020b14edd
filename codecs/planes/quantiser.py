"""Scalar quantisation of latents: one quantiser for every learned codec, the channel being the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tilepress.codecs.integer.checks import require

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

    def latents(self, z: torch.Tensor) -> torch.Tensor:
        """Return the symbols, int16, of latents (..., K) on their device."""
        import torch

        return self.symbols(self.scaled(z)).to(torch.int16)

    def scaled(self, z: torch.Tensor) -> torch.Tensor:
        """Return u of latents (..., K)."""
        u = z if self.gain is None else z * self._placed("gain", z)
        u = u if self.step == 1 else u / self.step
        return u if self.shift is None else u + self._placed("shift", z)

    def symbols(self, u: torch.Tensor, channel: int | None = None) -> torch.Tensor:
        """Return symbols of u (..., K), or (..., 1) of one channel; those of uniform steps in the float type of u."""
        import torch

        at = slice(None) if channel is None else slice(channel, channel + 1)
        if self.table is not None:
            edges = self._placed("_edges", u)[at]
            found = torch.searchsorted(edges, u.reshape(-1, u.shape[-1]).T.contiguous())
            return found.T.reshape(u.shape)
        whole = torch.round(u)
        if self.dead is not None:
            whole = torch.sign(u) * torch.floor(u.abs() + self._placed("_half", u)[at])
        whole = whole if self.zero is None else whole + self._placed("zero", u)[at]
        low, high = self._placed("low", u)[at], self._placed("high", u)[at]
        return torch.minimum(torch.maximum(whole, low), high)

    def values(self, symbols: torch.Tensor, channel: int | None = None) -> torch.Tensor:
        """Return what symbols (..., K), or (..., 1) of one channel, stand for: integers, or symbols as they are.

        int32 where all symbols of 16 bits stand for such, or else int64. ValueError for symbols that are not in the
        table, where there is one.
        """
        import torch

        at = slice(None) if channel is None else slice(channel, channel + 1)
        if self.table is not None:
            last = self.table.shape[1] - 1
            require(((symbols >= 0) & (symbols <= last)).all(), f"symbols are outside the table 0..{last}")
            flat = symbols.reshape(-1, symbols.shape[-1]).T.to(torch.int64).clamp(0, last)
            return torch.gather(self._placed("table", symbols, self._whole)[at], 1, flat).T.reshape(symbols.shape)
        if self.zero is None and isinstance(self.worth, int) and self.worth == 1:
            return symbols
        values = symbols.to(self._whole)
        if self.zero is not None:
            values = values - self._placed("zero", symbols, self._whole)[at]
        return values * self._placed("_worth", symbols, self._whole)[at]

    def nearest(self, u: torch.Tensor, channel: int | None = None) -> torch.Tensor:
        """Return what the symbols of u (..., K), or (..., 1) of one channel, stand for, in the float type of u."""
        import torch

        if channel is not None and self._plain:
            return torch.round(u).clamp_(int(self.low[channel]), int(self.high[channel]))
        return self.values(self.symbols(u, channel), channel).to(u.dtype)

    @cached_property
    def _plain(self) -> bool:
        """Whether symbols are what they stand for, and rounded to the nearest."""
        added = (self.table, self.dead, self.zero)
        return all(each is None for each in added) and isinstance(self.worth, int) and self.worth == 1

    def _placed(self, name: str, beside: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
        """An array of the quantiser, moved once, on the device of a tensor, and of its type unless told another."""
        import torch

        key = name, beside.device, dtype or beside.dtype
        if key not in self._there:
            self._there[key] = torch.from_numpy(np.array(getattr(self, name))).to(beside.device, key[2])
        return self._there[key]

    @cached_property
    def _there(self) -> dict[Any, torch.Tensor]:
        return {}

    @cached_property
    def _whole(self) -> torch.dtype:
        """An integer type that holds all values, and what is between."""
        import torch

        zero = 0 if self.zero is None else int(np.abs(self.zero.astype(np.int64)).max())
        largest = ((1 << 15) + zero) * int(np.abs(self._worth).max())
        return torch.int32 if max(largest, int(self.bounds.max())) < 1 << 31 else torch.int64

    @property
    def _worth(self) -> np.ndarray:
        return np.broadcast_to(np.asarray(self.worth, np.int64), self.low.shape)

    @property
    def _half(self) -> np.ndarray:
        assert self.dead is not None
        return np.asarray(0.5 - self.dead.astype(np.float64))

    @cached_property
    def _edges(self) -> np.ndarray:
        """Where the nearest value changes, float64 (K, S - 1); never beyond `high`."""
        assert self.table is not None
        middle: np.ndarray = (self.table[:, 1:].astype(np.float64) + self.table[:, :-1]) / 2
        middle[np.arange(middle.shape[1]) >= self.high[:, None]] = np.inf
        return middle
