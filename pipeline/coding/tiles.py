"""Tiling bands of an image into tiles, put tiles back together, and group tiles into batches for a codec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import numpy as np

from tilepress.codecs.codec import TileSpec

# A batch is what a codec gets in one call, a window is how far ahead tiles are looked at to fill batches. Both are
# part of what makes a part's bytes repeatable: analysis may depend on the batch.
BATCH_PIXELS = 4 << 20
BATCH_TILES = 256
WINDOW_PIXELS = 16 << 20
WINDOW_TILES = 2048


@dataclass(frozen=True)
class Box:
    """A rectangle of an image in pixels."""

    x: int
    y: int
    w: int
    h: int

    def intersect(self, other: Box) -> Box | None:
        """Return the common rectangle, None if there is none."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        right, bottom = min(self.x + self.w, other.x + other.w), min(self.y + self.h, other.y + other.h)
        return Box(x, y, right - x, bottom - y) if right > x and bottom > y else None


@dataclass(frozen=True)
class Tile:
    """A tile on its way to a codec: `owner` says whose it is.

    `side_information` is what Codec.prepare made of the image, for codecs that have it; None: it failed, so no tile of
    the image gets such a codec.
    """

    owner: int
    number: int
    box: Box
    spec: TileSpec
    samples: np.ndarray  # (h, w, channels)
    side_information: bytes | None = b""
    exact: bool = False  # whatever error is allowed elsewhere


def grid(width: int, height: int, tile: int) -> list[Box]:
    """Return the tiles of an image in raster order."""
    return [
        Box(x, y, min(tile, width - x), min(tile, height - y))
        for y in range(0, height, tile)
        for x in range(0, width, tile)
    ]


def grid_size(width: int, height: int, tile: int) -> tuple[int, int]:
    """Return tiles in a row and rows of tiles."""
    return -(-width // tile), -(-height // tile)


def cut_band(band: np.ndarray, y: int, tile: int) -> Iterator[tuple[Box, np.ndarray]]:
    """Yield tiles of one row of tiles: `band` is (rows <= tile, width, channels) at height `y` of the image."""
    for x in range(0, band.shape[1], tile):
        piece = np.ascontiguousarray(band[:, x : x + tile])
        yield Box(x, y, piece.shape[1], piece.shape[0]), piece


def join_band(tiles: Sequence[tuple[Box, np.ndarray]], area: Box) -> np.ndarray:
    """Return the part inside `area` of one row of tiles, (rows, area.w, channels)."""
    parts = []
    for box, samples in tiles:
        common = box.intersect(area)
        if common:
            top, left = common.y - box.y, common.x - box.x
            parts.append(samples[top : top + common.h, left : left + common.w])
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


Item = TypeVar("Item")


def windows(tiles: Iterable[Tile]) -> Iterator[Iterator[Tile]]:
    """Yield consecutive tiles, so many that batches fill and so few that memory stays bounded.

    Each window takes its tiles when it is asked for them, and is to be exhausted before the next one is asked for.
    """
    source = iter(tiles)
    for first in source:
        yield _window(chain([first], source))


def _window(tiles: Iterable[Tile]) -> Iterator[Tile]:
    pixels = count = 0
    for tile in tiles:
        pixels, count = pixels + tile.box.w * tile.box.h, count + 1
        yield tile
        if pixels >= WINDOW_PIXELS or count >= WINDOW_TILES:
            return


def batches(window: Iterable[Tile]) -> Iterator[list[Tile]]:
    """Yield tiles of a window that share all, in fixed chunks, each as soon as it is full; in the window's order."""
    open_batches: dict[tuple[object, ...], list[Tile]] = {}
    for tile in window:
        batch = open_batches.setdefault(_kind(tile), [])
        batch.append(tile)
        if len(batch) == _batch_tiles(tile.box.w, tile.box.h):
            yield open_batches.pop(_kind(tile))
    for kind in sorted(open_batches):
        yield open_batches[kind]


def chunks(items: list[Item], width: int, height: int) -> Iterator[list[Item]]:
    """Return runs of items about tiles of one size, each as long as makes a batch."""
    size = _batch_tiles(width, height)
    return (items[start : start + size] for start in range(0, len(items), size))


def _batch_tiles(width: int, height: int) -> int:
    return max(1, min(BATCH_TILES, BATCH_PIXELS // (width * height)))


def _kind(tile: Tile) -> tuple[object, ...]:
    spec = tile.spec
    side_information = (tile.side_information is None, tile.side_information or b"")
    return spec.height, spec.width, spec.channels, spec.dtype, spec.bit_depth, spec.colour, side_information, tile.exact
