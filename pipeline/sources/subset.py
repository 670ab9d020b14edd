"""Parts of a data set that are chosen by names alone, so that every machine and every day chooses the same."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable

_RANGE = 1 << 64  # of the number that a name becomes
_SAMPLE = b"sample\0"  # before the names: a sample of a slice is no slice of the sample


def in_subset(path: str, subset: tuple[int, int] | None) -> bool:
    """Tell whether a name is in part K of N, 1 to N: in exactly one of them. None: everything is."""
    if subset is None:
        return True
    part, parts = subset
    return _number(b"", path) % parts == part - 1


def sample_rank(path: str) -> int:
    """Return where a name stands among all names that a sample is drawn from: 0 to 2^64 - 1, evenly."""
    return _number(_SAMPLE, path)


def rank_of_share(share: float) -> int:
    """Return the rank below which that share, 0 to 1, of all names lies on average."""
    return round(share * _RANGE)


def rank_of_count(paths: Iterable[str], count: int) -> int:
    """Return the rank below which exactly `count` of the names lie; all of them, if they are fewer."""
    lowest = heapq.nsmallest(count + 1, map(sample_rank, paths))
    return lowest[-1] if len(lowest) > count else _RANGE


def _number(before: bytes, path: str) -> int:
    digest = hashlib.sha256(before + path.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big")
