"""The Ray cluster that an engine works on: joining or starting one, and what it has to give."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import ray

from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.engine.ray_actors import CALLS_AT_ONCE, CodecActor
from tilepress.pipeline.engine.ray_environment import environment
from tilepress.pipeline.engine.ray_remains import end_orphaned_agents
from tilepress.pipeline.engine.remote_error import RemoteError
from tilepress.pipeline.errors import EngineError
from tilepress.pipeline.storage.base import Location

_OBJECT_STORE = 512 << 20  # bytes at least, if there is shared memory for them
_STORE_OF_WORKER = 128 << 20  # for half of which batches are with actors: two of colour tiles, there and back
_SHARED_MEMORY = Path("/dev/shm")
_GPU_DEVICE = "cuda"
_ACTOR_START_S = 120.0
_CONNECT_S = 10.0
_RESTARTS = 20  # of an actor; a file that crashes it is found long before


@dataclass(frozen=True)
class Capacity:
    """What the nodes of a cluster have, in all and the largest."""

    cpus: int
    most_cpus: int
    most_memory: int  # bytes
    gpus: tuple[float, ...]  # of each node
    store: int = 0  # bytes of object store that a processor has for itself, where it has least

    @classmethod
    def of(cls, nodes: Sequence[dict[str, Any]]) -> Capacity:
        """From `ray.nodes()`."""
        alive = [node["Resources"] for node in nodes if node["Alive"]]
        cpus = [int(node.get("CPU", 0)) for node in alive] or [0]
        memory = max((int(node.get("memory", 0)) for node in alive), default=0)
        gpus = tuple(node.get("GPU", 0.0) for node in alive)
        stores = [int(node.get("object_store_memory", 0) / node["CPU"]) for node in alive if node.get("CPU", 0) >= 1]
        return cls(max(1, sum(cpus)), max(1, *cpus), memory, gpus, min(stores, default=0))

    def abreast(self, workers: int | None, *, own: bool) -> int:
        """Return how many shards to keep under way: twice the processors.

        So workers need not wait for the driver, and an autoscaler sees what waits for nodes. `workers` (-j) is a limit
        to keep on clusters that others use too, and the processors of one's `own`.
        """
        if workers and own:
            return 2 * min(workers, self.cpus)
        return min(workers or 2 * self.cpus, 2 * self.cpus)

    def gpu_actors(self, share: float) -> int:
        """Return how many actors of `share` GPUs fit: a share never spans two GPUs, nor several GPUs two nodes."""
        if share <= 0:
            return 0
        if share < 1:
            return sum(int(gpus) * int(1 / share + 1e-9) for gpus in self.gpus)
        return sum(int(gpus // share) for gpus in self.gpus)


def connect(config: EngineConfig) -> bool:
    """Join or start a cluster, quietly; whether it is for `ray.shutdown` to leave or end."""
    if ray.is_initialized():
        return False
    address = config.ray_address or os.environ.get("RAY_ADDRESS")  # which Ray sets for its own jobs
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        options |= {"address": address}
    else:
        # "local": without it Ray looks for a cluster that `ray start` began here, and takes no options for that
        options |= {"address": "local", "num_cpus": config.width, "include_dashboard": False}
        options |= {"object_store_memory": _object_store_bytes(config.width)}
        options |= _object_store()
        end_orphaned_agents()
    main = threading.current_thread() is threading.main_thread()
    ours = signal.getsignal(signal.SIGTERM) if main else None
    try:
        _check_reachable(address or "")
        ray.init(**options)
    except Exception as exc:  # Ray raises bare ones, too
        where = address or "this machine"
        advice = "" if address else "; `engine` local does without Ray"
        raise EngineError(f"no Ray cluster could be joined or started on {where}: {exc}{advice}") from exc
    finally:
        if main:
            signal.signal(signal.SIGTERM, ours)  # Ray's own handler would make 15 the exit code
    _keep_off_stdout()
    return True


def _object_store_bytes(workers: int) -> int:
    """Return bytes for a local cluster's objects: for batches of each worker, and at most half of shared memory."""
    wanted = max(_OBJECT_STORE, workers * _STORE_OF_WORKER)
    try:
        return max(_OBJECT_STORE, min(wanted, shutil.disk_usage(_SHARED_MEMORY).free // 2))
    except OSError:  # there is none
        return wanted


def _object_store() -> dict[str, str]:
    """Options of a local cluster where Ray's objects cannot lie in shared memory: containers may forbid it."""
    unusable = _SHARED_MEMORY.exists() and not os.access(_SHARED_MEMORY, os.W_OK)
    return {"_plasma_directory": tempfile.gettempdir()} if unusable else {}


def _check_reachable(address: str) -> None:
    """OSError at once for a HOST:PORT that nobody answers at: Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()


def _keep_off_stdout() -> None:
    # Ray prints raylets' messages about dead workers to standard output, where --json belongs; no option stops it.
    worker: Any = sys.modules.get("ray._private.worker")
    if hasattr(worker, "_worker_logs_enabled"):
        worker._worker_logs_enabled = False


def start_actors(config: EngineConfig, capacity: Capacity, archive: Location, shards: int) -> tuple[Any, ...]:
    """Return actors for networks on the cluster's GPUs: those that start in time.

    None where there is no GPU: a worker then runs networks itself, which costs no copies and no processes.
    """
    wanted = 2 * shards  # a shard has several batches under way
    count = min(wanted, capacity.gpu_actors(config.gpus_per_actor))
    options = {"num_cpus": 0, "num_gpus": config.gpus_per_actor, "max_restarts": _RESTARTS, "max_task_retries": 2}
    actor = cast(Any, CodecActor).options(**options, max_concurrency=CALLS_AT_ONCE)
    return _started([actor.remote(archive, environment(), _GPU_DEVICE) for _ in range(count)]) if count else ()


def _started(actors: list[Any]) -> tuple[Any, ...]:
    """The actors that run; others would wait for ever for GPUs that other jobs hold."""
    answers = [actor.device.remote() for actor in actors]
    ready, _ = ray.wait(answers, num_returns=len(answers), timeout=_ACTOR_START_S)
    try:
        found = ray.get(ready)
    except ray.exceptions.RayError as exc:
        raise EngineError(f"the processes for networks do not start: {exc}") from exc
    for answer in found:
        if isinstance(answer, RemoteError):
            if isinstance(answer.error(), ImportError):  # whoever needs a network says so of its own image
                return _ended(actors)
            raise EngineError(
                f"the GPU of a node cannot be used ({answer.message}); mend that, or add `gpus_per_actor` 0"
            ) from answer.error()
    running = tuple(actor for actor, answer in zip(actors, answers, strict=True) if answer in ready)
    _ended(set(actors) - set(running))
    if not running:
        raise EngineError(
            f"no GPU became free within {_ACTOR_START_S:.0f} s: wait for other jobs, or add `gpus_per_actor` 0"
        )
    return running


def _ended(actors: Iterable[Any]) -> tuple[Any, ...]:
    """No actors: all of them are stopped."""
    for actor in actors:
        ray.kill(actor)
    return ()
