"""Integer networks: the only networks that may stand on the decoding side.

Weights and activations are integers held in floats. If for every output of a layer sum |w| max|x| + |b| stays
below 2^24, every partial sum in any order, fused or not, is an integer that float32 represents, so that the result
is the same on every device, batch size, thread count and memory layout. Below 2^53 the same holds in float64.
`IntegerNetwork` proves this from the weights when it is built, at export and at every load: a model cannot break it.

Reduced-precision products (TF32, bf16 in oneDNN or autocast) are avoided by using float64 wherever float32 products
may be reduced. The steps are in `layers.py` and `steps.py`. Torch is imported when a network is built,
not with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.checks import require
from tilepress.codecs.integer.layers import IntegerLayer
from tilepress.codecs.integer.steps import (
    FLOAT32_BOUND,
    FLOAT64_BOUND,
    InverseGdn,
    PixelShuffle,
    PixelUnshuffle,
    Step,
    Upsample,
)

if TYPE_CHECKING:
    import torch

HALVES_BOUND = 1 << 23  # of results in float32 to which a half of what is then cut off can be added exactly

__all__ = [
    "FLOAT32_BOUND",
    "FLOAT64_BOUND",
    "HALVES_BOUND",
    "IntegerLayer",
    "IntegerNetwork",
    "InverseGdn",
    "PixelShuffle",
    "PixelUnshuffle",
    "Step",
    "Upsample",
    "prove",
    "quantise",
]


def quantise(weight: np.ndarray, bits: int) -> np.ndarray:
    """Return float weights as integers round(w 2^bits), int64, for an export. ModelError if they are not finite."""
    scaled = np.rint(np.asarray(weight, np.float64) * float(1 << bits))
    if not np.isfinite(scaled).all() or (np.abs(scaled) >= FLOAT64_BOUND).any():
        raise ModelError("weights to export are not finite numbers of a sane size; the training failed")
    return scaled.astype(np.int64)


def prove(steps: Sequence[Step], bounds: np.ndarray) -> list[int]:
    """Return significand bits that each step needs, 24 or 53; `bounds`: max |x| per input channel of the first.

    ModelError if a step fits neither, or its shapes, dtypes or shift make no sense.
    """
    return _proven(steps, bounds)[0]


def _proven(steps: Sequence[Step], bounds: np.ndarray) -> tuple[list[int], int]:
    """What `prove` returns, and the largest |y| of the last step."""
    needs = []
    reach = np.array([int(b) for b in bounds], dtype=object)
    for number, step in enumerate(steps):
        need, reach = step.prove(reach, number)
        needs.append(need)
    return needs, int(reach.max())


class IntegerNetwork:
    """Proven steps in sequence on one device. Immutable; may be called from several threads.

    `bounds`: max |x| of each input channel; `__call__` and `floats` raise ValueError for inputs beyond them, since
    nothing would be proven (`checks.py` says when). `reach`: max |y| of the results. ModelError where the proof fails.
    """

    def __init__(self, steps: Sequence[Step], bounds: Sequence[int] | np.ndarray, device: str = "cpu"):
        import torch

        self.bounds = np.asarray(bounds, np.int64)
        self.needs, self.reach = _proven(steps, self.bounds)
        self.device = torch.device(device)
        self._placed = [
            {bits: step.place(self.device, bits) for bits in {need, 53}}
            for step, need in zip(steps, self.needs, strict=True)
        ]
        self._limit = torch.tensor(self.bounds, dtype=torch.float64, device=self.device)

    def __call__(self, x: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Integers (n, in) or (n, in, h, w), any dtype or layout, to int64 of the last step's shape."""
        import torch

        return self.floats(x).to(torch.int64)

    def floats(self, x: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Return the same results as whole numbers: float32 where `reach` is at most HALVES_BOUND, or else float64."""
        import torch

        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            narrow = _float32_is_exact(self.device)
            first = torch.float32 if narrow and self.needs[0] == 24 else torch.float64
            y = torch.as_tensor(x).to(self.device).to(first)
            self._check_input(y)
            picture = y.ndim == 4
            y = y.permute(0, 2, 3, 1) if picture else y
            for placed, need in zip(self._placed, self.needs, strict=True):
                y = placed[need if narrow else 53](y)
            y = y.to(torch.float32 if self.reach <= HALVES_BOUND else torch.float64)
            return y.permute(0, 3, 1, 2) if picture else y

    def _check_input(self, x: torch.Tensor) -> None:
        message = "inputs are outside the bounds for which this network is proven exact"
        if x.ndim < 2 or x.shape[1] != len(self.bounds):
            raise ValueError(message)
        limit = self._limit.reshape(1, -1, *([1] * (x.ndim - 2))).to(x.dtype)
        require((x.abs() <= limit).all(), message)


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
