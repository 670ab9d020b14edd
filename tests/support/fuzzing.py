"""How long tests throw random input at the code: for a time, not for a count that another machine takes an hour for."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator


def rounds(least: int, seconds: float = 0.0) -> Iterator[int]:
    """Yield 0, 1, 2 and so on: `least` numbers, and more until this process has computed for `seconds`."""
    end = time.process_time() + seconds
    return itertools.takewhile(lambda number: number < least or time.process_time() < end, itertools.count())
