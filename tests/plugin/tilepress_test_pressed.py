"""Codecs of another package for tests of how tiles and images are pressed: with rivals."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from tilepress_test_codecs import Slow

from tilepress.codecs.codec import Settings, TileSpec

CERTAIN = 77  # the first sample of tiles that Compared does not want to be compared


class Compared(Slow):
    """Zstandard, good at repetition, where a tile is kept by JPEG XL if that is smaller."""

    codec_id: ClassVar[str] = "test-compared"
    summary: ClassVar[str] = "a codec for tests that has a rival"
    rivals: ClassVar[tuple[str, ...]] = ("jpegxl",)

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        return self.compressed(tile)

    def worth_trying(self, tile: np.ndarray, spec: TileSpec, nbytes: int) -> bool:
        assert tile.shape == spec.shape and nbytes == len(self.compressed(tile))
        return int(tile[0, 0, 0]) != CERTAIN
