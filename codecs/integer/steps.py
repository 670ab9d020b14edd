"""The steps that integer networks are made of: what each computes, the proof of its bounds, and how it runs.

Every value is an integer held in a float. A step is exact if every intermediate result, in any order of summation,
is proven to stay below 2^24 (then float32 will do) or 2^53 (float64): the same bits on every device, batch size,
thread count and memory layout. The proofs are in Python's integers; `network.py` strings them together.

Pictures run with channels last, (n, h, w, c). Linear layers and convolutions are in `layers.py`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.errors import ModelError

if TYPE_CHECKING:
    import torch

FLOAT32_BOUND = 1 << 24
FLOAT64_BOUND = 1 << 53
ROOT_BOUND = 1 << 52
MAX_SHIFT = 52
_STRIP = 1024  # positions a strip: what one strip touches stays in the cache of a core
_STRIP_OFF_CPU = 1 << 16

Run = Callable[["torch.Tensor"], "torch.Tensor"]


class Step(ABC):
    """One step of an integer network: immutable, and known by its bounds alone."""

    @abstractmethod
    def prove(self, bounds: np.ndarray, number: int) -> tuple[int, np.ndarray]:
        """Return significand bits that the step needs (24 or 53), and max |y| of each output channel.

        `bounds`: max |x| of each input channel; both are arrays of Python integers. ModelError, naming the step
        by its `number`, if nothing can be proven or its shapes, dtypes or shifts make no sense.
        """

    @abstractmethod
    def place(self, device: torch.device, bits: int) -> Run:
        """Return a function from (n, in) or (n, h, w, in) to the step's result, in floats of `bits` on `device`."""


def bits_for(largest: int, number: int) -> int:
    """24 or 53 for intermediate results up to `largest`; ModelError if they are exact in neither."""
    if largest >= FLOAT64_BOUND:
        raise ModelError(f"layer {number}: sums up to {largest} are not exact even in float64")
    return 24 if largest < FLOAT32_BOUND else 53


