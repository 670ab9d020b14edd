"""How a decoder makes samples of the blocks of a component, as searches see it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tilepress.codecs.jpeg.transform import Transform

# What coefficients are multiplied by, int32 (64,); the steps that they have in effect, float32 (64,); and the rule of
# the transform, int64 (16,).
SearchRule: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]


def search_rule(how: Transform, table: np.ndarray) -> SearchRule:
    """Return what kernels need to know of a transform and of quantisation steps (64,)."""
    return how.multipliers(table), how.steps(table), how.rule
