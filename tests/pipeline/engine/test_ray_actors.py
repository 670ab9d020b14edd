"""Workers send actors no more bytes at a time than the object store has room for; clocks count what is done."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tilepress.codecs.codec import Settings, Symbols, TileSpec
from tilepress.pipeline.engine import ray_actors
from tilepress.pipeline.engine.ray_actors import RemoteNetworks

SPEC = TileSpec(8, 8, 1, "uint8", 8, "gray")
BATCH = np.zeros((2, 8, 8, 1), np.uint8)


class Actor:
    """An actor whose answers come when `wanted` calls are under way, or as many have been; counts them."""

    def __init__(self, wanted: int) -> None:
        self.now = self.most = 0
        self._wanted = wanted
        self._changed = threading.Condition()
        self.analyse = SimpleNamespace(remote=self._called)

    def _called(self, reference: str, tiles: np.ndarray, *others: Any) -> Symbols:
        with self._changed:
            self.now += 1
            self.most = max(self.most, self.now)
            self._changed.notify_all()
        tiles.flags.writeable = False
        return Symbols(SPEC, {"samples": tiles})

    def get(self, symbols: Symbols) -> Symbols:
        """Stand for `ray.get`."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.most >= self._wanted, timeout=20)
        time.sleep(0.002)
        with self._changed:
            self.now -= 1
        return symbols


@pytest.mark.parametrize(("batches", "most"), [(3, 3), (1.5, 1), (0.1, 1)])
def test_as_many_batches_are_with_actors_as_there_is_room_for_and_one_always(batches, most, monkeypatch) -> None:
    actor = Actor(most)
    monkeypatch.setattr(ray_actors, "ray", SimpleNamespace(get=actor.get))
    networks = RemoteNetworks((actor,), 0, int(batches * 2 * BATCH.nbytes))

    def ask(_: int) -> bool:
        found = networks.analyse("codec", BATCH.copy(), SPEC, Settings(), b"")
        return found.arrays["samples"].flags.writeable  # kernels are compiled for arrays that may be written

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(8)))
    assert (actor.now, actor.most) == (0, most)


def test_time_in_which_several_threads_work_counts_once() -> None:
    clock = ray_actors._Clock()
    with clock.running():
        time.sleep(0.01)
        with clock.running():
            time.sleep(0.02)
    assert clock.seconds >= 0.03
    before = clock.seconds
    time.sleep(0.01)
    assert clock.seconds == before
