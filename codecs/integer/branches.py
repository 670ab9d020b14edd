"""Steps that only pass values on: next to what a convolution makes of them, or several times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.layers import IntegerLayer
from tilepress.codecs.integer.steps import Run, Step, bits_for, float_type

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Beside(Step):
    """(n, c, h, w) to (n, o + c, h, w): the o results of a convolution, and behind them what went into it.

    A convolution that follows sums both: this is a residual block whose skip is a convolution too, with one rounding.
    """

    layer: IntegerLayer

    def prove(self, bounds: np.ndarray, number: int) -> tuple[int, np.ndarray]:
        """Return the bits of the convolution and of the values passed on, and the bounds of both."""
        bits, reach = self.layer.prove(bounds, number)
        side = self.layer.weight.shape[2:]
        if self.layer.stride != 1 or side != (2 * self.layer.padding + 1,) * 2:
            raise ModelError(f"layer {number}: what goes beside a picture must have its size")
        return max(bits, bits_for(int(bounds.max()), number)), np.concatenate([reach, bounds])

    def place(self, device: torch.device, bits: int) -> Run:
        """Return a function that runs the convolution and joins channels."""
        import torch

        run, dtype = self.layer.place(device, bits), float_type(bits)
        return lambda x: torch.cat([run(x), x.to(dtype)], dim=3)


@dataclass(frozen=True)
class Repeat(Step):
    """Nearest neighbour to `factor` times the size: (n, c, h, w) to (n, c, h * factor, w * factor)."""

    factor: int

    def prove(self, bounds: np.ndarray, number: int) -> tuple[int, np.ndarray]:
        """Return the bits of the largest value, and the bounds as they are: values are only copied."""
        if not 1 <= self.factor <= 64:
            raise ModelError(f"layer {number}: samples cannot be repeated {self.factor} times")
        return bits_for(int(bounds.max()), number), bounds

    def place(self, device: torch.device, bits: int) -> Run:
        """Return a function that copies samples."""
        return lambda x: x.repeat_interleave(self.factor, 1).repeat_interleave(self.factor, 2)
