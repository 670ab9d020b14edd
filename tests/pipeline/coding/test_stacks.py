"""Small images side by side: every image has its cell, whatever their number and size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilepress.pipeline.coding.stacks import StackCache, arrange, cell_box, cells_across, mosaic


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(16, 40))
def test_every_image_lies_in_its_cell(count: int, width: int, height: int, channels: int, tile: int) -> None:
    across, down = cells_across(width, height, tile)
    count = min(count, across * down)
    images = [np.full((height, width, channels), number, np.uint8) for number in range(count)]
    whole = mosaic(images, tile)
    assert whole.shape[0] <= tile * 3 // 2 and whole.shape[1] <= tile * 3 // 2
    for number, image in enumerate(images):
        box = cell_box(number, whole.shape[1], width, height)
        np.testing.assert_array_equal(whole[box.y : box.y + box.h, box.x : box.x + box.w], image)


@given(st.integers(1, 700), st.integers(1, 128), st.integers(1, 128))
def test_few_cells_are_empty(count: int, width: int, height: int) -> None:
    across, down = cells_across(width, height, 512)
    count = min(count, across * down)
    columns, rows = arrange(count, width, height, 512)
    assert columns <= across and rows <= down and count <= columns * rows < count + columns


def test_a_stack_never_grows_with_the_tile_beyond_what_is_read_quickly() -> None:
    assert cells_across(128, 128, 16384) == (6, 6)


def test_what_is_kept_of_stacks_is_made_once_and_forgotten_in_time() -> None:
    cache, made = StackCache(), []

    def make(key: int) -> np.ndarray:
        made.append(key)
        return np.empty(1 << 20, np.uint8)

    for key in [*range(100), 99, 0]:
        cache.get(key, lambda key=key: make(key))
    assert made == [*range(100), 0]


def test_what_cannot_be_made_is_tried_again() -> None:
    cache = StackCache()
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 // 0)
    assert cache.get("a", lambda: np.ones(1)) == 1
