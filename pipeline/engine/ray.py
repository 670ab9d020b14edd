"""The engine on Ray Core: shards are tasks, networks live in actors, the driver only schedules and commits order.

A shard's task does everything on its processor. Where there are GPUs it sends the device steps of codecs with networks
to actors, and works on other batches while these are there: as many as the object store has room for. Delivery is at
least once; commits are create-only, so a task that ran twice leaves one part.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import ray
from ray import exceptions as ray_errors

from tilepress.pipeline.engine.engine import ATTEMPTS, UNWATCHED, EngineConfig, OnCrash, Stage, Watcher, delay_s
from tilepress.pipeline.engine.memory import declared_bytes
from tilepress.pipeline.engine.ray_cluster import Capacity, connect, start_actors
from tilepress.pipeline.engine.ray_environment import environment
from tilepress.pipeline.engine.ray_metrics import RayMetrics
from tilepress.pipeline.engine.ray_progress import Reader
from tilepress.pipeline.engine.ray_workers import WorkerContext, run_shard
from tilepress.pipeline.engine.remote_error import RemoteError
from tilepress.pipeline.engine.remote_result import Done
from tilepress.pipeline.errors import ActorLostError, EngineError, TransientStorageError
from tilepress.pipeline.monitoring.lines import is_heard, tell, tell_again
from tilepress.pipeline.monitoring.scope import attempt_at_work
from tilepress.pipeline.storage.base import Location
from tilepress.pipeline.tally import TALLY

logger = logging.getLogger(__name__)

_LEAST_IN_STORE = 16 << 20  # bytes of a worker's batches that are with actors; usually half of what it has there
_POLL_S = 0.5
_LOOK_S = 5.0  # between looks at which nodes the cluster has
_DEATHS = (ray_errors.WorkerCrashedError, ray_errors.OutOfMemoryError)  # of the very worker that ran the task
_LOSSES = (ray_errors.NodeDiedError, ray_errors.ObjectLostError, ray_errors.RayActorError)

_CAUSES: dict[type[Exception], str] = {
    ray_errors.WorkerCrashedError: "worker died",
    ray_errors.OutOfMemoryError: "out of memory",
    ActorLostError: "actor died",
    TransientStorageError: "storage",
}  # of retries, as run reports name them


@dataclass(frozen=True)
class _Attempt:
    """One try of a shard; `memory` in bytes is what it is admitted for."""

    task: Any
    memory: int
    number: int = 1
    deaths: int = 0
    not_before: float = 0.0


class RayEngine:
    """See the module's text. Uses the cluster this process is connected to, or `ray_address`, or starts a local one."""

    def __init__(
        self,
        config: EngineConfig,
        archive: Location,
        shards: int,
        *,
        networks: bool,
        on_crash: OnCrash | None = None,
    ) -> None:
        """Connects, and starts actors on GPUs if `networks`. EngineError if there is no cluster."""
        archive = archive.absolute()  # workers of a cluster have other working folders
        self._config = config
        self._on_crash = on_crash
        self._actors: tuple[Any, ...] = ()
        self._metrics = RayMetrics()
        board = f"tilepress-progress-{uuid4().hex}"
        self._reader = Reader(board)
        self._started = connect(config)
        try:
            self._capacity = Capacity.of(ray.nodes())
            if networks:
                self._actors = start_actors(config, self._capacity, archive, shards)
        except BaseException:
            self._end()
            raise
        width = min(config.workers or self._capacity.cpus, self._capacity.cpus)
        self._looked, self._abreast = time.monotonic(), self._capacity.abreast(config.workers, own=self._started)
        self._cpus = min(max(1, width // max(1, shards)), self._capacity.most_cpus)
        in_store = max(_LEAST_IN_STORE, self._cpus * self._capacity.store // 2)
        self._metrics = RayMetrics(self._actors)
        self._context = WorkerContext(
            archive=archive,
            environment=environment(),
            timeout_s=config.shard_timeout_s,
            threads=self._cpus,
            actors=self._actors,
            bytes_with_actors=in_store,
            board=board,
            heard=is_heard(),
        )

    def map_shards(
        self, stage: Stage, tasks: Iterable[Any], watcher: Watcher = UNWATCHED, *, apart: bool = False
    ) -> Iterator[Any]:
        """See Engine; no stage runs in the driver, `apart` or not.

        After an error, shards under way end by themselves, as the cluster's or this process's end does.
        They are not cancelled: by force that races with a task's end and aborts this process (a failed check in Ray
        2.60's task_manager.cc), gently it is lost where a task is just beginning. What they still commit counts.
        """
        try:
            yield from self._map(stage, iter(tasks), watcher)
        except ray_errors.RayError as exc:  # of the cluster, not of a shard
            raise EngineError(
                f"the Ray cluster failed: {exc}; what is committed stays, and the same command goes on from there"
            ) from exc

    def _map(self, stage: Stage, waiting: Iterator[Any], watcher: Watcher) -> Iterator[Any]:
        task = next(waiting, None)
        running: dict[Any, _Attempt] = {}
        again: list[_Attempt] = []
        while task is not None or running or again:
            self._look()
            self._metrics.tell_often()
            for attempt in [a for a in again if a.not_before <= time.monotonic()]:
                again.remove(attempt)
                running[self._submit(stage, attempt)] = attempt
            while task is not None and len(running) + len(again) < self._abreast:
                attempt = _Attempt(task, self._admissible(declared_bytes(task)))
                running[self._submit(stage, attempt)] = attempt
                task = next(waiting, None)
            for ref in _ready(running, again):
                attempt = running.pop(ref)
                watcher.ended(attempt.task.number)
                yield from self._collect(attempt, ref, again)
            self._reader.tell({attempt.task.number for attempt in running.values()}, watcher)

    def runs_alone(self, stage: Stage, task: Any) -> bool:
        """Whether a worker lives through a stage, with networks of its own; dying once may be somebody else's doing."""
        attempt = _Attempt(task, self._admissible(2 * declared_bytes(task)))
        context = replace(self._context, actors=(), threads=1, board="")
        for _ in range(2):
            try:
                ray.get(self._submit(stage, attempt, context))
            except _DEATHS:
                continue
            except ray_errors.RayError as exc:
                raise EngineError(f"the cluster failed while shard {task.number} was examined: {exc}") from exc
            return True
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        """Stop the actors, and the cluster if it was started here."""
        self._metrics.end()
        self._reader.end()
        for actor in self._actors:
            ray.kill(actor)
        if self._started:
            ray.shutdown()

    def _look(self) -> None:
        """See, now and then, which nodes there are: they come, where an autoscaler sees shards waiting, and go."""
        if time.monotonic() < self._looked + _LOOK_S:
            return
        self._looked, self._capacity = time.monotonic(), Capacity.of(ray.nodes())
        self._abreast = self._capacity.abreast(self._config.workers, own=self._started)

    def _admissible(self, memory: int) -> int:
        return min(memory, self._capacity.most_memory)

    def _submit(self, stage: Stage, attempt: _Attempt, context: WorkerContext | None = None) -> Any:
        options = {"num_cpus": self._cpus, "memory": attempt.memory or None, "max_retries": 0}
        return run_shard.options(**options).remote(stage, attempt.task, context or self._context, attempt.number)

    def _collect(self, attempt: _Attempt, ref: Any, again: list[_Attempt]) -> Iterator[Any]:
        try:
            done: Done = ray.get(ref)
        except _DEATHS as exc:
            again.append(self._after_death(attempt, exc))
            return
        except _LOSSES as exc:
            again.append(self._next_attempt(attempt, exc))
            return
        except ray_errors.RayError as exc:
            raise EngineError(f"Ray could not run shard {attempt.task.number}: {exc}") from exc
        TALLY.merge(done.counts)
        tell_again(done.lines)
        if not isinstance(done.result, RemoteError):
            TALLY.add(shards_done=1)
            yield done.result
            return
        error = done.result.error()
        if isinstance(error, ActorLostError):
            again.append(self._after_death(attempt, error))
        elif isinstance(error, TransientStorageError):
            again.append(self._next_attempt(attempt, error))
        else:
            raise error

    def _after_death(self, attempt: _Attempt, cause: Exception) -> _Attempt:
        """A shard that keeps killing workers is searched for the file that does it, and begins anew without."""
        attempt = replace(attempt, deaths=attempt.deaths + 1)
        if isinstance(cause, ray_errors.OutOfMemoryError):
            attempt = replace(attempt, memory=self._admissible(2 * attempt.memory))
        if attempt.deaths < ATTEMPTS - 1 or self._on_crash is None:
            return self._next_attempt(attempt, cause)
        task = self._on_crash(attempt.task, self.runs_alone)
        if task == attempt.task:
            return self._next_attempt(attempt, cause)
        return _Attempt(task, attempt.memory)

    def _next_attempt(self, attempt: _Attempt, cause: Exception) -> _Attempt:
        if attempt.number < ATTEMPTS:
            TALLY.retried(why := _CAUSES.get(type(cause), "lost node or object"))
            with attempt_at_work(attempt.task.number, attempt.number):
                tell(logger, "shard_retried", f"shard {attempt.task.number}: {why}", severity="warning", cause=why)
            later = time.monotonic() + delay_s(attempt.number)
            return replace(attempt, number=attempt.number + 1, not_before=later)
        if isinstance(cause, TransientStorageError):
            raise cause
        raise EngineError(
            f"shard {attempt.task.number} failed {attempt.number} times, or took longer than "
            f"{self._config.shard_timeout_s:g} s; what is committed stays, and the same command goes on from there. "
            f"Last cause: {cause}"
        ) from cause


def _ready(running: dict[Any, _Attempt], again: list[_Attempt]) -> list[Any]:
    """What has finished, waiting for it for a while, or until a shard is to be tried again."""
    if running:
        return list(ray.wait(list(running), num_returns=1, timeout=_POLL_S)[0])
    if again:
        time.sleep(max(0.0, min(attempt.not_before for attempt in again) - time.monotonic()))
    return []
