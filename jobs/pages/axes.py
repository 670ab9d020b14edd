"""Axes of charts: where a value lies, and round numbers to mark."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tilepress.jobs.pages.numbers import Kind, parts, rounded

_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` laid out from `start` to `end`, in units of the drawing."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False  # low is positive then

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        low, high, at = (math.log(each) if self.log else each for each in (self.low, self.high, value))
        share = (at - low) / (high - low) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, most: int) -> list[float]:
        """Return at most about `most` round values within the scale, ascending."""
        if self.log and self.high / self.low >= _STEPS[-1]:
            return _decades(self.low, self.high, most)
        return _evenly(self.low, self.high, most)


def scale_of(values: Iterable[float], start: float, end: float, *, log: bool = False, margin: float = 0.04) -> Scale:
    """Return a scale with room around values, of which there is at least one."""
    found = list(values)
    low, high = min(found), max(found)
    if log:
        room = max((high / low) ** margin, 1.05)
        return Scale(low / room, high * room, start, end, log=True)
    room = (high - low) * margin or abs(high) * margin or 1.0
    return Scale(low - room, high + room, start, end)


def tick_text(value: float, kind: Kind) -> str:
    """Return what stands beside a tick: the value with as few digits as tell it."""
    if kind == "bytes":
        digits, unit = parts(value, kind)
        return f"{_short(digits)} {unit}"
    if kind == "percent":
        return f"{_short(rounded(100 * value))} %"
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= max(factor, 10_000):
            return _short(rounded(value / factor)) + letter
    return _short(rounded(value))


def _short(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits and "e" not in digits else digits


def _evenly(low: float, high: float, most: int) -> list[float]:
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _decades(low: float, high: float, most: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = -(-(last - first) // most)
    factors = (1, 2, 5) if (last - first) * 3 <= most else (1,)
    found = [factor * 10.0**power for power in range(first, last + 1, every) for factor in factors]
    return [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
