"""From measured units to a total with a 95 % interval.

Within a stratum the ratio of a unit's value (bytes out, or seconds) to its bytes is averaged over the sample, which was
drawn in proportion to bytes; the known bytes of the stratum times that mean is the total (Saerndal, Swensson & Wretman,
"Model Assisted Survey Sampling", 1992, sections 3.6 and 7.2). Units that a sample of its size is certain to have count
by what they are, and leave nothing to guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, pstdev

_LEAST = 3  # units by which a ratio's spread is judged; strata that have fewer share one
# Of a ratio's spread: relative to the ratio, or that of all ratios of the sample if it is larger; and as many degrees
# of freedom as a sample of so many units more (a scaled inverse chi-squared prior). A few units that agree by chance do
# not make an interval narrow, nor two that differ one without end; infra/bench/estimate.py shows how often they hold.
_PRIOR_SPREAD, _PRIOR_UNITS = 0.3, 2.0
# Files of a kind that no unit was of: so many of n + 1 are expected where n showed none (Jeffreys' prior of a
# proportion). Some files are as large after a lossy codec as before: the upper end reaches as far as so many would.
_UNSEEN_UNITS = 0.5
_LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A projected value, and between what it lies 19 times in 20."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        """Return the interval of a value that is so many times as large."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def plus(self, constant: float, error: float = 0.0) -> Interval:
        """Return the interval of a value that is so much larger, by a constant that errs by at most so much."""
        return self.reaching(error, error).moved(constant)

    def moved(self, constant: float) -> Interval:
        """Return the interval of a value that is so much larger."""
        return Interval(self.value + constant, self.low + constant, self.high + constant)

    def reaching(self, below: float, above: float) -> Interval:
        """Return an interval of the same value whose ends lie so much further out, the lower at 0 or above."""
        return Interval(self.value, max(0.0, self.low - below), self.high + above)

    def erring(self, share: float) -> Interval:
        """Return the interval of a value whose measurements err, besides, by such a share of it, independently."""
        error = share * self.value
        low, high = (math.hypot(each, error) for each in (self.value - self.low, self.high - self.value))
        return Interval(self.value, max(0.0, self.value - low), self.value + high)


@dataclass(frozen=True)
class Draw:
    """A unit that was measured: its bytes, the probability with which it was drawn, and what was measured."""

    bytes: int
    probability: float
    value: float


@dataclass(frozen=True)
class Sampled:
    """A stratum with the units that were measured. `kind`: strata of a kind rather share a ratio than others."""

    kind: str
    bytes: int
    draws: tuple[Draw, ...]

    @property
    def certain(self) -> list[Draw]:
        """Units that were bound to be drawn."""
        return [draw for draw in self.draws if draw.probability >= 1]

    @property
    def uncertain(self) -> list[Draw]:
        """The others."""
        return [draw for draw in self.draws if draw.probability < 1]

    @property
    def unknown(self) -> int:
        """Bytes that the uncertain units stand for."""
        return self.bytes - sum(draw.bytes for draw in self.certain)


@dataclass(frozen=True)
class _Ratio:
    """Value a byte, its variance, and the degrees of freedom of that."""

    mean: float
    variance: float
    freedom: float


def project(strata: Sequence[Sampled], of: Callable[[Sampled], bool] | None = None, most: float = math.inf) -> Interval:
    """Return the total over the strata that `of` chooses, over all unless given; the others lend their ratios.

    Args:
        strata: Everything that was sampled.
        of: Which strata are meant.
        most: The largest ratio that is possible; where there is one, the upper end allows for kinds of files that no
            unit was of.
    """
    wanted = [stratum for stratum in strata if of is None or of(stratum)]
    chosen = {id(stratum) for stratum in wanted}  # two may be equal
    known = sum(draw.value for stratum in wanted for draw in stratum.certain)
    unknown = sum(stratum.unknown for stratum in wanted)
    total, variance, spread, unseen = known, 0.0, 0.0, 0.0
    for pool in _pools(strata):
        nbytes = sum(stratum.unknown for stratum in pool if id(stratum) in chosen)
        if nbytes:
            ratio = _ratio(pool, strata)
            total += nbytes * ratio.mean
            variance += (part := nbytes**2 * ratio.variance)
            spread += part**2 / ratio.freedom
            drawn = sum(draw.bytes for stratum in pool if id(stratum) in chosen for draw in stratum.uncertain)
            unseen = math.hypot(unseen, (nbytes - drawn) * _unseen(pool, ratio.mean, most))
    if not variance or not spread:  # nothing is open, or less than floats can tell
        return Interval(total, total, total)
    margin = student(variance**2 / spread) * math.sqrt(variance)  # Satterthwaite's degrees of freedom
    least = sum(draw.value for stratum in wanted for draw in stratum.draws)
    total = max(total, least)
    above = min(total + math.hypot(margin, unseen), known + most * unknown)
    return Interval(total, max(total - margin, least), max(total, above))


