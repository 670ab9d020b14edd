"""What this process has done since it began: counts that only grow, which run reports take differences of.

Whatever does the work counts it here, from any thread. Workers on Ray count in processes of their own; what a shard
added there comes back with its result, and is added here. Two commands at the same time in one process count together.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from threading import Lock

COUNTED = {
    "images": "files that are done, those included that an earlier command did",
    "tiles": "of them",
    "bytes_in": "of their sources",
    "bytes_out": "that hold them in an archive, or that were written",
    "shards_planned": "units of work that there are",
    "shards_done": "units of work that are done",
    "commit_conflicts": "parts that another process had created when this one was about to",
    "verify_failures": "images, or files of an archive, that are not what they should be",
    "quarantined": "files that crash whoever compresses them, and are stored verbatim",
}  # retries are counted beside them, by their cause
ACTOR_BUSY_MS, ACTOR_MS = "actor busy ms", "actor ms"  # that processes for networks worked, and were there to work
_RETRY = "retry: "


class Tally:
    """Counts by name, and retries by cause."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._grew: dict[str, float] = {}

    def add(self, **counts: int) -> None:
        """Count work, by the names of COUNTED."""
        assert counts.keys() <= COUNTED.keys(), counts
        self.merge(counts)

    def retried(self, cause: str) -> None:
        """Count one more attempt at something; `cause` is a word or two, of few that there are."""
        self.merge({f"{_RETRY}{cause}": 1})

    def merge(self, counts: Mapping[str, int]) -> None:
        """Add what another process counted: the `since` of its tally."""
        with self._lock:
            grown = {name: value for name, value in counts.items() if value}
            self._counts.update(grown)
            self._grew.update(dict.fromkeys(grown, time.time()))

    def now(self) -> Counter[str]:
        """Return a copy of all counts, to compare with later."""
        with self._lock:
            return self._counts.copy()

    def since(self, before: Counter[str]) -> Counter[str]:
        """Return what was counted since `now` gave `before`."""
        return self.now() - before

    def last(self, name: str) -> float:
        """Return when a count last grew, in seconds since 1970; 0 if it never did."""
        with self._lock:
            return self._grew.get(name, 0.0)


TALLY = Tally()


def retries(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the retries among counts, by their causes."""
    return {name.removeprefix(_RETRY): value for name, value in sorted(counts.items()) if name.startswith(_RETRY)}
