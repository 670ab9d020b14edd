"""The logistic function of integer networks: a table, the same on every machine."""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.steps import Run, Step, bits_for, float_type

if TYPE_CHECKING:
    import torch

INPUT_BITS = 8  # fraction bits of what goes in
SIGMOID_BITS = 18  # of what the table holds
SIGMOID_REACH = 10 << INPUT_BITS  # beyond it the function is constant
_DIGITS = 30


@cache
def sigmoid_table() -> np.ndarray:
    """Return S, int64 (2 SIGMOID_REACH + 1,): S[t + SIGMOID_REACH] is the integer nearest to 2^18 / (1 + e^(-t / 256)).

    Decimal arithmetic rounds correctly, so the table is the same everywhere; no entry is near a tie.
    """
    one, unit = decimal.Decimal(1 << SIGMOID_BITS), decimal.Decimal(1 << INPUT_BITS)
    with decimal.localcontext(decimal.Context(prec=_DIGITS)):
        upper = [int((one / (1 + (-t / unit).exp())).to_integral_value()) for t in range(SIGMOID_REACH + 1)]
    half = np.array(upper, np.int64)
    table = np.concatenate([(1 << SIGMOID_BITS) - half[:0:-1], half])
    table.setflags(write=False)
    return table


@dataclass(frozen=True)
class Sigmoid(Step):
    """y = floor((S(x) + 2^(17 - bits)) / 2^(18 - bits)), x clipped to the table: the logistic function of x / 256.

    `bits`: of the result, which is within 0..2^bits; 18 for S itself, without rounding.
    """

    bits: int = SIGMOID_BITS

    def prove(self, bounds: np.ndarray, number: int) -> tuple[int, np.ndarray]:
        """Return the bits of the largest value that goes in or is in the table, and 2^bits: a table gives no more."""
        if not 1 <= self.bits <= SIGMOID_BITS or not len(bounds):
            raise ModelError(f"layer {number}: a logistic function of {self.bits} bits for {len(bounds)} inputs")
        largest = max(int(bounds.max()), 1 << SIGMOID_BITS)
        return bits_for(largest, number), np.array([1 << self.bits] * len(bounds), dtype=object)

    def place(self, device: torch.device, bits: int) -> Run:
        """Return a function that looks every value up."""
        import torch

        drop = SIGMOID_BITS - self.bits
        rounded = (sigmoid_table() + (1 << drop >> 1)) >> drop
        table = torch.from_numpy(rounded).to(device, float_type(bits))

        def run(x: torch.Tensor) -> torch.Tensor:
            at = x.clamp(-SIGMOID_REACH, SIGMOID_REACH) + SIGMOID_REACH
            return torch.take(table, at.to(torch.int64))

        return run
