"""How much of what goes wrong a test tries: little in CI, all of it by `make soak`."""

from __future__ import annotations

import os

FULL = os.environ.get("FAULTS") == "full"
SOAK_MINUTES = float(os.environ.get("SOAK_MINUTES", "0.3"))


def amount(short: int, full: int) -> int:
    """Return how many to try."""
    return full if FULL else short
