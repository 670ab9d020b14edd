"""Tile rows back to pixels: latents and residuals of an image, decoded and checked, as bands from top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from tilepress.codecs.codec import Codec
from tilepress.codecs.errors import CodecError
from tilepress.pipeline.archive.checksums import samples_crc
from tilepress.pipeline.archive.index_row import IndexRow, TileRanges, fetch_image_row, fetch_tile_rows
from tilepress.pipeline.archive.part import Fetch
from tilepress.pipeline.archive.schema import ImageFacts, TileFacts
from tilepress.pipeline.coding.codec_faults import is_codecs_own
from tilepress.pipeline.coding.codec_pool import CodecPool, view_reference
from tilepress.pipeline.coding.tiles import Box, chunks, grid, grid_size, join_band
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.formats.picture import MODES, tile_spec

FETCH_BYTES = 64 << 20  # payload of the rows of tiles that are fetched together

Loaded = tuple[TileRanges, bytes, bytes]


@dataclass(frozen=True)
class Shown:
    """Which pixels of an image are wanted. By default those that came in, or as near as they were kept.

    `preview`: what the latents alone decode to; of progressive codecs the first part of each stream.
    `view`: what another decoder of the model makes of the latents (Codec.view), of tiles whose codec has it.
    """

    preview: bool = False
    view: str = ""

    @property
    def residuals(self) -> bool:
        """Whether residuals lead to these pixels."""
        return not (self.preview or self.view)

    def is_base(self, codec: Codec) -> bool:
        """Tell whether a tile's latents decode to its base, of which a CRC is stored."""
        return self.view not in codec.views and not (self.preview and codec.progressive)

    def reference(self, codec: Codec, reference: str) -> str:
        """Return the reference of the codec that synthesises a tile."""
        return view_reference(reference, self.view) if self.view in codec.views else reference


STORED = Shown()


def read_bands(
    image: IndexRow,
    fetch: Fetch,
    pool: CodecPool,
    area: Box | None = None,
    *,
    shown: Shown = STORED,
    first: int = 0,
) -> Iterator[np.ndarray]:
    """Yield the pixels of a tiled image from top to bottom, a row of tiles at a time: (rows, area.w, channels).

    IntegrityError names the first tile that is not as written.

    Args:
        image: Its row of the index.
        fetch: Reads byte ranges of its part.
        pool: Where codecs come from.
        area: The rectangle that is wanted; None: all.
        shown: The stored pixels, a preview, or a view.
        first: Number of the first of its tiles.
    """
    whole = Box(0, 0, image.facts.width, image.facts.height)
    area = whole if area is None else area
    check_grid(image, first)
    side_information = _side_information(image, fetch, pool)
    wanted = [tile for tile in image.tiles if _box(tile.facts).intersect(area)]
    for chunk in _fetch_chunks(wanted):
        loaded = fetch_tile_rows(chunk, fetch, residuals=shown.residuals)
        decoded = decode_tiles(image.facts, loaded, pool, side_information, shown)
        placed = [(_box(tile.facts), samples) for (tile, _, _), samples in zip(loaded, decoded, strict=True)]
        for _, row in groupby(placed, key=lambda pair: pair[0].y):
            yield join_band(list(row), area)


def _side_information(image: IndexRow, fetch: Fetch, pool: CodecPool) -> bytes:
    """What the image's tiles share, its row's CRC checked; IntegrityError if no tile's codec takes such bytes."""
    if not image.spans["shared"][1]:
        return b""
    _, side_information, _ = fetch_image_row(image, fetch)
    if not any(pool.codec(reference).has_side_information for reference in {tile.facts.codec for tile in image.tiles}):
        raise IntegrityError("the image holds side information that no codec of its tiles takes")
    return side_information


