"""Distributions collected in little memory: quantiles and histograms."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tilepress.jobs.pages.charts import histogram
from tilepress.jobs.pages.sections import Distribution
from tilepress.jobs.pages.spread import EXACT, QUANTILES, Spread

numbers = st.floats(-1e12, 1e12, allow_subnormal=False)


def spread_of(values: list[float]) -> Spread:
    spread = Spread()
    for value in values:
        spread.add(value)
    return spread


@given(st.lists(numbers, min_size=1, max_size=200))
def test_few_numbers_have_exact_quantiles(values: list[float]) -> None:
    expected = np.quantile(values, QUANTILES, method="lower")
    assert spread_of(values).quantiles() == pytest.approx(list(expected))


def test_many_numbers_have_quantiles_within_half_a_per_cent() -> None:
    values = np.random.default_rng(5).lognormal(3, 4, 50_000)
    values[::5] *= -1
    values[::1000] = 0
    spread = spread_of(list(map(float, values)))
    expected = np.quantile(values, QUANTILES, method="lower")
    assert spread.quantiles() == pytest.approx(list(expected), rel=0.0051)
    assert spread.total == pytest.approx(values.sum())


def test_memory_does_not_grow_with_the_numbers() -> None:
    spread = spread_of([1.0001**at for at in range(3 * EXACT)])
    held = len(spread._exact) + len(spread._buckets)
    for at in range(100_000):
        spread.add(1.0001 ** (at % (3 * EXACT)))
    assert len(spread._exact) + len(spread._buckets) == held < EXACT


@given(st.lists(numbers, max_size=50), st.lists(numbers, max_size=50))
def test_merging_is_adding(some: list[float], others: list[float]) -> None:
    merged, whole = spread_of(some), spread_of(some + others)
    merged.merge(spread_of(others))
    assert merged.count == whole.count
    assert merged.quantiles() == pytest.approx(whole.quantiles(), nan_ok=True)


def test_merging_many_with_few_is_adding_too() -> None:
    values = list(map(float, np.random.default_rng(6).lognormal(0, 2, 3 * EXACT)))
    for cut in (10, EXACT - 1, 2 * EXACT):
        merged = spread_of(values[:cut])
        merged.merge(spread_of(values[cut:]))
        assert merged.quantiles() == spread_of(values).quantiles()


@example([4.0, 2.2250738585072014e-308], None)  # whose ratio is no float
@given(st.lists(numbers, min_size=1, max_size=300), st.sampled_from([None, True, False]))
def test_a_histogram_counts_every_number_once(values: list[float], log: bool | None) -> None:
    histogram = spread_of(values).histogram(20, log=log)
    assert histogram.count == len(values)
    assert len(histogram.edges) == len(histogram.counts) + 1 <= 22
    assert list(histogram.edges) == sorted(histogram.edges)
    assert histogram.edges[0] <= min(values) and max(values) <= histogram.edges[-1]
    assert not histogram.log or min(values) > 0


def test_whole_numbers_of_small_extent_get_a_step_each() -> None:
    histogram = spread_of([1.0, 2.0, 2.0, 5.0]).histogram()
    assert histogram.edges == (0.5, 1.5, 2.5, 3.5, 4.5, 5.5)
    assert histogram.counts == (1, 2, 0, 0, 1)


def test_what_is_not_finite_is_refused() -> None:
    for value in (math.inf, -math.inf, math.nan):
        with pytest.raises(ValueError, match="has no place"):
            Spread().add(value)


@pytest.mark.parametrize("numbers", [range(49), range(0, 490, 10), [3], [1, 1000], [0, 2**40]])
def test_whole_numbers_of_any_extent_are_drawn(numbers: Iterable[int]) -> None:
    spread = Spread()
    for number in numbers:
        spread.add(number)
    assert histogram(Distribution("seconds", spread.histogram()))
