"""A distribution collected one number at a time in little memory, and its histogram.

The first few thousand numbers are held as they are. From then on they are counted in buckets whose bounds grow by one
per cent, so a quantile is off by at most half a per cent of its value: the DDSketch of Masson, Rim and Lee, "DDSketch:
a fast and fully-mergeable quantile sketch with relative-error guarantees" (VLDB 2019), section 2.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

EXACT = 4096  # numbers that are held as they are
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_RELATIVE_ERROR = 0.005
_GROWTH = (1 + _RELATIVE_ERROR) / (1 - _RELATIVE_ERROR)
_LOG_GROWTH = math.log(_GROWTH)
_LOG_FROM = 100  # greatest to smallest: from here on a histogram has a logarithmic axis
_Bucket = tuple[int, int]  # sign, and the power of _GROWTH: greater negative numbers come first


@dataclass(frozen=True)
class Histogram:
    """Counts between edges, with quantiles: what is drawn."""

    edges: tuple[float, ...]  # ascending, one more than there are counts
    counts: tuple[int, ...]
    quantiles: tuple[tuple[float, float], ...]  # (share, value) for each of QUANTILES
    mean: float
    log: bool  # the edges are spaced evenly in logarithms

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(self.counts)


@dataclass
class Spread:
    """Numbers that were added, in memory that does not grow with them."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf
    _exact: Counter[float] = field(default_factory=Counter)
    _buckets: Counter[_Bucket] = field(default_factory=Counter)

    def add(self, value: float, times: int = 1) -> None:
        """Add a number. ValueError for one that is not finite."""
        if not math.isfinite(value):
            raise ValueError(f"{value} has no place in a distribution")
        self.count += times
        self.total += value * times
        self.least, self.greatest = min(self.least, value), max(self.greatest, value)
        if self._buckets:
            self._buckets[_bucket(value)] += times
            return
        self._exact[value] += times
        if len(self._exact) > EXACT:
            self._count_in_buckets()

    def merge(self, other: Spread) -> None:
        """Add all numbers of another one."""
        self.count += other.count
        self.total += other.total
        self.least, self.greatest = min(self.least, other.least), max(self.greatest, other.greatest)
        self._exact.update(other._exact)
        if other._buckets or self._buckets or len(self._exact) > EXACT:
            self._count_in_buckets()
            self._buckets.update(other._buckets)

    def _count_in_buckets(self) -> None:
        for value, times in self._exact.items():
            self._buckets[_bucket(value)] += times
        self._exact.clear()

    def quantile(self, share: float) -> float:
        """Return the number below which that share of them lies; NaN where there are none."""
        return self.quantiles([share])[0]

    def quantiles(self, shares: Iterable[float] = QUANTILES) -> list[float]:
        """Return the quantile of each of ascending shares."""
        values = self._values()
        reached = list(accumulate(times for _, times in values))
        found, at = [], 0
        for share in shares:
            while at < len(values) - 1 and reached[at] <= share * (self.count - 1):
                at += 1
            value = values[at][0] if values else math.nan
            found.append({0.0: self.least, 1.0: self.greatest}.get(share, value) if values else math.nan)
        return found

    def histogram(self, bins: int = 48, *, log: bool | None = None) -> Histogram:
        """Return counts in at most `bins` steps of equal width, or of equal ratio.

        Args:
            bins: At most so many.
            log: Steps of equal ratio; if not given, where the numbers are positive and their extent asks for it.
        """
        positive = self.count > 0 and self.least > 0
        log = positive and (self.greatest / self.least >= _LOG_FROM if log is None else log)
        edges = self._edges(bins, log)
        counts = [0] * max(0, len(edges) - 1)
        at = 0
        for value, times in self._values():
            while at < len(counts) - 1 and value >= edges[at + 1]:
                at += 1
            counts[at] += times
        pairs = tuple(zip(QUANTILES, self.quantiles(), strict=True))
        mean = self.total / self.count if self.count else math.nan
        return Histogram(tuple(edges), tuple(counts), pairs, mean, log)

    def _edges(self, bins: int, log: bool) -> list[float]:
        if not self.count:
            return []
        low, high = self.least, self.greatest
        whole = all(value.is_integer() for value in map(float, (low, high))) and self._all_whole()
        if whole and high - low < bins and not log:  # a step a whole number
            return [low - 0.5 + step for step in range(round(high - low) + 2)]
        if low == high:
            return [low, math.nextafter(high, math.inf)] if low == 0 else sorted((low, low * (1 + 1e-9)))
        if log:
            start, end = math.log(low), math.log(high)  # their ratio may be beyond every float
            between = (math.exp(start + (end - start) * step / bins) for step in range(1, bins))
            return [low, *(min(max(edge, low), high) for edge in between), high]
        return [low, *(low + (high - low) * step / bins for step in range(1, bins)), high]

    def _all_whole(self) -> bool:
        return not self._buckets and all(float(value).is_integer() for value in self._exact)

    def _values(self) -> list[tuple[float, int]]:
        """Ascending numbers, or those that stand for buckets, with how often they came."""
        if not self._buckets:
            return sorted(self._exact.items())
        ascending = sorted(self._buckets.items())
        return [(min(max(_middle(bucket), self.least), self.greatest), times) for bucket, times in ascending]


def _bucket(value: float) -> _Bucket:
    if value == 0:
        return 0, 0
    power = math.ceil(math.log(abs(value)) / _LOG_GROWTH)
    return (1, power) if value > 0 else (-1, -power)


def _middle(bucket: _Bucket) -> float:
    sign, power = bucket
    return sign * 2 * math.exp(abs(sign) * sign * power * _LOG_GROWTH) / (_GROWTH + 1)
