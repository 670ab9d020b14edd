"""How a figure is spread over many images, in memory that does not grow with them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tilepress.jobs.pages.spread import Spread

_STEPS = 32  # an octave, of what is looked at by its ratios
_QUANTILES = {"p5": 0.05, "median": 0.5, "p95": 0.95}
_MAD_OF_NORMAL = 1.4826  # standard deviations of a normal distribution in one median absolute deviation


@dataclass
class Extremes:
    """Count, mean, and extremes with their images."""

    count: int = 0
    total: float = 0.0
    least: tuple[float, str] | None = None
    greatest: tuple[float, str] | None = None

    def add(self, value: float | None, path: str) -> None:
        """Count a value of an image; None and what is not finite are not counted."""
        if value is None or not math.isfinite(value):
            return
        self.count += 1
        self.total += value
        if self.least is None or value < self.least[0]:
            self.least = value, path
        if self.greatest is None or value > self.greatest[0]:
            self.greatest = value, path
        self._keep(value)

    def _keep(self, value: float) -> None:
        """What else is kept of a value."""

    @property
    def mean(self) -> float | None:
        """The mean; None of nothing."""
        return self.total / self.count if self.count else None


@dataclass
class Measure(Extremes):
    """The values of one measure: their distribution, too."""

    values: Spread = field(default_factory=Spread)

    def _keep(self, value: float) -> None:
        self.values.add(float(value))

    def summary(self) -> dict[str, float | str | None]:
        """Return what a report says of it: the mean, quantiles, and the extremes with their images."""
        least, greatest = self.least or (None, ""), self.greatest or (None, "")
        quantiles = dict(zip(_QUANTILES, self.values.quantiles(_QUANTILES.values()), strict=True))
        ends = {"least": least[0], "least_of": least[1], "greatest": greatest[0], "greatest_of": greatest[1]}
        return {"count": self.count, "mean": self.mean, **quantiles, **ends}


@dataclass
class Ratios:
    """Positive values of one kind of images, and how unlike them one of them is."""

    bins: Counter[int] = field(default_factory=Counter)

    def add(self, value: float) -> None:
        """Count a value; those that are not positive are not counted."""
        if value > 0 and math.isfinite(value):
            self.bins[round(_STEPS * math.log2(value))] += 1

    def settled(self) -> Settled:
        """Return the median and the scale of the values, for `Settled.score`."""
        count = self.bins.total()
        if not count:
            return Settled(0, 0.0, 1.0)
        median = _nth(self.bins, (count - 1) / 2)
        around: Counter[int] = Counter()
        for at, number in self.bins.items():
            around[abs(at - median)] += number
        return Settled(count, median / _STEPS, _MAD_OF_NORMAL * _nth(around, (count - 1) / 2) / _STEPS)


@dataclass(frozen=True)
class Settled:
    """Median of the logarithms of so many values, and their standard deviation by the median absolute deviation."""

    count: int
    median: float
    scale: float

    def score(self, value: float, least_scale: float) -> float:
        """Return by how many deviations, of at least that many octaves, a value lies above the median."""
        return (math.log2(value) - self.median) / max(least_scale, self.scale) if value > 0 else 0.0

    def times(self, value: float) -> float:
        """Return a value as a multiple of the median."""
        return float(value / 2**self.median)


def _nth(bins: Mapping[int, int], rank: float) -> int:
    """The bin of the value of a rank, from 0."""
    seen = 0
    for at in sorted(bins):
        seen += bins[at]
        if seen > rank:
            return at
    raise ValueError("there is no value of that rank")
