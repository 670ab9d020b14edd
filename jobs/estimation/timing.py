"""How long an estimate lists and measures."""

from __future__ import annotations

from collections import Counter, defaultdict

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK
from tilepress.jobs.estimation.population import Unit

_LISTING = 0.7  # of the time, from the first entry on: stores that list in no order give it when all is listed
_GUESS = 1e6  # bytes a second, of files of a kind that nothing is known of yet
_ALTERNATIVES = 0.25  # of the time, for codecs that nobody asked for
_SLOW_GUESS = 2e5  # bytes a second that the slowest of these takes, until one was measured
_LOOK_EVERY = 256  # entries between looks at the clock


class Budget:
    """Seconds, those of compiling not counted, and units, as far as they are limited."""

    def __init__(self, seconds: float, units: int | None) -> None:
        """Begin now. With `units`, these are measured and time is no limit."""
        self._seconds, self._units = seconds, units
        self._began = COMPILE_CLOCK.working_time()
        self._entries = self._measured = 0
        self._first_entry = self._listed = 0.0  # seconds
        self._bytes: Counter[str] = Counter()
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._on_alternatives = 0.0

    def listed_long_enough(self) -> bool:
        """Count an entry; whether the time for listing is over."""
        self._entries += 1
        if self._entries == 1:
            self._first_entry = self._elapsed
        end = self._first_entry + _LISTING * self._seconds
        return self._entries % _LOOK_EVERY == 0 and self._elapsed > end

    def begin_measuring(self) -> float:
        """Return the seconds that listing took."""
        self._listed = self._elapsed
        return self._listed

    def has_room_for(self, begun: int, unit: Unit, kind: str) -> bool:
        """Tell whether a unit of a kind is to be begun after so many: it is expected to end in time."""
        if self._units is not None:
            return begun < self._units
        return self._elapsed + self._expected(unit, kind) <= self._end

    @property
    def _end(self) -> float:
        """When measuring ends: a share of the time is for that, however long listing took."""
        return max(self._seconds, self._listed + (1 - _LISTING) * self._seconds)

    def allows_alternatives(self, unit: Unit) -> bool:
        """Whether there is time to measure a unit with codecs that nobody asked for, too."""
        if self._units is not None:
            return True
        rate = self._on_alternatives / self._bytes.total() if self._on_alternatives else 1 / _SLOW_GUESS
        return self._on_alternatives + rate * unit.bytes < _ALTERNATIVES * self._seconds

    @property
    def overrun(self) -> float:
        """Seconds by which the time is exceeded; 0 where units are counted."""
        return 0.0 if self._units is not None else max(0.0, self._elapsed - self._seconds)

    def measured(self, nbytes: int, kind: str, seconds: float, on_alternatives: float) -> None:
        """Note a unit and how long a worker took for it, `on_alternatives` of these seconds for such codecs."""
        self._measured += 1
        self._bytes[kind] += nbytes
        self._spent[kind] += seconds
        self._on_alternatives += on_alternatives

    def _expected(self, unit: Unit, kind: str) -> float:
        """Seconds of a unit, by those of its kind, else by the slowest kind; a guess at first."""
        rates = [self._spent[each] / nbytes for each, nbytes in self._bytes.items() if each == kind]
        rates = rates or [self._spent[each] / nbytes for each, nbytes in self._bytes.items()]
        return max(rates, default=1 / _GUESS) * unit.bytes

    @property
    def share(self) -> float:
        """The share of time, or of units, that is spent."""
        return self._measured / self._units if self._units else min(1.0, self._elapsed / self._seconds)

    @property
    def _elapsed(self) -> float:
        return COMPILE_CLOCK.working_time() - self._began
