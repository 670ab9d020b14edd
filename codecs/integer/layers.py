"""Linear layers and convolutions of integer networks.

A convolution is a sum of matrix products, one for each tap (or row of taps) over shifted views of the padded
picture, strip by strip: no patches of the whole picture are ever made, and neither Winograd nor FFT kernels, which
are not exact even on integers, can come in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.steps import (
    FLOAT32_BOUND,
    FLOAT64_BOUND,
    MAX_SHIFT,
    Run,
    Step,
    bits_for,
    float_type,
    strips,
)

if TYPE_CHECKING:
    import torch

_WIDE = 24  # from so many channels on a single tap is a matrix product worth making


@dataclass(frozen=True)
class IntegerLayer(Step):
    """y = clip(floor((W x + b) / 2^shift), low, high), all integers; clipping from 0 is ReLU.

    `weight`: (out, in) for a linear layer on (n, in), or (out, in, kh, kw) for a convolution on (n, in, h, w)
    with `stride` and zero `padding`. `bias`: (out,). `shift`: one for all outputs, or (out,) integers. No clip
    where `low` and `high` are None.
    """

    weight: np.ndarray
    bias: np.ndarray
    shift: int | np.ndarray = 0
    low: int | None = None
    high: int | None = None
    stride: int = 1
    padding: int = 0

    @property
    def shifts(self) -> np.ndarray:
        """(out,) int64: the shift of every output."""
        return np.broadcast_to(np.asarray(self.shift, np.int64), self.bias.shape)

    def prove(self, bounds: np.ndarray, number: int) -> tuple[int, np.ndarray]:
        """Return bound of every partial sum: sum |w| max |x| + |b|."""
        self._check(len(bounds), number)
        rows = np.abs(self.weight.astype(object)).reshape(len(self.weight), len(bounds), -1).sum(axis=2)
        sums = [int(v) for v in rows @ bounds + np.abs(self.bias.astype(object))]
        limit = FLOAT64_BOUND if self.low is None or self.high is None else max(abs(self.low), abs(self.high))
        reach = [min((s >> int(shift)) + 1, limit) for s, shift in zip(sums, self.shifts, strict=True)]
        return bits_for(max(sums), number), np.array(reach, dtype=object)

    def place(self, device: torch.device, bits: int) -> Run:
        """Return a matrix product, or strips of shifted ones."""
        return _Linear(self, device, bits) if self.weight.ndim == 2 else _Convolution(self, device, bits)

    def _check(self, inputs: int, number: int) -> None:
        weight, bias, shift = self.weight, self.bias, np.asarray(self.shift)
        fits = weight.ndim in (2, 4) and weight.shape[1:2] == (inputs,) and bias.shape == weight.shape[:1]
        if not fits or not weight.size:
            raise ModelError(f"layer {number}: shapes {weight.shape}, {bias.shape} do not fit {inputs} inputs")
        if weight.dtype.kind not in "iu" or bias.dtype.kind not in "iu" or shift.dtype.kind not in "iu":
            raise ModelError(f"layer {number}: {weight.dtype} weights, {bias.dtype} biases; only integers are exact")
        if (self.low or 0) > 0 or (self.high or 0) < 0:
            raise ModelError(f"layer {number}: a clip to {self.low}..{self.high} would lift values beyond their bounds")
        clipped = self.low is None or self.high is None or -FLOAT32_BOUND < self.low <= self.high < FLOAT32_BOUND
        shifted = shift.shape in ((), bias.shape) and 0 <= int(shift.min()) <= int(shift.max()) <= MAX_SHIFT
        if not shifted or not clipped or self.stride < 1 or self.padding < 0:
            raise ModelError(f"layer {number}: shift, clip, stride or padding is out of range")


class _Linear:
    """A placed linear layer, and the rounding and clipping that convolutions share."""

    def __init__(self, layer: IntegerLayer, device: torch.device, bits: int):
        import torch

        self.layer, self.device, self.dtype = layer, device, float_type(bits)
        self.scale = torch.from_numpy(np.ldexp(1.0, -layer.shifts)).to(device, self.dtype)
        self.bias = self._tensor(layer.bias)
        if layer.weight.ndim == 2:
            self.matrix = self._tensor(layer.weight.T)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        import torch

        return torch.from_numpy(np.ascontiguousarray(array, np.float64)).to(self.device, self.dtype)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        return self._finish(torch.addmm(self.bias, x.to(self.dtype).contiguous(), self.matrix))

    def _finish(self, y: torch.Tensor) -> torch.Tensor:
        """Shift and clip in place."""
        if self.layer.shifts.any():
            y.mul_(self.scale).floor_()
        if self.layer.low is not None or self.layer.high is not None:
            y.clamp_(self.layer.low, self.layer.high)
        return y


class _Convolution(_Linear):
    """A placed convolution: `taps` are (offset dy, dx, matrix); narrow pictures take a row of taps at once."""

    def __init__(self, layer: IntegerLayer, device: torch.device, bits: int):
        super().__init__(layer, device, bits)
        out, inputs, self.height, self.width = layer.weight.shape
        self.joined = self.width if layer.stride == 1 and inputs < _WIDE else 1
        rows = layer.weight.transpose(2, 3, 1, 0)  # (kh, kw, in, out)
        self.taps = [
            (dy, dx, self._tensor(rows[dy, dx : dx + self.joined].reshape(-1, out)))
            for dy in range(self.height)
            for dx in range(0, self.width, self.joined)
        ]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(n, h, w, in) to (n, h', w', out)."""
        import torch

        pad = self.layer.padding
        x = torch.nn.functional.pad(x.to(self.dtype), (0, 0, pad, pad, pad, pad)).contiguous()
        if x.shape[1] < self.height or x.shape[2] < self.width:
            raise ValueError(f"a picture of {x.shape[1]}x{x.shape[2]} is smaller than the kernel of a convolution")
        return self._dense(x) if self.layer.stride == 1 else self._strided(x)

    def _dense(self, x: torch.Tensor) -> torch.Tensor:
        """Over the pixels of all pictures in one row: a tap is an offset in it. What a row or a picture lends to
        the next gives sums within the same bounds, and is cut off at the end."""
        n, h, w, c = x.shape
        flat = x.view(-1, c)
        out = x.new_empty(len(flat), len(self.bias))
        span = (self.height - 1) * w + self.width - 1
        for part in strips(len(flat) - span, self.device):
            y = out[part]
            y[:] = self.bias
            for dy, dx, matrix in self.taps:
                start, count = part.start + dy * w + dx, part.stop - part.start
                rows = flat[start : start + count]
                if self.joined > 1:
                    rows = flat.as_strided((count, self.joined * c), (c, 1), start * c).contiguous()
                y.addmm_(rows, matrix)
            self._finish(y)
        return out.view(n, h, w, -1)[:, : h - self.height + 1, : w - self.width + 1]

    def _strided(self, x: torch.Tensor) -> torch.Tensor:
        """Row by row of the result."""
        stride = self.layer.stride
        n, h, w, c = x.shape
        rows, columns = (h - self.height) // stride + 1, (w - self.width) // stride + 1
        out = x.new_empty(n, rows, columns, len(self.bias))
        for row in range(rows):
            y = self.bias.expand(n * columns, -1).clone()
            for dy, dx, matrix in self.taps:
                picked = x[:, row * stride + dy, dx : dx + stride * (columns - 1) + 1 : stride]
                y.addmm_(picked.reshape(-1, c), matrix)
            out[:, row] = self._finish(y).view(n, columns, -1)
        return out
