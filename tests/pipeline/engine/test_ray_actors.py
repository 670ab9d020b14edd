"""Workers send actors no more bytes at a time than the object store has room for; clocks count what is done."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tilepress.codecs.codec import Settings, Symbols, TileSpec
from tilepress.pipeline.engine import ray_actors
from tilepress.pipeline.engine.ray_actors import RemoteNetworks

SPEC = TileSpec(8, 8, 1, "uint8", 8, "gray")
BATCH = np.zeros((2, 8, 8, 1), np.uint8)


class Slow:
    """An actor whose answers come after a moment; counts the calls under way."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.analyse = SimpleNamespace(remote=self._called)

    def _called(self, reference: str, tiles: np.ndarray, *others: Any) -> Any:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        symbols = Symbols(SPEC, {"s": tiles})
        symbols.arrays["s"].flags.writeable = False
        return symbols

    def get(self, symbols: Any) -> Any:
        """Stand for `ray.get`."""
        time.sleep(0.01)
        with self.lock:
            self.now -= 1
        return symbols


@pytest.mark.parametrize(("batches", "most"), [(3, 3), (1.5, 1), (0.1, 1)])
def test_as_many_batches_are_with_actors_as_there_is_room_for_and_one_always(batches, most, monkeypatch) -> None:
    actor = Slow()
    monkeypatch.setattr(ray_actors, "ray", SimpleNamespace(get=actor.get))
    networks = RemoteNetworks((actor,), 0, int(batches * 2 * BATCH.nbytes))

    def ask() -> None:
        found = networks.analyse("codec", BATCH.copy(), SPEC, Settings(), b"")
        found.arrays["s"][0] = 1  # kernels are compiled for arrays that may be written

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
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
