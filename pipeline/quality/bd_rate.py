"""Bjontegaard delta rate (BD-rate): how much more or less rate one codec needs for the quality of another.

ITU-T SG16 VCEG-M33 (2001), with piecewise cubic interpolation (PCHIP: Fritsch and Butland, SIAM J. Sci. Stat. Comput.
5, 1984) of log10 rate over quality in place of one cubic polynomial, as in the reporting sheets of JVET: it passes
through every point, never overshoots, and takes any number of points from two on. Integrals are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

Point = tuple[float, float]  # (rate in any unit, quality in a unit that grows: dB)
MIN_POINTS = 2


@dataclass(frozen=True)
class BdRate:
    """`percent`: mean difference of rate, negative where the test saves, over the qualities `low` to `high`.

    These are what both curves cover; `overlap` is their share (0..1) of what either covers.
    """

    percent: float
    low: float
    high: float
    overlap: float


def bd_rate(anchor: Iterable[Point], test: Iterable[Point]) -> BdRate | None:
    """BD-rate of `test` against `anchor`; None where a curve has fewer than two useful points or they do not overlap.

    Points are used as `frontier` leaves them. ValueError for rates that are not positive and for infinite numbers.
    """
    curves = [frontier(anchor), frontier(test)]
    if min(map(len, curves)) < MIN_POINTS:
        return None
    low, high = max(curve[0][1] for curve in curves), min(curve[-1][1] for curve in curves)
    if low >= high:
        return None
    spread = max(curve[-1][1] for curve in curves) - min(curve[0][1] for curve in curves)
    before, after = (_integral(curve, low, high) for curve in curves)
    percent = 100 * (10 ** ((after - before) / (high - low)) - 1)
    return BdRate(percent, low, high, (high - low) / spread)


def frontier(points: Iterable[Point]) -> list[Point]:
    """Return the points by rising rate, without those that another beats: as good or better at no more rate."""
    useful: list[Point] = []
    for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not (rate > 0 and math.isfinite(rate) and math.isfinite(quality)):
            raise ValueError(f"({rate}, {quality}) is no point of a rate-distortion curve")
        if not useful or quality > useful[-1][1]:
            useful.append((rate, quality))
    return useful


def _integral(curve: Sequence[Point], low: float, high: float) -> float:
    """Integral of log10 rate over the quality from `low` to `high`, both within the curve."""
    x = np.array([quality for _, quality in curve])
    y = np.log10([rate for rate, _ in curve])
    slopes = _slopes(x, y)
    return _primitive(x, y, slopes, high) - _primitive(x, y, slopes, low)


def _primitive(x: np.ndarray, y: np.ndarray, slopes: np.ndarray, end: float) -> float:
    """Integral of the cubic Hermite spline from x[0] to `end`."""
    step = np.diff(x)
    t = np.clip((end - x[:-1]) / step, 0, 1)
    # Integrals from 0 to t of the four Hermite basis polynomials.
    value0 = t**4 / 2 - t**3 + t
    slope0 = t**4 / 4 - 2 * t**3 / 3 + t**2 / 2
    value1 = -(t**4) / 2 + t**3
    slope1 = t**4 / 4 - t**3 / 3
    pieces = value0 * y[:-1] + value1 * y[1:] + step * (slope0 * slopes[:-1] + slope1 * slopes[1:])
    return float((step * pieces).sum())


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Derivatives at the points: weighted harmonic means of the secants, 0 at an extremum."""
    step = np.diff(x)
    secant = np.diff(y) / step
    if len(secant) == 1:
        return np.repeat(secant, 2)
    slopes = np.zeros(len(x))
    w1, w2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    inner = secant[:-1] * secant[1:] > 0
    before, after = np.where(inner, secant[:-1], 1), np.where(inner, secant[1:], 1)
    slopes[1:-1] = np.where(inner, (w1 + w2) / (w1 / before + w2 / after), 0)
    slopes[0] = _end_slope(step[0], step[1], secant[0], secant[1])
    slopes[-1] = _end_slope(step[-1], step[-2], secant[-1], secant[-2])
    return slopes


def _end_slope(step: float, next_step: float, secant: float, next_secant: float) -> float:
    """Three-point derivative at an end, limited so that the spline stays monotone."""
    slope = ((2 * step + next_step) * secant - step * next_secant) / (step + next_step)
    if slope * secant <= 0:
        return 0.0
    if secant * next_secant <= 0 and abs(slope) > 3 * abs(secant):
        return 3 * secant
    return slope
