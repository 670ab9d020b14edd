"""Rectangles of pictures: the one of greatest sum, and the one around what is marked."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.origins.made_pictures import RGB
from tilepress.codecs.origins.rectangle import Rectangle, around, worthiest


def by_trying_all(worth: np.ndarray) -> int:
    rows, columns = worth.shape
    return max(
        int(worth[top:bottom, left:right].sum())
        for top in range(rows)
        for bottom in range(top + 1, rows + 1)
        for left in range(columns)
        for right in range(left + 1, columns + 1)
    )


@pytest.mark.parametrize("seed", range(12))
def test_no_rectangle_is_worth_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = rng.integers(-9, (1, 4, 9)[seed % 3], rng.integers(1, 9, 2))
    found, most = worthiest(worth)
    assert most == worth[found.place].sum() == by_trying_all(worth)


def test_what_is_marked_is_inside_and_nothing_else_at_the_edges() -> None:
    there = np.zeros((9, 8), bool)
    there[3, 5] = there[6, 2] = True
    assert around(there) == Rectangle(3, 2, 4, 4) and around(there).area == 16


def test_rectangles_lie_in_pictures_or_not() -> None:
    assert Rectangle(0, 0, RGB.height, RGB.width).within(RGB)
    others = [
        Rectangle(1, 0, RGB.height, 1),
        Rectangle(0, RGB.width, 1, 1),
        Rectangle(0, 0, 0, 4),
        Rectangle(0, 0, 4, 0),
    ]
    assert not any(other.within(RGB) for other in others)