def decode_tiles(
    facts: ImageFacts, loaded: Sequence[Loaded], pool: CodecPool, side_information: bytes = b"", shown: Shown = STORED
) -> list[np.ndarray]:
    """Return the samples (h, w, channels) of each tile, in order, checked against the CRCs of base and pixels.

    Args:
        facts: Of the image.
        loaded: The tiles with their latents and residuals.
        pool: Where codecs come from.
        side_information: What the tiles of the image share.
        shown: The stored pixels, a preview, or a view.
    """
    order = sorted(range(len(loaded)), key=lambda at: _kind(loaded[at][0].facts))
    batches = [
        chunk
        for (_, height, width), group in groupby(order, key=lambda at: _kind(loaded[at][0].facts))
        for chunk in chunks(list(group), width, height)
    ]

    def decode(batch: list[int]) -> Iterable[np.ndarray]:
        return _decode_batch(facts, [loaded[at] for at in batch], pool, side_information, shown)

    results = pool.map(decode, batches)
    samples: list[np.ndarray] = [np.empty(0)] * len(loaded)
    for batch, decoded in zip(batches, results, strict=True):
        for at, tile in zip(batch, decoded, strict=True):
            samples[at] = tile
            pool.progress.tile_decoded(tile.shape[0] * tile.shape[1])
    return samples


def _decode_batch(
    image: ImageFacts, batch: Sequence[Loaded], pool: CodecPool, side_information: bytes, shown: Shown
) -> Iterable[np.ndarray]:
    facts = batch[0][0].facts
    spec = tile_spec(image.mode, image.dtype, image.bit_depth, facts.h, facts.w)
    codec = pool.codec(facts.codec)
    try:
        streams = [latents for _, latents, _ in batch]
        symbols = codec.unpack_prefix(streams, spec, 1) if shown.preview else codec.unpack(streams, spec)
        common = side_information if codec.has_side_information else b""
        bases = pool.synthesise(shown.reference(codec, facts.codec), symbols, common)
        for (tile, _, _), base in zip(batch, bases, strict=True):
            _check(tile.facts, "base", tile.facts.base_crc if shown.is_base(codec) else None, base)
        if not shown.residuals:
            return list(bases)
        decoded = [
            pool.residual(tile.facts.residual_codec).decode(rest, base, spec) if rest else base
            for (tile, _, rest), base in zip(batch, bases, strict=True)
        ]
    except Exception as exc:
        if not is_codecs_own(exc):
            raise
        raise IntegrityError(f"tile {facts.tile} or one beside it does not decode: {_what(exc)}") from exc
    for (tile, _, _), samples in zip(batch, decoded, strict=True):
        _check(tile.facts, "pixels", tile.facts.pixels_crc, samples)
    return decoded


def _what(error: Exception) -> str:
    return str(error) if isinstance(error, CodecError) else f"{type(error).__name__}: {error}"


def _check(facts: TileFacts, what: str, crc: int | None, samples: np.ndarray) -> None:
    if crc is not None and samples_crc(samples) != crc:
        raise IntegrityError(
            f"tile {facts.tile}: its {what} decoded by {facts.codec.partition('@')[0]} on this machine differ "
            "from what was checked when it was stored"
        )


def check_grid(image: IndexRow, first: int = 0) -> None:
    """Raise IntegrityError unless the tiles of an image are those that its size asks for; nothing is fetched.

    `first`: the number of its first tile.
    """
    image.require_sound()
    facts = image.facts
    if min(facts.width, facts.height, facts.tile_size) < 1 or facts.mode not in MODES:
        raise IntegrityError(f"{facts.width} x {facts.height} pixels of mode {facts.mode!r} are no image")
    across, down = grid_size(facts.width, facts.height, facts.tile_size)
    if len(image.tiles) != across * down:  # before a grid is made of what may be hostile facts
        raise IntegrityError(f"{len(image.tiles)} tiles are there where the image has {across * down}")
    boxes = grid(facts.width, facts.height, facts.tile_size)
    for at, (tile, box) in enumerate(zip(image.tiles, boxes, strict=True), first):
        if _box(tile.facts) != box or tile.facts.tile != at:
            raise IntegrityError(f"tile {at} is missing or not where it belongs")


def _box(facts: TileFacts) -> Box:
    return Box(facts.x, facts.y, facts.w, facts.h)


def _kind(facts: TileFacts) -> tuple[str, int, int]:
    return facts.codec, facts.h, facts.w


def _fetch_chunks(tiles: Sequence[TileRanges]) -> Iterator[list[TileRanges]]:
    """Whole rows of tiles, as many as fit the bound on bytes fetched together and on decoded pixels held."""
    chunk: list[TileRanges] = []
    size = 0
    for _, group in groupby(tiles, key=lambda tile: tile.facts.y):
        row = list(group)
        cost = sum(tile.latents[1] + tile.residual[1] + tile.facts.w * tile.facts.h for tile in row)
        if chunk and size + cost > FETCH_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk += row
        size += cost
    if chunk:
        yield chunk
