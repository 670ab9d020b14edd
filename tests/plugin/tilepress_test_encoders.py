"""Codecs of another package for tests of how tiles and images are encoded: with alternatives, with side information."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import zstandard
from tilepress_test_codecs import Slow

from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.errors import StreamError

BAD_VALUE, NO_MEMORY, INTERRUPTED, BAD_PREPARATION, BAD_DECODING = 21, 22, 23, 24, 25  # first sample: what Faulty does


class Compared(Slow):
    """Zstandard, good at repetition, where a tile is kept by JPEG XL if that is smaller."""

    codec_id: ClassVar[str] = "test-compared"
    summary: ClassVar[str] = "a codec for tests that has a alternative"
    alternatives: ClassVar[tuple[str, ...]] = ("jpegxl",)

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        return self.compressed(tile)


class Ranks(Codec):
    """Zstandard of samples as ranks: the image's values by how often they occur, which all of its tiles share.

    Decoding without the right side information is impossible or wrong. `networks`, so that actors run it.
    """

    codec_id: ClassVar[str] = "test-ranks"
    summary: ClassVar[str] = "a codec for tests whose tiles share bytes"
    exact: ClassVar[bool] = True
    lossless: ClassVar[bool] = True
    networks: ClassVar[bool] = True
    needs_model: ClassVar[bool] = False
    has_side_information: ClassVar[bool] = True
    dtypes: ClassVar[frozenset[str]] = frozenset({"uint8"})
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb"})
    seen: ClassVar[list[int]] = []  # tiles that `prepare` was given, in this process

    def prepare(self, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        self.seen.append(len(tiles))
        assert tiles[0].shape == spec.shape
        counts = sum(np.bincount(tile.ravel(), minlength=256) for tile in tiles)
        return bytes(np.argsort(-counts, kind="stable").astype(np.uint8))

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b"") -> Symbols:
        return Symbols(spec, {"ranks": np.argsort(values_of(side_information)).astype(np.uint8)[tiles]}, settings)

    def pack(self, symbols: Symbols) -> list[bytes]:
        return [zstandard.ZstdCompressor(level=3).compress(ranks.tobytes()) for ranks in symbols.arrays["ranks"]]

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        samples = [zstandard.ZstdDecompressor().decompress(data, max_output_size=spec.nbytes) for data in latents]
        return Symbols(spec, {"ranks": np.stack([np.frombuffer(s, np.uint8).reshape(spec.shape) for s in samples])})

    def synthesise(self, symbols: Symbols, side_information: bytes = b"") -> Tiles:
        return values_of(side_information)[symbols.arrays["ranks"]]


def values_of(side_information: bytes) -> np.ndarray:
    """Value of each rank."""
    if len(set(side_information)) != 256 or len(side_information) != 256:
        raise StreamError("the side information is not the image's values in an order")
    return np.frombuffer(side_information, np.uint8)


class Faulty(Ranks):
    """Ranks, with faults that a plug-in may have."""

    codec_id: ClassVar[str] = "test-faulty"

    def prepare(self, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        if tiles[0][0, 0, 0] == BAD_PREPARATION:
            raise IndexError("nothing to fit")
        return super().prepare(tiles, spec, settings)

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b"") -> Symbols:
        for first in tiles[:, 0, 0, 0]:
            if first == BAD_VALUE:
                raise ValueError("no such\nvalue")
            if first == NO_MEMORY:
                raise MemoryError
            if first == INTERRUPTED:
                raise KeyboardInterrupt
        return super().analyse(tiles, spec, settings, side_information)

    def synthesise(self, symbols: Symbols, side_information: bytes = b"") -> Tiles:
        tiles = super().synthesise(symbols, side_information)
        if (tiles[:, 0, 0, 0] == BAD_DECODING).any():
            raise TypeError("not like this")
        return tiles
