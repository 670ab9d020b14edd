"""The engine on Ray Core: shards are tasks, networks live in actors, the driver only schedules and commits order.

A shard's task does everything on its processor but the device steps of codecs with networks: those it sends to actors,
two batches at a time, so that a GPU computes while the next batch travels. Delivery is at least once; commits are
create-only, so a task that ran twice leaves one part.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray import exceptions as ray_errors
from tilepress.codecs.codec import Settings, Symbols, Tiles, TileSpec
from tilepress.pipeline.engine import ATTEMPTS, EngineConfig, Stage, Task
from tilepress.pipeline.errors import EngineError, InfrastructureError, TilepressError
from tilepress.pipeline.storage import open_storage
from tilepress.pipeline.toolbox import Toolbox, one_torch_thread

_BATCHES_IN_FLIGHT = 2
_CPU_ACTORS = 8  # at most; where there is no GPU an actor is one thread of networks
_BASE_MEMORY = 600 << 20
_OBJECT_STORE = 512 << 20
_CRASHES = (
    ray_errors.WorkerCrashedError,
    ray_errors.OutOfMemoryError,
    ray_errors.NodeDiedError,
    ray_errors.ObjectLostError,
    ray_errors.RayActorError,
)


@dataclass
class _Attempt:
    task: Any
    number: int
    started: float
    crashes: int = 0


class RayEngine:
    """See the module's text. Uses the cluster this process is connected to, or `ray_address`, or starts a local one."""

    def __init__(self, config: EngineConfig, archive_url: str, shards: int, *, networks: bool) -> None:
        """Connects, and starts actors if `networks`; EngineError if there is no cluster."""
        self._config = config
        self._archive_url = archive_url
        self._started = _connect(config)
        cluster = ray.cluster_resources()
        cpus = max(1, int(cluster.get("CPU", 1)))
        self._abreast = 2 * cpus
        self._threads = max(1, min(config.workers or cpus, cpus) // max(1, shards))
        self._memory = max((node["Resources"].get("memory", 0) for node in ray.nodes()), default=0)
        self._actors = self._start_actors(cluster, cpus) if networks else []
        self.recover: Callable[[Any, Callable[..., bool]], Any] | None = None

    def map_shards(self, stage: Stage, tasks: Iterable[Any]) -> Iterator[Any]:
        """See Engine."""
        waiting = iter(tasks)
        running: dict[Any, _Attempt] = {}
        exhausted = False
        try:
            while running or not exhausted:
                while not exhausted and len(running) < self._abreast:
                    task = next(waiting, None)
                    exhausted = task is None
                    if task is not None:
                        running[self._submit(stage, task)] = _Attempt(task, 1, time.monotonic())
                ready, _ = ray.wait(list(running), num_returns=1, timeout=5.0) if running else ([], [])
                for ref in ready:
                    yield from self._collect(stage, running, ref)
                self._expire(stage, running)
        finally:
            for ref in running:
                ray.cancel(ref, force=True)

    def survives(self, function: Callable[..., Any], *args: Any) -> bool:
        """Whether a worker lives through `function(*args)`; ordinary exceptions count as living."""
        remote = ray.remote(max_retries=0, num_cpus=1)(function)
        try:
            ray.get(remote.remote(*args))
        except _CRASHES:
            return False
        except ray_errors.RayError:
            return True
        return True

    def close(self) -> None:
        """Stop the actors, and the cluster if it was started here."""
        for actor in self._actors:
            ray.kill(actor)
        if self._started:
            ray.shutdown()

    def _submit(self, stage: Stage, task: Task) -> Any:
        threads = max(self._threads, _BATCHES_IN_FLIGHT) if self._actors else self._threads
        memory = min(_BASE_MEMORY + 2 * task.bytes, self._memory // 2)
        remote = _run_stage.options(num_cpus=self._threads, memory=memory or None)
        return remote.remote(stage, task, self._archive_url, self._actors, threads)

    def _collect(self, stage: Stage, running: dict[Any, _Attempt], ref: Any) -> Iterator[Any]:
        attempt = running.pop(ref)
        try:
            yield ray.get(ref)
        except _CRASHES as exc:
            attempt.crashes += 1
            self._again(stage, running, attempt, exc)
        except ray_errors.RayTaskError as exc:
            if not isinstance(exc.cause, InfrastructureError):
                raise (exc.cause if isinstance(exc.cause, TilepressError) else exc) from None
            self._again(stage, running, attempt, exc.cause)

    def _again(self, stage: Stage, running: dict[Any, _Attempt], attempt: _Attempt, cause: BaseException) -> None:
        """Retry a shard; one that keeps crashing workers is first searched for the file that does it."""
        if attempt.number >= ATTEMPTS:
            raise EngineError(
                f"shard {attempt.task.number} failed {attempt.number} times; what is committed stays, and the same "
                f"command goes on from there. Last cause: {cause}"
            ) from cause
        if attempt.crashes >= ATTEMPTS - 1 and self.recover:
            attempt.task = self.recover(attempt.task, self.survives)
        time.sleep(min(10.0, 0.5 * 4 ** (attempt.number - 1)))
        again = _Attempt(attempt.task, attempt.number + 1, time.monotonic(), attempt.crashes)
        running[self._submit(stage, attempt.task)] = again

    def _expire(self, stage: Stage, running: dict[Any, _Attempt]) -> None:
        now = time.monotonic()
        late = [ref for ref, a in running.items() if now - a.started > self._config.shard_timeout_s]
        for ref in late:
            attempt = running.pop(ref)
            ray.cancel(ref, force=True)
            limit = self._config.shard_timeout_s
            self._again(stage, running, attempt, TimeoutError(f"no result within {limit:.0f} s"))

    def _start_actors(self, cluster: dict[str, float], cpus: int) -> list[Any]:
        gpus = cluster.get("GPU", 0)
        if gpus >= self._config.gpus_per_actor > 0:
            count, share, device = (
                int(gpus / self._config.gpus_per_actor),
                self._config.gpus_per_actor,
                "cuda",
            )
        else:
            count, share, device = max(1, min(_CPU_ACTORS, cpus // 2)), 0.0, "cpu"
        options = {"num_cpus": 0, "num_gpus": share, "max_restarts": 3, "max_task_retries": 2}
        actor = CodecActor.options(**options)  # type: ignore[attr-defined]
        return [actor.remote(self._archive_url, device) for _ in range(count)]


def _connect(config: EngineConfig) -> bool:
    """Join or start a cluster; whether it was started here."""
    if ray.is_initialized():
        return False
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": None}
    try:
        if config.ray_address:
            ray.init(address=config.ray_address, **quiet)
            return True
        quiet["include_dashboard"] = False
        ray.init(num_cpus=config.workers, object_store_memory=_OBJECT_STORE, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as exc:
        where = config.ray_address or "this machine"
        raise EngineError(f"no Ray cluster could be joined or started on {where}: {exc}") from exc
    return True


_TOOLS: dict[Any, Toolbox] = {}  # of this worker process, so that models are loaded once


@ray.remote(max_retries=0)
def _run_stage(stage: Stage, task: Any, archive_url: str, actors: list[Any], threads: int) -> Any:
    one_torch_thread()
    archive = open_storage(archive_url)
    key = (archive_url, threads, tuple(actor._actor_id for actor in actors))
    if key not in _TOOLS:
        networks = RemoteNetworks(actors, task.number) if actors else None
        _TOOLS[key] = Toolbox(archive, networks=networks, threads=threads)
    return stage(task, archive, _TOOLS[key])


class RemoteNetworks:
    """Device steps in actors, batches dealt to them in turn."""

    def __init__(self, actors: list[Any], first: int) -> None:
        """`first`: where to begin, so that tasks do not all begin with the same actor."""
        self._actors = actors
        self._next = first

    def analyse(self, reference: str, tiles: Tiles, spec: TileSpec, settings: Settings, shared: bytes) -> Symbols:
        """See Networks."""
        symbols: Symbols = ray.get(self._actor().analyse.remote(reference, tiles, spec, settings, shared))
        # what comes out of the object store is read-only, and kernels are compiled for writable arrays
        symbols.arrays = {name: array.copy() for name, array in symbols.arrays.items()}
        return symbols

    def synthesise(self, reference: str, symbols: Symbols, shared: bytes) -> Tiles:
        """See Networks."""
        tiles: Tiles = ray.get(self._actor().synthesise.remote(reference, symbols, shared))
        return tiles.copy()

    def _actor(self) -> Any:
        self._next += 1
        return self._actors[self._next % len(self._actors)]


@ray.remote
class CodecActor:
    """Holds codec models on one device."""

    def __init__(self, archive_url: str, device: str) -> None:
        """`device`: "cpu" or "cuda"."""
        one_torch_thread()
        self._tools = Toolbox(open_storage(archive_url), device)

    def analyse(self, reference: str, tiles: Tiles, spec: TileSpec, settings: Settings, shared: bytes) -> Symbols:
        """See Networks."""
        one_torch_thread()
        return self._tools.codec(reference).analyse(tiles, spec, settings, shared)

    def synthesise(self, reference: str, symbols: Symbols, shared: bytes) -> Tiles:
        """See Networks."""
        one_torch_thread()
        return self._tools.codec(reference).synthesise(symbols, shared)
