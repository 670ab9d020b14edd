"""Integer networks: the only networks that may stand on the decoding side.

Weights and activations are integers held in floats. If for every output of a layer sum |w| max|x| + |b| stays
below 2^24, every partial sum in any order, fused or not, is an integer that float32 represents, so that the result
is the same on every device, batch size, thread count and memory layout. Below 2^53 the same holds in float64.
`IntegerNetwork` proves this from the weights when it is built, at export and at every load: a model cannot break it.

Convolutions run as im2col and one matrix product: Winograd and FFT kernels (NNPACK, cuDNN) are not exact even on
integers, a matrix product is. Reduced-precision products (TF32, bf16 in oneDNN or autocast) are avoided by using
float64 wherever float32 products may be reduced. Torch is imported when a network is built, not with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.errors import ModelError

if TYPE_CHECKING:
    import torch

FLOAT32_BOUND = 1 << 24
FLOAT64_BOUND = 1 << 53
MAX_SHIFT = 52


@dataclass(frozen=True)
class IntegerLayer:
    """y = clip(floor((W x + b) / 2^shift), low, high), all integers; clipping from 0 is ReLU.

    `weight`: (out, in) for a linear layer on (n, in), or (out, in, kh, kw) for a convolution on (n, in, h, w)
    with `stride` and zero `padding`. `bias`: (out,). No clip where `low` and `high` are None.
    """

    weight: np.ndarray
    bias: np.ndarray
    shift: int = 0
    low: int | None = None
    high: int | None = None
    stride: int = 1
    padding: int = 0

    def sums(self, bounds: np.ndarray) -> list[int]:
        """Proven bound of every partial sum of each output, given max |x| per input channel, as exact ints."""
        rows = np.abs(self.weight.astype(object)).reshape(len(self.weight), len(bounds), -1).sum(axis=2)
        return [int(v) for v in rows @ bounds.astype(object) + np.abs(self.bias.astype(object))]

    def reach(self, sums: Sequence[int]) -> np.ndarray:
        """Proven max |y| per output channel, given `sums`."""
        limit = FLOAT64_BOUND if self.low is None or self.high is None else max(abs(self.low), abs(self.high))
        return np.array([min((s >> self.shift) + 1, limit) for s in sums], dtype=object)


def quantise(weight: np.ndarray, bits: int) -> np.ndarray:
    """Float weights to integers round(w 2^bits), int64, for an export. ModelError if they are not finite."""
    scaled = np.rint(np.asarray(weight, np.float64) * float(1 << bits))
    if not np.isfinite(scaled).all() or (np.abs(scaled) >= FLOAT64_BOUND).any():
        raise ModelError("weights to export are not finite numbers of a sane size; the training failed")
    return scaled.astype(np.int64)


def prove(layers: Sequence[IntegerLayer], bounds: np.ndarray) -> list[int]:
    """Significand bits that each layer needs, 24 or 53; `bounds`: max |x| per input channel of the first.

    ModelError if a layer fits neither, or its shapes, dtypes or shift make no sense.
    """
    needs = []
    for number, layer in enumerate(layers):
        _check_layer(layer, len(bounds), number)
        sums = layer.sums(bounds)
        if max(sums) >= FLOAT64_BOUND:
            raise ModelError(f"layer {number}: sums up to {max(sums)} are not exact even in float64")
        needs.append(24 if max(sums) < FLOAT32_BOUND else 53)
        bounds = layer.reach(sums)
    return needs


def _check_layer(layer: IntegerLayer, inputs: int, number: int) -> None:
    weight, bias = layer.weight, layer.bias
    fits = weight.ndim in (2, 4) and weight.shape[1:2] == (inputs,) and bias.shape == weight.shape[:1]
    if not fits or not weight.size:
        raise ModelError(f"layer {number}: shapes {weight.shape}, {bias.shape} do not fit {inputs} inputs")
    if weight.dtype.kind not in "iu" or bias.dtype.kind not in "iu":
        raise ModelError(f"layer {number}: {weight.dtype} weights, {bias.dtype} biases; only integers are exact")
    clipped = layer.low is None or layer.high is None or -FLOAT32_BOUND < layer.low <= layer.high < FLOAT32_BOUND
    if not 0 <= layer.shift <= MAX_SHIFT or not clipped or layer.stride < 1 or layer.padding < 0:
        raise ModelError(f"layer {number}: shift, clip, stride or padding is out of range")


class IntegerNetwork:
    """Proven layers in sequence on one device. Immutable; may be called from several threads.

    `bounds`: max |x| of each input channel; `__call__` raises ValueError for inputs beyond them, since nothing
    would be proven. Raises ModelError where the proof fails.
    """

    def __init__(self, layers: Sequence[IntegerLayer], bounds: Sequence[int] | np.ndarray, device: str = "cpu"):
        import torch

        self.bounds = np.asarray(bounds, np.int64)
        self.needs = prove(layers, self.bounds)
        self.device = torch.device(device)
        self._layers = [
            {bits: _place(layer, bits, self.device) for bits in {need, 53}}
            for layer, need in zip(layers, self.needs, strict=True)
        ]
        self._steps = list(layers)
        self._limit = torch.tensor(self.bounds, dtype=torch.float64, device=self.device)

    def __call__(self, x: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Integers (n, in) or (n, in, h, w), any dtype or layout, to int64 of the last layer's shape."""
        import torch

        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            narrow = _float32_is_exact(self.device)
            first = torch.float32 if narrow and self.needs[0] == 24 else torch.float64
            y = torch.as_tensor(x).to(self.device).to(first)
            self._check_input(y)
            for step, placed, need in zip(self._steps, self._layers, self.needs, strict=True):
                y = _run(step, *placed[need if narrow else 53], y)
            return y.to(torch.int64)

    def _check_input(self, x: torch.Tensor) -> None:
        limit = self._limit.reshape(1, -1, *([1] * (x.ndim - 2))).to(x.dtype)
        if x.ndim < 2 or x.shape[1] != len(self.bounds) or not bool((x.abs() <= limit).all()):
            raise ValueError("inputs are outside the bounds for which this network is proven exact")


