"""What was decoded last, in bounded memory, and decoded once however many ask at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)


class SharedCache:
    """Arrays by key. The least recently used are dropped beyond `bound` bytes; threads wait for what another makes."""

    def __init__(self, bound: int) -> None:
        """Keep at most `bound` bytes, or one array that is larger."""
        self._bound = bound
        self._kept: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._making: dict[Hashable, Future[np.ndarray]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that are kept."""
        return self._bytes

    def get(self, keys: Sequence[Key], make: Callable[[list[Key]], Sequence[np.ndarray]]) -> list[np.ndarray]:
        """Return the array of each key; `make` is called once with those that nobody has made or is making.

        What `make` raises, every thread gets that waits for one of its keys; nothing of that is kept. `make` must not
        ask this cache for what another thread may be making.
        """
        found: dict[Key, np.ndarray] = {}
        awaited: dict[Key, Future[np.ndarray]] = {}
        mine: dict[Key, Future[np.ndarray]] = {}
        with self._lock:
            for key in keys:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[key] = self._kept[key]
                elif key in self._making:
                    awaited[key] = self._making[key]
                else:
                    mine[key] = self._making[key] = Future()
        if mine:
            found |= self._made(mine, make)
        found |= {key: future.result() for key, future in awaited.items()}
        return [found[key] for key in keys]

    def _made(
        self, mine: dict[Key, Future[np.ndarray]], make: Callable[[list[Key]], Sequence[np.ndarray]]
    ) -> dict[Key, np.ndarray]:
        try:
            made = dict(zip(mine, make(list(mine)), strict=True))
        except BaseException as exc:
            with self._lock:
                for key in mine:
                    del self._making[key]
            for future in mine.values():
                future.set_exception(exc)
            raise
        with self._lock:
            for key, array in made.items():
                del self._making[key]
                self._keep(key, array)
        for key, future in mine.items():
            future.set_result(made[key])
        return made

    def _keep(self, key: Hashable, array: np.ndarray) -> None:
        self._kept[key] = array
        self._bytes += array.nbytes
        while self._bytes > self._bound and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.nbytes
