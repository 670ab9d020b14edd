"""Numbers as people read them; round numbers of axes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilepress.jobs.pages.axes import scale_of, tick_text
from tilepress.jobs.pages.numbers import Kind, Value, exact, rounded, shown

CASES: list[tuple[Value, Kind, str, str]] = [
    (None, "bytes", "", "–"),
    (math.nan, "number", "dB", "–"),
    (math.inf, "number", "dB", "∞ dB"),
    (-math.inf, "percent", "", "−∞"),
    ("any <text>", "count", "", "any <text>"),
    (0, "bytes", "", "0 B"),
    (999, "bytes", "", "999 B"),
    (999_960, "bytes", "", "1.00 MB"),
    (12_345_678, "bytes", "", "12.3 MB"),
    (-1234, "bytes", "", "−1.23 kB"),
    (0.12345, "percent", "", "12.3 %"),
    (-0.5, "percent", "", "−50.0 %"),
    (1_234_567, "count", "", "1,234,567"),
    (9.996, "number", "dB", "10.0 dB"),
    (31.247, "number", "", "31.2"),
    (0.000123, "number", "", "0.000123"),
    (1.5e-12, "number", "", "1.50e-12"),
    (0, "number", "", "0"),
]


@pytest.mark.parametrize(("value", "kind", "unit", "text"), CASES)
def test_a_value_is_shown_with_its_unit(value: Value, kind: Kind, unit: str, text: str) -> None:
    assert shown(value, kind, unit) == text


@given(st.floats(1e-4, 1e8))
def test_three_digits_are_within_half_a_per_cent(value: float) -> None:
    assert float(rounded(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


def test_what_is_shortened_can_be_seen_in_full() -> None:
    assert exact(12_345_678, "bytes") == "12,345,678 bytes"
    assert exact(31.2468, "number") == "31.2468"
    assert exact("text", "number") == exact(None, "bytes") == exact(5, "count") == ""


@given(st.lists(st.floats(1e-6, 1e12), min_size=1, max_size=9), st.booleans(), st.integers(2, 8))
def test_ticks_are_few_and_within_the_axis(values: list[float], log: bool, most: int) -> None:
    scale = scale_of(values, 0, 100, log=log)
    ticks = scale.ticks(most)
    assert len(ticks) <= most + 2
    assert ticks == sorted(ticks)
    assert all(-0.01 <= scale(tick) <= 100.01 for tick in ticks)
    assert all(0 <= scale(value) <= 100 for value in values)
    assert all(tick_text(tick, "number") for tick in ticks)
