"""Grid, cutting, joining and batching: properties for any size, tile and region."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tilepress.codecs.codec import TileSpec
from tilepress.pipeline.coding import tiles as module
from tilepress.pipeline.coding.tiles import Box, Tile, batches, cut_band, grid, join_band, windows

SIZES = st.tuples(st.integers(1, 60), st.integers(1, 60))  # width, height
EDGE = st.integers(1, 70)
BOXES = st.builds(Box, st.integers(0, 70), st.integers(0, 70), st.integers(1, 70), st.integers(1, 70))


def numbered(width: int, height: int, channels: int = 1) -> np.ndarray:
    """An image whose samples are all different."""
    count = width * height * channels
    return np.arange(count, dtype=np.uint16).reshape(height, width, channels)


def cut(image: np.ndarray, tile: int) -> list[tuple[Box, np.ndarray]]:
    bands = ((y, image[y : y + tile]) for y in range(0, image.shape[0], tile))
    return [piece for y, band in bands for piece in cut_band(band, y, tile)]


@given(SIZES, EDGE)
def test_the_grid_covers_every_pixel_once_in_raster_order(size: tuple[int, int], tile: int) -> None:
    width, height = size
    seen = np.zeros((height, width), int)
    boxes = grid(width, height, tile)
    for box in boxes:
        assert 1 <= box.w <= tile
        assert 1 <= box.h <= tile
        assert box.x + box.w <= width
        assert box.y + box.h <= height
        seen[box.y : box.y + box.h, box.x : box.x + box.w] += 1
    assert (seen == 1).all()
    assert boxes == sorted(boxes, key=lambda box: (box.y, box.x))


@given(SIZES, EDGE, st.integers(1, 4))
def test_cutting_gives_the_grid_and_the_samples_below_it(size: tuple[int, int], tile: int, channels: int) -> None:
    image = numbered(*size, channels)
    pieces = cut(image, tile)
    assert [box for box, _ in pieces] == grid(*size, tile)
    for box, samples in pieces:
        assert samples.flags.c_contiguous
        assert np.array_equal(samples, image[box.y : box.y + box.h, box.x : box.x + box.w])


@given(SIZES, EDGE, BOXES, st.integers(1, 3))
def test_joining_rows_of_tiles_gives_any_region(size: tuple[int, int], tile: int, box: Box, channels: int) -> None:
    image = numbered(*size, channels)
    area = Box(0, 0, *size).intersect(box) or Box(0, 0, *size)
    pieces = cut(image, tile)
    rows = [[(b, s) for b, s in pieces if b.y == y and b.intersect(area)] for y in range(0, size[1], tile)]
    joined = np.concatenate([join_band(row, area) for row in rows if row])
    assert np.array_equal(joined, image[area.y : area.y + area.h, area.x : area.x + area.w])


@given(BOXES, BOXES)
def test_the_intersection_of_boxes_is_that_of_their_pixels(one: Box, two: Box) -> None:
    def pixels(box: Box | None) -> set[tuple[int, int]]:
        return (
            set() if box is None else {(x, y) for x in range(box.x, box.x + box.w) for y in range(box.y, box.y + box.h)}
        )

    assert pixels(one.intersect(two)) == pixels(one) & pixels(two)
    assert one.intersect(two) == two.intersect(one)


def tile_of(number: int, width: int, height: int, bits: int = 8) -> Tile:
    spec = TileSpec(height, width, 1, "uint8", bits, "gray")
    return Tile(0, number, Box(0, 0, width, height), spec, np.empty((height, width, 1), np.uint8))


TILES = st.lists(
    st.sampled_from([(1, 1, 8), (512, 512, 8), (512, 100, 8), (512, 512, 1), (3000, 2000, 8)]), max_size=80
)


@given(TILES)
def test_windows_and_batches_lose_no_tile_and_keep_their_order(kinds: list[tuple[int, int, int]]) -> None:
    stream = [tile_of(number, *kind) for number, kind in enumerate(kinds)]
    cut_up = list(map(list, windows(stream)))
    assert [tile for window in cut_up for tile in window] == stream
    for window in cut_up:
        grouped = list(batches(window))
        assert sorted(t.number for batch in grouped for t in batch) == [t.number for t in window]
        for batch in grouped:
            assert len({tile.spec for tile in batch}) == 1
            assert [tile.number for tile in batch] == sorted(tile.number for tile in batch)
            assert len(batch) == 1 or sum(t.box.w * t.box.h for t in batch) <= module.BATCH_PIXELS
            assert len(batch) <= module.BATCH_TILES
        for spec in {tile.spec for tile in window}:
            numbers = [tile.number for batch in grouped for tile in batch if tile.spec == spec]
            assert numbers == sorted(numbers)


def test_windows_are_bounded_in_pixels_and_tiles() -> None:
    small = list(map(list, windows(tile_of(number, 1, 1) for number in range(module.WINDOW_TILES + 5))))
    assert [len(window) for window in small] == [module.WINDOW_TILES, 5]
    large = list(map(list, windows(tile_of(number, 2048, 2048) for number in range(9))))
    assert max(sum(t.box.w * t.box.h for t in window) for window in large) <= module.WINDOW_PIXELS + (1 << 22)


def test_batches_depend_on_the_window_alone() -> None:
    window = [tile_of(number, 512, 512) for number in range(40)]
    first = [[tile.number for tile in batch] for batch in batches(window)]
    assert first == [[tile.number for tile in batch] for batch in batches(list(window))]
    assert [len(batch) for batch in first] == [16, 16, 8]


def test_a_batch_is_there_as_soon_as_it_is_full() -> None:
    taken = []

    def tiles() -> Iterator[Tile]:
        for number in range(40):
            taken.append(number)
            yield tile_of(number, 512, 512 - number % 2)

    first = next(batches(next(windows(tiles()))))
    assert [tile.number for tile in first] == list(range(0, 32, 2)) and taken == list(range(31))