@dataclass(frozen=True)
class PixelShuffle(Step):
    """Depth to space: (n, c * factor^2, h, w) to (n, c, h * factor, w * factor), channels as torch orders them.

    After a convolution it makes a transposed convolution.
    """

    factor: int

    def prove(self, bounds: np.ndarray, number: int) -> tuple[int, np.ndarray]:
        """Return the bits of the largest value, and the bounds of the moved channels: values only move."""
        if not 1 <= self.factor <= 64 or not len(bounds) or len(bounds) % self.factor**2:
            raise ModelError(f"layer {number}: {len(bounds)} channels cannot be shuffled by {self.factor}")
        groups = bounds.reshape(-1, self.factor**2)
        return bits_for(int(bounds.max()), number), groups.max(axis=1)

    def place(self, device: torch.device, bits: int) -> Run:
        """Return a function that moves samples by one permutation."""
        r = self.factor

        def run(x: torch.Tensor) -> torch.Tensor:
            n, h, w, c = x.shape
            cut = x.reshape(n, h, w, c // r**2, r, r).permute(0, 1, 4, 2, 5, 3)
            return cut.reshape(n, h * r, w * r, c // r**2)

        return run


@dataclass(frozen=True)
class PixelUnshuffle(Step):
    """Space to depth, the inverse of `PixelShuffle`: (n, c, h, w) to (n, c * factor^2, h / factor, w / factor).

    Sides that `factor` does not divide give a RuntimeError.
    """

    factor: int

    def prove(self, bounds: np.ndarray, number: int) -> tuple[int, np.ndarray]:
        """Return the bits of the largest value, and the bounds of the moved channels: values only move."""
        if not 1 <= self.factor <= 64 or not len(bounds):
            raise ModelError(f"layer {number}: {len(bounds)} channels cannot be unshuffled by {self.factor}")
        return bits_for(int(bounds.max()), number), np.repeat(bounds, self.factor**2)

    def place(self, device: torch.device, bits: int) -> Run:
        """Return a function that moves samples by one permutation."""
        r = self.factor

        def run(x: torch.Tensor) -> torch.Tensor:
            n, h, w, c = x.shape
            cut = x.reshape(n, h // r, r, w // r, r, c).permute(0, 1, 3, 5, 2, 4)
            return cut.reshape(n, h // r, w // r, c * r**2)

        return run


@dataclass(frozen=True)
class Upsample(Step):
    """Bilinear to twice the size, half-pixel centres, edges replicated: (n, c, h, w) to (n, c, 2 h, 2 w).

    y = floor((9 a + 3 b + 3 c + d + 8) / 16), with a the nearest sample.
    """

    def prove(self, bounds: np.ndarray, number: int) -> tuple[int, np.ndarray]:
        """Return the bits of sums up to 16 times the largest sample and a half; means are no larger than samples."""
        return bits_for(16 * int(bounds.max()) + 8, number), bounds

    def place(self, device: torch.device, bits: int) -> Run:
        """Return a function that applies both directions in turn, without rounding between."""
        import torch

        dtype = float_type(bits)

        def double(x: torch.Tensor, axis: int) -> torch.Tensor:
            first, last = x.narrow(axis, 0, 1), x.narrow(axis, x.shape[axis] - 1, 1)
            wide = torch.cat([first, x, last], dim=axis)
            size = x.shape[axis]
            before = 3 * x + wide.narrow(axis, 0, size)
            after = 3 * x + wide.narrow(axis, 2, size)
            return torch.stack([before, after], dim=axis + 1).flatten(axis, axis + 1)

        def run(x: torch.Tensor) -> torch.Tensor:
            return torch.floor((double(double(x.to(dtype), 1), 2) + 8) * 2.0**-4)

        return run


@dataclass(frozen=True)
class InverseGdn(Step):
    """Inverse generalised divisive normalisation: y_i = clip(floor(x_i r_i / 2^shift), -limit_i, limit_i), where
    r_i = floor(sqrt(beta_i + sum_j gamma_ij x_j^2)); Ballé, Laparra, Simoncelli 2016, section 3 (2018: eq. 10).

    `beta`, `limit`: (c,), `gamma`: (c, c) integers >= 0.

    The root is exact. Let s < 2^52 be the sum, so that sqrt(s) < 2^26. Any device's sqrt is within 1 of the real
    one (IEEE 754 grants 2^-27 here), so that its floor is one less, equal to or one more than R = floor(sqrt(s)).
    From there: if r^2 > s, r is R + 1 and is lowered; then, if (r + 1)^2 <= s, r was R - 1 and is raised. The
    squares are integers of at most (2^26 + 1)^2 < 2^53, so that both comparisons are exact as well.
    """

    beta: np.ndarray
    gamma: np.ndarray
    shift: int
    limit: np.ndarray

    def prove(self, bounds: np.ndarray, number: int) -> tuple[int, np.ndarray]:
        """Return bounds of squares, their sum, and the product with the root."""
        self._check(len(bounds), number)
        squares = np.array([int(b) ** 2 for b in bounds], dtype=object)
        sums = [int(v) for v in self.gamma.astype(object) @ squares + self.beta.astype(object)]
        if max(sums) >= ROOT_BOUND:
            raise ModelError(f"layer {number}: a root of sums up to {max(sums)} is not exact in float64")
        products = [int(b) * math.isqrt(s) for b, s in zip(bounds, sums, strict=True)]
        reach = [min((p >> self.shift) + 1, int(top)) for p, top in zip(products, self.limit, strict=True)]
        return bits_for(max(*squares, *sums, *products), number), np.array(reach, dtype=object)

    def place(self, device: torch.device, bits: int) -> Run:
        """Return one matrix product a strip, and the corrected root."""
        import torch

        dtype = float_type(bits)
        beta, gamma, limit = (
            torch.from_numpy(a.astype(np.float64)).to(device, dtype) for a in (self.beta, self.gamma.T, self.limit)
        )
        gamma = gamma.contiguous()

        def strip(x: torch.Tensor) -> torch.Tensor:
            sums = torch.addmm(beta, x * x, gamma)
            root = torch.sqrt(sums).floor_()
            root -= (root * root > sums).to(dtype)
            root += ((root + 1).square_() <= sums).to(dtype)
            y = root.mul_(x).mul_(2.0**-self.shift).floor_()
            return torch.minimum(torch.maximum(y, -limit), limit)

        def run(x: torch.Tensor) -> torch.Tensor:
            flat = x.reshape(-1, x.shape[-1]).to(dtype)
            out = torch.empty_like(flat)
            for part in strips(len(flat), device):
                out[part] = strip(flat[part])
            return out.reshape(x.shape)

        return run

    def _check(self, inputs: int, number: int) -> None:
        shapes = self.beta.shape == self.limit.shape == (inputs,) and self.gamma.shape == (inputs, inputs)
        if not shapes or not inputs:
            raise ModelError(f"layer {number}: shapes {self.beta.shape}, {self.gamma.shape} do not fit {inputs} inputs")
        if any(a.dtype.kind not in "iu" or int(a.min()) < 0 for a in (self.beta, self.gamma, self.limit)):
            raise ModelError(f"layer {number}: beta, gamma and limit of GDN are integers from 0 up")
        if not 0 <= self.shift <= MAX_SHIFT:
            raise ModelError(f"layer {number}: shift is out of range")


def float_type(bits: int) -> torch.dtype:
    """Return the float that holds integers of so many significand bits."""
    import torch

    return torch.float32 if bits == 24 else torch.float64


def strips(count: int, device: torch.device) -> Iterator[slice]:
    """Return slices that together cover `count` positions, each of a size that suits the device."""
    size = _STRIP if device.type == "cpu" else _STRIP_OFF_CPU
    return (slice(at, min(at + size, count)) for at in range(0, count, size))
