"""Coders of codecs whose latents are one array: under the adaptive context model, or under a factorised prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy.context_coder import ContextCoder
from tilepress.codecs.entropy.context_model import LatentLayout
from tilepress.codecs.entropy.factorized_prior import FactorizedPrior
from tilepress.codecs.entropy.latent_coder import LATENTS, Latents, Shapes


@dataclass(frozen=True)
class ContextLatents:
    """One rANS stream of int16 (planes, rows, columns, K). `layout`: how planes of such tiles predict each other."""

    coder: ContextCoder
    layout: Callable[[TileSpec], LatentLayout]
    parts: int = 1

    def encode(self, latents: Latents, spec: TileSpec) -> list[bytes]:
        """Return the stream, plane by plane."""
        return [self.coder.encode(latents[LATENTS], self.layout(spec))]

    def decode(self, streams: Sequence[bytes], shapes: Shapes, spec: TileSpec) -> dict[str, np.ndarray]:
        """Return the latents. StreamError."""
        planes, rows, columns, depth = shapes[LATENTS]
        return {LATENTS: self.coder.decode(streams[0], (planes, rows, columns, depth), self.layout(spec))}


@dataclass(frozen=True)
class FactorizedLatents:
    """One rANS stream of int16 (pictures, K, rows, columns), channel by channel, the pictures one above the other."""

    prior: FactorizedPrior
    parts: int = 1

    def encode(self, latents: Latents, spec: TileSpec) -> list[bytes]:
        """Return the stream."""
        stacked = np.moveaxis(latents[LATENTS], 0, 1)
        return [self.prior.encode(stacked.reshape(len(stacked), -1, stacked.shape[3]))]

    def decode(self, streams: Sequence[bytes], shapes: Shapes, spec: TileSpec) -> dict[str, np.ndarray]:
        """Return the latents. StreamError."""
        pictures, channels, rows, columns = shapes[LATENTS]
        stacked = self.prior.decode(streams[0], pictures * rows, columns)
        return {LATENTS: np.moveaxis(stacked.reshape(channels, pictures, rows, columns), 1, 0)}
