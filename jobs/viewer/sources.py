"""Where the shown pixels of an image come from: cells of it that can be decoded alone, or the image as a whole."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import numpy as np
from PIL import Image

from tilepress.codecs.origins.jpeg.eighth import EIGHTH
from tilepress.jobs.around_pixels import palette_of
from tilepress.jobs.viewer.display import Display, difference, display_of
from tilepress.jobs.viewer.errors import RequestError
from tilepress.jobs.viewer.held_file import HeldFile
from tilepress.pipeline.archive.index_row import TileRanges, fetch_image_row, fetch_tile_rows
from tilepress.pipeline.archive.schema import CONTENTLESS, NO_FILES, PIXEL_METHODS, TILES
from tilepress.pipeline.coding.decode import STORED, Shown, check_grid, decode_tiles
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.formats.picture import MODES
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.one_image import one_image

Variant = Literal["original", "preview", "difference"]
VARIANTS: tuple[Variant, ...] = ("original", "preview", "difference")
Cell = tuple[int, int]  # column and row
_LEAST_CELL = 256  # pixels a side, of small tiles together
_MAX_WHOLE = 1 << 30  # bytes of an image that is decoded as a whole
_MAX_BITS = 16  # of a sample
_SAMPLED = 16  # cells that say what is black and white in a 16-bit gray image
_PREVIEW = Shown(preview=True)


class Source(Protocol):
    """Gives cells of the shown picture: squares of `side` pixels, a multiple of 8, cut at the edges of the image."""

    width: int
    height: int
    side: int

    def decode(self, cells: Sequence[Cell]) -> list[np.ndarray]:
        """Return the shown pixels of cells, (h, w, 1 to 4) uint8. IntegrityError where they are damaged."""


@dataclass(frozen=True)
class WholeImage:
    """An image that is decoded in one piece. `file`: what it is held as, where it is a file that can be kept."""

    entry: Entry
    variant: Variant
    display: Display
    file: HeldFile | None = None

    @property
    def eighth(self) -> np.ndarray | None:
        """The picture of the DC coefficients of a JPEG file, which is the mean of each block; None of others."""
        if self.variant == "difference" or not self.entry.has_eighth:
            return None
        return self._preview()

    def decode(self) -> np.ndarray:
        """Return all of the shown picture, (height, width, 1 to 4) uint8. RequestError 501 if it is too large."""
        shape, dtype = self.entry.shape, self.entry.dtype
        if shape is not None and dtype is not None and math.prod(shape) * dtype.itemsize > _MAX_WHOLE:
            raise RequestError(501, "this image is held in one piece that is too large to show: restore it")
        shown = self._shown()
        if shown.shape[:2] != (self.entry.height, self.entry.width):
            raise IntegrityError(f"{self.entry.path} has other sides than the index says")
        return shown

    def _shown(self) -> np.ndarray:
        if self.variant == "original":
            return self._original()
        preview = self._enlarged()
        return preview if self.variant == "preview" else difference(self._original(), preview)

    def _original(self) -> np.ndarray:
        return self.display.show(self.entry.array() if self.file is None else self.file.samples())

    def _preview(self) -> np.ndarray:
        file = self.file if self.entry.has_eighth else None
        return self.display.show(self.entry.array(preview=True) if file is None else file.eighth())

    def _enlarged(self) -> np.ndarray:
        preview = self._preview()
        if not self.entry.has_eighth:
            return preview
        sides = preview.shape[1] * EIGHTH, preview.shape[0] * EIGHTH
        larger = array_of(picture_of(preview).resize(sides, Image.Resampling.BILINEAR))
        return larger[: self.entry.height, : self.entry.width]


class TiledImage:
    """An image of tiles that are decoded alone; a cell is a tile, or a square of some."""

    def __init__(self, entry: Entry, variant: Variant) -> None:
        """IntegrityError if the row of the index, or what tiles share, is damaged."""
        facts = entry.index_row.facts
        self.width, self.height = facts.width, facts.height
        side = math.lcm(facts.tile_size, EIGHTH)
        self.side = side * max(1, _LEAST_CELL // side)
        self._entry, self._variant = entry, variant
        self._tiles: dict[Cell, list[TileRanges]] = defaultdict(list)
        with one_image():
            check_grid(entry.index_row)
            for tile in entry.index_row.tiles:
                self._tiles[tile.facts.x // self.side, tile.facts.y // self.side].append(tile)
            shared = entry.index_row.spans["shared"][1]
            self._side_information = fetch_image_row(entry.index_row, entry.fetch)[1] if shared else b""
        self.display = display_of(facts, self._sample, partial(palette_of, entry))

    def decode(self, cells: Sequence[Cell]) -> list[np.ndarray]:
        """Return the shown pixels of cells: see Source."""
        shown = _PREVIEW if self._variant == "preview" else STORED
        pictures = [self.display.show(samples) for samples in self._samples(cells, shown)]
        if self._variant != "difference":
            return pictures
        others = map(self.display.show, self._samples(cells, _PREVIEW))
        return [difference(one, other) for one, other in zip(pictures, others, strict=True)]

    def _samples(self, cells: Sequence[Cell], shown: Shown) -> list[np.ndarray]:
        """Samples of cells, in as many parts as there are threads."""
        pool = self._entry.pool
        size = max(1, -(-len(cells) // pool.threads))
        parts = [cells[start : start + size] for start in range(0, len(cells), size)]
        return [each for part in pool.map(lambda part: self._decoded(part, shown), parts) for each in part]

    def _decoded(self, cells: Sequence[Cell], shown: Shown) -> list[np.ndarray]:
        entry, tiles = self._entry, [tile for cell in cells for tile in self._tiles[cell]]
        with one_image():
            loaded = fetch_tile_rows(tiles, entry.fetch, residuals=shown.residuals)
            facts = entry.index_row.facts
            decoded = iter(decode_tiles(facts, loaded, entry.pool, self._side_information, shown))
        return [self._joined(cell, [(tile, next(decoded)) for tile in self._tiles[cell]]) for cell in cells]

    def _joined(self, cell: Cell, tiles: Sequence[tuple[TileRanges, np.ndarray]]) -> np.ndarray:
        if len(tiles) == 1:
            return tiles[0][1]
        box = cell_box(self, cell)
        first = tiles[0][1]
        joined = np.empty((box.h, box.w, first.shape[2]), first.dtype)
        for tile, samples in tiles:
            x, y = tile.facts.x - box.x, tile.facts.y - box.y
            joined[y : y + tile.facts.h, x : x + tile.facts.w] = samples
        return joined

    def _sample(self) -> np.ndarray:
        cells = spread_cells(self)[:_SAMPLED]
        return np.concatenate([each.reshape(-1, each.shape[2]) for each in self._samples(cells, STORED)])


def cell_box(source: Source, cell: Cell) -> Box:
    """Return where a cell lies in the image."""
    x, y = cell[0] * source.side, cell[1] * source.side
    return Box(x, y, min(source.side, source.width - x), min(source.side, source.height - y))


def spread_cells(source: Source) -> list[Cell]:
    """Return all cells, coarse to fine: any beginning of the list is spread over the whole image.

    Of a grid of powers of two the k-th pass has each cell whose column and row are multiples of a stride, half that of
    the pass before, as in the interlacing of PNG.
    """
    across, down = -(-source.width // source.side), -(-source.height // source.side)
    passes = [(_stride(column, row), row, column) for row in range(down) for column in range(across)]
    return [(column, row) for _, row, column in sorted(passes, key=lambda each: (-each[0], each[1], each[2]))]


def _stride(column: int, row: int) -> int:
    """The largest power of two that divides both; more than any for the first cell."""
    both = column | row
    return both & -both or 1 << 62


def source_of(entry: Entry, variant: Variant, file: HeldFile | None = None) -> TiledImage | WholeImage:
    """Return where the pixels of an image come from; `file` is what it is held as. What `require_image` raises."""
    require_image(entry, variant)
    facts = entry.index_row.facts
    if facts.method == TILES:
        return TiledImage(entry, variant)
    display = display_of(facts, partial(_all_samples, entry), partial(palette_of, entry))
    return WholeImage(entry, variant, display, file)


def require_image(entry: Entry, variant: Variant) -> None:
    """Raise RequestError 404 for files that hold no image, or not that variant; IntegrityError for a damaged row."""
    entry.index_row.require_sound()
    facts = entry.index_row.facts
    if facts.method in CONTENTLESS or facts.method in NO_FILES or not facts.mode:
        raise RequestError(404, f"no image: {facts.reason or facts.method}")
    if facts.mode not in MODES or min(facts.width, facts.height) < 1:  # of a file as it was, rows are not looked at
        raise IntegrityError(f"an image of {facts.width} x {facts.height} pixels of mode {facts.mode!r} is none")
    if not 1 <= facts.bit_depth <= _MAX_BITS:  # numbers of very many bits take very long
        raise IntegrityError(f"an image of {facts.bit_depth} bits is none")
    if variant != "original" and not has_preview(entry):
        raise RequestError(404, "this image has no preview apart from itself")


def _all_samples(entry: Entry) -> np.ndarray:
    pixels = entry.array()
    return pixels.reshape(-1, pixels.shape[2])


def has_preview(entry: Entry) -> bool:
    """Tell whether there is a preview that is not the picture itself: of latents, or an eighth of a JPEG."""
    facts = entry.index_row.facts
    if not facts.mode or entry.index_row.damage:
        return False
    return entry.has_eighth or (
        facts.method in PIXEL_METHODS and any(tile.residual[1] for tile in entry.index_row.tiles)
    )


def reduced(pixels: np.ndarray, level: int) -> np.ndarray:
    """Return the means of squares of 2^level pixels, rounded; at the edges, of what is there. uint8 (h, w, c)."""
    return pixels if not level else array_of(picture_of(pixels).reduce(1 << level))


def picture_of(pixels: np.ndarray) -> Image.Image:
    """Return shown pixels (h, w, 1 to 4) as a picture of Pillow."""
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def array_of(picture: Image.Image) -> np.ndarray:
    """Return a picture of Pillow as (h, w, channels) uint8."""
    array = np.asarray(picture)
    return array[:, :, None] if array.ndim == 2 else array