def _place(layer: IntegerLayer, bits: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    dtype = torch.float32 if bits == 24 else torch.float64
    matrix = torch.from_numpy(layer.weight.reshape(len(layer.weight), -1).astype(np.float64))
    bias = torch.from_numpy(layer.bias.astype(np.float64))
    return matrix.t().contiguous().to(device, dtype), bias.to(device, dtype)


def _float32_is_exact(device: torch.device) -> bool:
    """Whether float32 products are computed as such; other devices than CPUs may reduce them unasked."""
    import torch

    places = (torch.backends, torch.backends.mkldnn, getattr(torch.backends.mkldnn, "matmul", None))
    asked = {str(getattr(place, "fp32_precision", "none")) for place in places}
    try:
        whole = torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # the old and the new settings contradict each other
        whole = False
    return device.type == "cpu" and whole and asked <= {"none", "ieee"}


def _run(layer: IntegerLayer, matrix: torch.Tensor, bias: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    import torch

    x = x.to(matrix.dtype)
    convolution = layer.weight.ndim == 4
    y = _convolve(layer, matrix, bias, x) if convolution else torch.addmm(bias, x.contiguous(), matrix)
    if layer.shift:
        y = torch.floor(y * 2.0**-layer.shift)
    if layer.low is not None or layer.high is not None:
        y = y.clamp(layer.low, layer.high)
    return y


def _convolve(layer: IntegerLayer, matrix: torch.Tensor, bias: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    import torch

    height, width = layer.weight.shape[2:]
    x = torch.nn.functional.pad(x, [layer.padding] * 4)
    windows = x.unfold(2, height, layer.stride).unfold(3, width, layer.stride)
    n, _, rows, columns = windows.shape[:4]
    patches = windows.permute(0, 2, 3, 1, 4, 5).reshape(n * rows * columns, -1)
    y = torch.addmm(bias, patches, matrix)
    return y.reshape(n, rows, columns, -1).permute(0, 3, 1, 2)
