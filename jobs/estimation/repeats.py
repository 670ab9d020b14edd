"""How much of a collection repeats other files of it, as far as a store's own hashes tell."""

from __future__ import annotations

from tilepress.jobs.estimation.population import uniform
from tilepress.pipeline.storage.base import ListedFile

_MOST = 50_000  # contents that are counted


class Repeats:
    """Estimates the bytes of files whose content an earlier file has, by size and ETag.

    Of many contents a share is counted, which a hash chooses (Gibbons, "Distinct sampling for highly-accurate answers
    to distinct values queries and event reports", VLDB 2001): all files of one content are in it, or none. Local files
    have no ETag, and count as different; so do objects whose ETags are not made of their content alone.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._share = 1.0
        self._counts: dict[str, tuple[int, int, float]] = {}  # size, times seen, hash

    def add(self, file: ListedFile) -> None:
        """Count a file."""
        if not file.etag or not file.size:
            return
        key = f"{file.size} {file.etag}"
        place = uniform(key, self._seed)
        if place >= self._share:
            return
        self._counts[key] = (file.size, self._counts[key][1] + 1 if key in self._counts else 1, place)
        while len(self._counts) > _MOST:
            self._share /= 2
            self._counts = {key: seen for key, seen in self._counts.items() if seen[2] < self._share}

    @property
    def bytes(self) -> int:
        """Bytes of files that repeat an earlier one; exact while there are at most 50,000 contents."""
        return round(sum(size * (times - 1) for size, times, _ in self._counts.values()) / self._share)
