"""A few of many items, chosen while all of them pass by: the foremost by a key, or a fair sample of their names."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class Foremost(Generic[Item]):
    """The `most` items of the greatest keys; of equal keys, those that came first. Iterating gives them, best first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[Any, int, Item]] = []
        self._number = count(0, -1)
        self.offered = 0

    def offer(self, key: Any, item: Item) -> None:
        """Keep an item if it belongs to the foremost."""
        self.offered += 1
        entry = key, next(self._number), item
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        elif self._most and entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)

    def __iter__(self) -> Iterator[Item]:
        return (item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True))


class Sample(Generic[Item]):
    """Some `most` items of all, by a hash of their names: the same ones whenever the same names are offered."""

    def __init__(self, most: int) -> None:
        self._chosen = Foremost[Item](most)

    def offer(self, name: str, item: Item) -> None:
        """Keep an item if it is of the sample."""
        digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self._chosen.offer(-int.from_bytes(digest), item)

    @property
    def offered(self) -> int:
        """How many were offered."""
        return self._chosen.offered

    def __iter__(self) -> Iterator[Item]:
        return iter(self._chosen)
