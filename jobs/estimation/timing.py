"""How long an estimate lists and measures."""

from __future__ import annotations

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK

_LISTING = 0.7  # of the time: what S3 lists of 500,000 objects, a thousand in 0.15 s, takes 75 s
_LEAST = 2  # units that are measured, however long they take
_LOOK_EVERY = 256  # entries between looks at the clock


class Budget:
    """Seconds, those of compiling not counted, and units, as far as they are limited."""

    def __init__(self, seconds: float, units: int | None) -> None:
        """Begin now. With `units`, these are measured and time is no limit."""
        self._seconds, self._units = seconds, units
        self._began = COMPILE_CLOCK.working_time()
        self._entries = self._measured = self._bytes = 0
        self._spent = 0.0

    def listed_long_enough(self) -> bool:
        """Count an entry; whether the time for listing is over."""
        self._entries += 1
        return self._entries % _LOOK_EVERY == 0 and self._elapsed > _LISTING * self._seconds

    def begin_measuring(self) -> float:
        """Return the seconds that listing took."""
        return self._elapsed

    def has_room_for(self, number: int, nbytes: int) -> bool:
        """Tell whether unit `number`, of so many bytes, is to be begun: it is expected to end in time."""
        if self._units is not None:
            return number < self._units
        expected = self._spent / self._bytes * nbytes if self._bytes else 0.0
        return number < _LEAST or self._elapsed + expected <= self._seconds

    def measured(self, nbytes: int, seconds: float) -> None:
        """Note a unit and how long a worker took for it."""
        self._measured += 1
        self._bytes += nbytes
        self._spent += seconds

    @property
    def share(self) -> float:
        """The share of time, or of units, that is spent."""
        return self._measured / self._units if self._units else min(1.0, self._elapsed / self._seconds)

    @property
    def _elapsed(self) -> float:
        return COMPILE_CLOCK.working_time() - self._began
