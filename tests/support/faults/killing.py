"""Ending processes in the middle of their work: workers by their notes, raylets of a cluster of this machine."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CPUS = 2  # of each node
_STARTS = 3  # of a node


@contextmanager
def killing_workers(notes: Path, most: int, seed: int) -> Iterator[list[int]]:
    """Kill the process at work on a shard, once for each shard, `most` in all; gives the shards.

    Once, since a shard that loses its worker again and again is looked through for the file that does it.
    """
    killed: list[int] = []
    done, rng = threading.Event(), random.Random(seed)

    def search() -> None:
        while not done.is_set() and len(killed) < most:
            for note in sorted(notes.iterdir()):
                shard, process = map(int, note.name.split("-"))
                if shard in killed or len(killed) == most:
                    continue
                time.sleep(rng.uniform(0, 0.2))
                with suppress(ProcessLookupError):
                    if note.exists():
                        os.kill(process, signal.SIGKILL)
                        killed.append(shard)
                        note.unlink(missing_ok=True)
            time.sleep(0.01)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield killed
    finally:
        done.set()
        thread.join()


class Nodes:
    """A Ray cluster of several nodes, all on this machine, that lose their raylets."""

    def __init__(self, count: int = 2) -> None:
        from ray.cluster_utils import Cluster

        health = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000}
        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": health}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self._nodes = [self._add() for _ in range(count)]

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def kill_raylet(self, which: int) -> None:
        """Kill the raylet of a node, and what is left of the node; another node takes its place."""
        node = self._nodes.pop(which % len(self._nodes))
        from ray._private.ray_constants import PROCESS_TYPE_RAYLET

        for process in node.all_processes[PROCESS_TYPE_RAYLET]:
            process.process.kill()
        self._cluster.remove_node(node, allow_graceful=False)
        self._nodes.append(self._add())

    def _add(self) -> Any:
        """One more node. Ray gives a node half a minute to begin, which a machine at work on much else may not keep."""
        for _ in range(_STARTS - 1):
            try:
                return self._cluster.add_node(num_cpus=CPUS, object_store_memory=100 << 20)
            except Exception as exc:
                if "timed out during startup" not in str(exc):
                    raise
        return self._cluster.add_node(num_cpus=CPUS, object_store_memory=100 << 20)

    def shutdown(self) -> None:
        self._cluster.shutdown()
