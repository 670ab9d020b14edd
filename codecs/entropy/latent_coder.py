"""How the latents of a tile become bytes: the protocol that the entropy coder of every learned codec keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from tilepress.codecs.codec import TileSpec

LATENTS = "latents"  # name of the array of codecs that have one

Latents = Mapping[str, np.ndarray]  # integer arrays by name: a hyperprior has two, a recurrent codec one a step
Shapes = Mapping[str, tuple[int, ...]]  # of the same arrays, of one tile


def numbered(number: int) -> str:
    """Return the name of one of a codec's several arrays, counted from 0: of an iteration, of a unit."""
    return f"{LATENTS}{number}"


class LatentCoder(Protocol):
    """Codes the latents of single tiles at one quality level, the same everywhere."""

    @property
    def parts(self) -> int:
        """How many streams a tile has, at least 1. More: the codec is progressive."""

    def encode(self, latents: Latents, spec: TileSpec) -> list[bytes]:
        """Return `parts` streams, coarse to fine; each is decoded after those before it."""

    def decode(self, streams: Sequence[bytes], shapes: Shapes, spec: TileSpec) -> dict[str, np.ndarray]:
        """Return the arrays, int16, that the first one or more streams hold. StreamError for other bytes."""
