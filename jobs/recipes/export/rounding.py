"""Rounding of a layer's weights one after another, where the weights not yet rounded make up for each error.

Optimal brain quantisation with a fixed order (Frantar et al. 2023, GPTQ): among integers the ones that change the
layer's outputs least on inputs as it has them, not those nearest to each weight. With 8 bits it loses a fraction of
what rounding to nearest does.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_DAMPING = 0.01  # of the mean power of the inputs
_BLOCK = 128


def gram(layer: nn.Conv2d, inputs: Iterable[torch.Tensor]) -> np.ndarray:
    """(d, d) float64, d = in * kh * kw: second moments of the patches that a convolution sees of (n, in, h, w)."""
    total = torch.zeros(())
    for x in inputs:
        patches = functional.unfold(x, layer.kernel_size, padding=layer.padding, stride=layer.stride)  # type: ignore[arg-type]
        rows = patches.transpose(1, 2).flatten(0, 1)
        total = total + rows.t() @ rows
    return total.double().numpy()


def round_in_turn(weight: np.ndarray, moments: np.ndarray, top: int, steps: np.ndarray | None = None) -> np.ndarray:
    """Weights (out, ...) to multiples of `steps` (...), 1 if None, within +-`top`; `moments` as `gram` gives them."""
    flat = weight.reshape(len(weight), -1).astype(np.float64)
    step = np.ones(flat.shape[1]) if steps is None else steps.reshape(-1)
    order = np.argsort(-np.diag(moments))
    damped = moments[np.ix_(order, order)] + _DAMPING * np.mean(np.diag(moments)) * np.eye(len(order))
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    left, step = np.ascontiguousarray(flat[:, order]), step[order]
    out = np.empty_like(left)
    for begin in range(0, left.shape[1], _BLOCK):
        end = min(begin + _BLOCK, left.shape[1])
        errors = np.empty((len(left), end - begin))
        for j in range(begin, end):
            out[:, j] = np.clip(np.rint(left[:, j] / step[j]) * step[j], -top, top)
            errors[:, j - begin] = (left[:, j] - out[:, j]) / upper[j, j]
            left[:, j + 1 : end] -= errors[:, j - begin, None] * upper[j, j + 1 : end]
        left[:, end:] -= errors @ upper[begin:end, end:]
    rounded = np.empty_like(out)
    rounded[:, order] = out
    return rounded.reshape(weight.shape)


def narrow(array: np.ndarray) -> np.ndarray:
    """Return integers as int16 if they fit, else int32."""
    small = np.abs(array.astype(np.int64)).max(initial=0) < 1 << 15
    return array.astype(np.int16 if small else np.int32)
