"""Coder of the block codec's latents at one quality level, and how a model folder holds its entropy model.

A model folder has the tensors of `Fitted`, and `cdf`, under a prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.entropy import rans
from tilepress.codecs.entropy.context_model import (
    FORECASTERS,
    FRACTIONS,
    KINDS,
    MAX_LATENT,
    NEIGHBOURS,
    REACH,
    Fitted,
    LatentLayout,
)
from tilepress.codecs.entropy.context_walk import decode_latents, trace
from tilepress.codecs.errors import ModelError, StreamError
from tilepress.codecs.model import INTEGERS, tensor


@dataclass(frozen=True)
class ContextCoder:
    """Codes the latents of one tile, int16 (planes, rows, columns, K) within 0..top, at one quality level."""

    fitted: Fitted
    tables: rans.Tables

    def __post_init__(self) -> None:
        m = self.fitted
        kinds, depth = m.bias.shape if m.bias.ndim == 2 else (0, 0)
        shapes = (
            (kinds, depth, 5 * min(depth, REACH)), (kinds, depth, NEIGHBOURS), (kinds, depth), (kinds, depth),
            (kinds, depth, FORECASTERS), m.thresholds.shape[:1], (kinds, depth), (kinds, depth), (depth,),
        )  # fmt: skip
        if (
            kinds != KINDS
            or m.thresholds.ndim != 1
            or depth < 1
            or any(a.shape != s or a.dtype != np.int32 for a, s in zip(m, shapes, strict=True))
        ):
            raise ModelError("the entropy model of the latents has arrays of wrong shapes: the model is damaged")
        if len(self.tables.cdf) != (len(m.thresholds) + 1) * FRACTIONS or (np.diff(m.thresholds) < 0).any():
            raise ModelError("the entropy model's tables do not match its thresholds: the model is damaged")
        if m.top.min() < 1 or m.top.max() > MAX_LATENT or abs(m.start).max() > MAX_LATENT:
            raise ModelError("the entropy model's latents exceed 16 bits: the model is damaged")

    def encode(self, latents: np.ndarray, layout: LatentLayout) -> bytes:
        """Return latents (planes, rows, columns, K), each within 0..top of its channel, as a rANS stream."""
        q = np.ascontiguousarray(latents, np.int16)
        errors, quarters, forecasts = trace(q, layout.kinds, layout.before, layout.first, self.fitted)
        rows = np.searchsorted(self.fitted.thresholds, forecasts, side="right") * FRACTIONS + quarters
        return rans.encode((errors << 1) ^ (errors >> 31), rows, self.tables)

    def decode(self, data: bytes, shape: tuple[int, int, int, int], layout: LatentLayout) -> np.ndarray:
        """Inverse of `encode`. Raises StreamError."""
        state, words = rans.split(data)
        latents = np.zeros(shape, np.int16)
        tables = self.tables.cdf, self.tables.lookup
        planes = layout.kinds, layout.before, layout.first
        state, at = decode_latents(words, state, latents, *planes, self.fitted, *tables)
        if state < 0:
            raise StreamError("a latent is outside its range: the bytes are damaged")
        rans.check_end(state, at, words)
        return latents


def load_coder(tensors: Mapping[str, np.ndarray], prefix: str, latents: int) -> ContextCoder:
    """From tensors `{prefix}.cdf` and so on; ModelError if they are damaged or not for K `latents`."""
    fitted = Fitted._make(tensor(tensors, f"{prefix}.{name}", INTEGERS).astype(np.int32) for name in Fitted._fields)
    if fitted.top.shape != (latents,):
        raise ModelError(f"the entropy model of {prefix} is not for {latents} latents: the model is damaged")
    return ContextCoder(fitted, rans.Tables.from_cdf(tensor(tensors, f"{prefix}.cdf", ("uint16",))))
