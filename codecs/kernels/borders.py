"""The causal border: the samples that stand beside a row where its plane ends, while the plane is coded row by row.

Kernels walk planes in padded arrays, so that a neighbour is an offset and never a branch. Left of the row that is being
coded stand copies of the first sample of the row above; right of a complete row, copies of its last sample. The rows
above the first are the walker's own affair: zeros, a model's start values, or copies of the first row.

A line is one padded row of such an array: (pad + width + pad,) samples, or (pad + width + pad, channels).
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, inline


@inline
def open_row(line: np.ndarray, above: np.ndarray, pad: Int) -> None:
    """Repeat the first sample of the line `above` into the `pad` places left of `line`, which is coded next."""
    for i in range(pad):
        line[i] = above[pad]


@inline
def close_row(line: np.ndarray, pad: Int) -> None:
    """Repeat the last sample of the complete `line` into the `pad` places right of it."""
    end = line.shape[0] - pad
    for i in range(pad):
        line[end + i] = line[end - 1]
