"""Entropy model of latents with context: integer linear prediction from coded neighbours, frozen tables.

The latent q of channel k in a block is predicted from the first channels of the block itself, of its west and
north neighbours and of the same block in the planes before it, and from channel k of six such blocks. The size of
the error is forecast from the errors made around it. The forecast (a bucket) and the fraction of the prediction
(a quarter) choose one of the rANS tables. All weights are integers, fitted at training (jobs/recipes). The loops that
run the model are in context_walk.py, the coder that uses them in context_coder.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

KINDS = 3  # of planes: luma, gray, alpha, ink | first difference | second difference
NEIGHBOURS = 6  # of the same channel: W, N, NW, NE, plane before, first plane
FORECASTERS = 9  # errors at those six and in the two channels before, and |W - N|
MEAN_BITS = 12  # fraction bits of the prediction
SIZE_BITS = 12  # fraction bits of the forecast
FRACTIONS = 4
REACH = 16  # channels of a neighbouring block that every prediction sees
MAX_LATENT = (1 << 15) - 1


class Fitted(NamedTuple):
    """Arrays of one quality level, as the compiled loops take them. T = KINDS, K channels, C = min(K, REACH)."""

    near: np.ndarray  # int32 (T, K, 5 C): weights of the block itself, W, N, plane before, first plane
    own: np.ndarray  # int32 (T, K, NEIGHBOURS)
    bias: np.ndarray  # int32 (T, K)
    base: np.ndarray  # int32 (T, K): forecast without evidence
    slope: np.ndarray  # int32 (T, K, FORECASTERS)
    thresholds: np.ndarray  # int32 (buckets - 1,), rising
    start: np.ndarray  # int32 (T, K): latents above the first row
    doubt: np.ndarray  # int32 (T, K): errors above the first row
    top: np.ndarray  # int32 (K,): largest latent


@dataclass(frozen=True)
class LatentLayout:
    """The kind 0..KINDS - 1 of each plane, and the two earlier planes that predict it (-1: none); int64 (planes,)."""

    kinds: np.ndarray
    before: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, planes: int, differences: bool) -> LatentLayout:
        """Return the layout in which planes 1 and 2 hold colour differences, or each plane stands alone."""
        table = np.full((3, planes), -1, np.int64)
        table[0] = 0
        if differences:
            table[:, 1:3] = [[1, 2], [0, 1], [-1, 0]]
        return cls(*table)
