"""What the tiles of one image share, for codecs that fit something to an image before they code it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tilepress.codecs.codec import Settings
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.tiles import Tile, grid_size

SAMPLE_PIXELS = 16 << 20  # of an image, held at a time; a single tile may be larger
_SPREAD = 2654435761  # Knuth's multiplier: numbers by their product modulo 2^32 lie evenly wherever one stops


def side_information(
    reference: str, tiles: Iterable[Tile], size: tuple[int, int, int], settings: Settings, pool: CodecPool
) -> bytes:
    """Return what a codec prepares for an image, from all or some of its tiles.

    Args:
        reference: The codec, with its model.
        tiles: Of the image, in raster order.
        size: Width, height and tile side in pixels.
        settings: Of the codec.
        pool: Where codecs come from.
    """
    sample = _sampled(tiles, *size)
    return pool.prepare(reference, [tile.samples for tile in sample], sample[0].spec, settings)


def _sampled(tiles: Iterable[Tile], width: int, height: int, size: int) -> Sequence[Tile]:
    across, down = grid_size(width, height, size)
    most = max(1, SAMPLE_PIXELS // (min(size, width) * min(size, height)))
    numbers = range(across * down)
    if most < len(numbers):
        chosen = set(sorted(numbers, key=lambda number: number * _SPREAD % (1 << 32))[:most])
        return [tile for tile in tiles if tile.number in chosen]
    return list(tiles)
