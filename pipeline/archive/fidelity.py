"""How exactly an image is stored: the values of the column `fidelity`, and which of two promises less."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

# The promises that `--fidelity` names. `max-error-N` is asked for by `--max-error N`.
PIXELS, WHOLE_FILE, LOSSY = "pixels", "file", "lossy"
FIDELITIES = (PIXELS, WHOLE_FILE, LOSSY)
_WITHIN = re.compile(r"max-error-([1-9]\d{0,4})")


def bound_text(max_error: int) -> str:
    """Return a bound for people: "within 3 levels"."""
    return f"within {max_error} level{'' if max_error == 1 else 's'}"


@dataclass(frozen=True)
class Fidelity:
    """A promise about an image: the file itself, its exact pixels, pixels within a bound, or none (lossy).

    `name` is the value of the column: "file", "pixels", "lossy" or "max-error-N" with N from 1 to 99999.
    `bound` is the number of levels that a sample may differ from the source's; 0: exact; None: there is no bound.
    """

    name: str
    bound: int | None

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the fidelity of a column's value; a name that is unknown promises exact pixels.

        Exact is the safe reading: a damaged or newer name can only make a check stricter, never switch it off.
        """
        return cls(name, _bound(name))

    @classmethod
    def within(cls, max_error: int) -> Self:
        """Return the fidelity of samples that differ from the source's by at most `max_error` levels (1 to 99999)."""
        return cls(f"max-error-{max_error}", max_error)

    @property
    def text(self) -> str:
        """The fidelity for people; the file itself and exact pixels are both called "pixels"."""
        return LOSSY if self.bound is None else bound_text(self.bound) if self.bound else PIXELS

    @property
    def is_exact(self) -> bool:
        """Whether every sample equals the source's."""
        return self.bound == 0

    def looser_than(self, other: Fidelity) -> bool:
        """Tell whether this promises less: lossy less than a bound, that less than pixels, those less than a file."""
        return self._looseness > other._looseness

    @property
    def _looseness(self) -> float:
        if self.name == WHOLE_FILE:
            return -1
        return math.inf if self.bound is None else self.bound


@lru_cache(maxsize=64)
def _bound(name: str) -> int | None:
    if name == LOSSY:
        return None
    match = _WITHIN.fullmatch(name)
    return int(match[1]) if match else 0
