"""BD-rate, against an independent implementation and by what it means."""

from __future__ import annotations

import math

import bjontegaard
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tilepress.pipeline.quality.bd_rate import bd_rate, frontier

# Typical curves of two codecs: (bits per pixel, PSNR in dB).
ANCHOR = [(0.135, 27.2), (0.31, 30.1), (0.62, 33.4), (1.18, 36.9)]
TEST = [(0.11, 28.0), (0.24, 30.9), (0.55, 34.6), (0.98, 37.3)]


@st.composite
def curves(draw) -> list[tuple[float, float]]:
    """A curve that rises, with steps of any size."""
    steps = draw(st.lists(st.tuples(st.floats(0.05, 1.5), st.floats(0.05, 6)), min_size=2, max_size=8))
    logs = np.cumsum([draw(st.floats(-3, 0)), *(step for step, _ in steps[1:])])
    qualities = np.cumsum([draw(st.floats(22, 34)), *(step for _, step in steps[1:])])
    return [(float(rate), float(quality)) for rate, quality in zip(np.exp(logs), qualities, strict=True)]


def theirs(anchor, test, method: str) -> float:
    columns = (np.array(values) for curve in (anchor, test) for values in zip(*curve, strict=True))
    return bjontegaard.bd_rate(*columns, method=method, require_matching_points=False, min_overlap=0)


@given(curves(), curves())
def test_bd_rate_is_that_of_the_bjontegaard_package(anchor, test):
    found = bd_rate(anchor, test)
    assume(found is not None and found.high - found.low > 1e-3)
    assert found.percent == pytest.approx(theirs(anchor, test, "pchip"), abs=0.1, rel=1e-6)


@pytest.mark.parametrize("method", ["pchip", "akima", "cubic"])
def test_on_usual_curves_all_ways_of_interpolation_agree(method):
    found = bd_rate(ANCHOR, TEST)
    assert found.percent == pytest.approx(theirs(ANCHOR, TEST, method), abs=0.1 if method == "pchip" else 1.0)
    assert (found.low, found.high) == (28.0, 36.9)
    assert found.overlap == pytest.approx((36.9 - 28.0) / (37.3 - 27.2))


@given(curves(), st.floats(0.2, 5))
def test_a_codec_that_needs_a_multiple_of_the_rate_everywhere_has_that_bd_rate(curve, factor):
    found = bd_rate(curve, [(factor * rate, quality) for rate, quality in curve])
    assert found.percent == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert found.overlap == 1


@given(curves(), curves(), st.randoms())
def test_the_order_of_points_does_not_matter_and_anchor_and_test_are_inverse(anchor, test, random):
    found = bd_rate(anchor, test)
    shuffled = random.sample(anchor, len(anchor))
    assert bd_rate(shuffled, test) == found
    if found is not None:
        back = bd_rate(test, anchor)
        assert (1 + found.percent / 100) * (1 + back.percent / 100) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("anchor", "test"),
    [
        (ANCHOR, [(1.0, 33.0)]),
        ([(1.0, 33.0)], TEST),
        (ANCHOR, []),
        (ANCHOR, [(2.0, 40.0), (3.0, 45.0)]),
        (ANCHOR, [(2.0, 36.9), (3.0, 45.0)]),
        (ANCHOR, [(2.0, 30.0), (3.0, 29.0)]),
    ],
)
def test_there_is_none_without_two_useful_points_a_side_that_overlap(anchor, test):
    assert bd_rate(anchor, test) is None


def test_points_that_another_one_beats_are_left_out():
    useless = [(0.7, 33.4), (0.62, 33.0), (1.0, 30.0), (1.18, 36.8)]
    assert frontier([*useless, *ANCHOR]) == ANCHOR
    assert bd_rate([*ANCHOR, *useless], TEST) == bd_rate(ANCHOR, TEST)


@pytest.mark.parametrize("point", [(0.0, 30.0), (-1.0, 30.0), (1.0, math.inf), (math.nan, 30.0), (1.0, math.nan)])
def test_what_is_no_point_of_a_curve_is_refused(point):
    with pytest.raises(ValueError, match="no point"):
        bd_rate(ANCHOR, [*TEST, point])