def student(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t for so many degrees of freedom, at least 1, rounded down.

    Exact for 1 and 2; else the expansion of Fisher and Cornish ("The percentile points of distributions having known
    cumulants", Technometrics 2, 1960), within 0.2 % from 3 on.
    """
    degrees = max(1, math.floor(freedom + 1e-9))
    tail = (1 + _LEVEL) / 2
    if degrees == 1:
        return math.tan(math.pi * (tail - 0.5))
    if degrees == 2:
        return (2 * tail - 1) / math.sqrt(2 * tail * (1 - tail))
    z = NormalDist().inv_cdf(tail)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 779 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(degrees) ** (at + 1) for at, term in enumerate(terms))


def _pools(strata: Sequence[Sampled]) -> list[list[Sampled]]:
    """Strata that share a ratio: each alone where it has units enough, else those of its kind, else all that lack."""
    alone = [[stratum] for stratum in strata if len(stratum.uncertain) >= _LEAST]
    by_kind: dict[str, list[Sampled]] = {}
    for stratum in strata:
        if len(stratum.uncertain) < _LEAST and stratum.unknown:
            by_kind.setdefault(stratum.kind, []).append(stratum)
    enough, short = [], list[Sampled]()
    for pool in by_kind.values():
        if _count(pool) >= _LEAST:
            enough.append(pool)
        else:
            short += pool
    return [*alone, *enough, short] if short else [*alone, *enough]


def _unseen(pool: Iterable[Sampled], mean: float, most: float) -> float:
    """The ratio that files of a kind which was not drawn may add, if they are as bad as possible."""
    return _UNSEEN_UNITS / (_count(pool) + 1) * max(0.0, most - mean) if most < math.inf else 0.0


def _lent(pool: Sequence[Sampled], everything: Sequence[Sampled]) -> list[tuple[float, Draw]]:
    """Draws for strata that have none: those of their kinds, or all."""
    kinds = {stratum.kind for stratum in pool}
    alike = [draw for stratum in everything if stratum.kind in kinds for draw in stratum.draws]
    draws = alike if len(alike) > 1 else [draw for stratum in everything for draw in stratum.draws]
    return [(float(draw.bytes), draw) for draw in draws]


def _count(pool: Iterable[Sampled]) -> int:
    return sum(len(stratum.uncertain) for stratum in pool)


def _ratio(pool: Sequence[Sampled], everything: Sequence[Sampled]) -> _Ratio:
    """The ratio that strata share, by their own units; where these are too few to say anything, by all there are."""
    weighted = [(stratum.unknown / len(stratum.uncertain), draw) for stratum in pool for draw in stratum.uncertain]
    borrowed = len(weighted) < 2
    if borrowed:
        weighted = _lent(pool, everything)
    total = sum(weight for weight, _ in weighted)
    shares = [(weight / total, draw.value / draw.bytes, 1 - draw.probability) for weight, draw in weighted]
    mean = sum(share * ratio for share, ratio, _ in shares)
    effective = 1 / sum(share**2 for share, _, _ in shares)
    freedom = max(1.0, effective - 1)
    spread = sum(share * (ratio - mean) ** 2 for share, ratio, _ in shares) * effective / freedom
    prior = max(
        _PRIOR_SPREAD * mean, pstdev(draw.value / draw.bytes for stratum in everything for draw in stratum.draws)
    )
    spread = (freedom * spread + _PRIOR_UNITS * prior**2) / (freedom + _PRIOR_UNITS)
    leverage = 1.0 if borrowed else sum(share**2 * rest for share, _, rest in shares)
    return _Ratio(mean, spread * leverage, freedom + _PRIOR_UNITS)
