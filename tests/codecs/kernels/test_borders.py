"""The causal border that kernels walk over: left the first sample of the row above, right the last of the row."""

from __future__ import annotations

import numpy as np
import pytest

from tilepress.codecs.kernels.borders import close_row, open_row

PAD = 2
SHAPES = [(PAD + 3 + PAD,), (PAD + 3 + PAD, 4)]  # of a padded line, without and with channels


def line(shape: tuple[int, ...], first: int) -> np.ndarray:
    """A padded line of different integers from `first` on."""
    return np.arange(first, first + np.prod(shape), dtype=np.int32).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_opens_with_the_first_sample_of_the_row_above(shape: tuple[int, ...]) -> None:
    above, row = line(shape, 0), line(shape, 100)
    expected = row.copy()
    expected[:PAD] = above[PAD]
    open_row(row, above, PAD)
    np.testing.assert_array_equal(row, expected)
    np.testing.assert_array_equal(above, line(shape, 0))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_closes_with_its_last_sample(shape: tuple[int, ...]) -> None:
    row = line(shape, 100)
    expected = row.copy()
    expected[-PAD:] = row[-PAD - 1]
    close_row(row, PAD)
    np.testing.assert_array_equal(row, expected)


def test_a_row_may_be_its_own_row_above() -> None:
    row = line(SHAPES[0], 0)
    open_row(row, row, PAD)
    assert row.tolist() == [2, 2, 2, 3, 4, 5, 6]
