"""Map a stage over shards: in this process (the reference) or on Ray. The same stages run on both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol, TypeVar

from tilepress.pipeline.errors import InfrastructureError, IntegrityError, UsageError
from tilepress.pipeline.storage import Storage, open_storage
from tilepress.pipeline.toolbox import Toolbox, one_torch_thread

ATTEMPTS = 3  # of a shard, for transient failures
_FIRST_DELAY_S = 1.0
_SMALL_BYTES = 64 << 20  # below this, `auto` does not start Ray


class Task(Protocol):
    """A unit of work that can travel to another process."""

    @property
    def number(self) -> int:
        """Number of the shard, for messages and order."""

    @property
    def bytes(self) -> int:
        """Bytes it reads, declared for memory admission."""


AnyTask = TypeVar("AnyTask", bound=Task)
Result = TypeVar("Result")
Stage = Callable[[Any, Storage, Toolbox], Any]  # (task, archive, tools) -> result, a module-level function


@dataclass(frozen=True)
class EngineConfig:
    """Where and how wide to run."""

    kind: str = "auto"  # auto, local or ray
    workers: int | None = None  # shards at a time; None: one a processor
    ray_address: str | None = None  # an existing cluster
    gpus_per_actor: float = 1.0
    shard_timeout_s: float = 6 * 3600

    def resolve(self, shards: int, size: int) -> EngineConfig:
        """`auto` decided: this process for small work, Ray for the rest or where a cluster is named."""
        if self.kind not in ("auto", "local", "ray"):
            raise UsageError(f"--engine {self.kind!r} is not one of auto, local, ray")
        if self.ray_address and self.kind == "local":
            raise UsageError("--ray-address has no effect with --engine local")
        workers = self.workers or os.cpu_count() or 1
        if workers < 1:
            raise UsageError(f"-j must be at least 1, not {self.workers}")
        small = shards < 2 or size < _SMALL_BYTES or workers == 1
        kind = self.kind if self.kind != "auto" else "ray" if self.ray_address or not small else "local"
        return replace(self, kind=kind, workers=workers)


class Engine(Protocol):
    """Runs stages over tasks."""

    def map_shards(self, stage: Stage, tasks: Iterable[Any]) -> Iterator[Any]:
        """Results in the order in which they are ready; raises the first error that retries do not cure."""

    def close(self) -> None:
        """Free workers."""


def open_engine(config: EngineConfig, archive_url: str, shards: int, size: int, *, networks: bool) -> Engine:
    """The engine for `shards` shards of `size` bytes in all; `networks`: some codec has a device step."""
    config = config.resolve(shards, size)
    if config.kind == "ray":
        from tilepress.pipeline.ray_engine import RayEngine

        return RayEngine(config, archive_url, shards, networks=networks)
    return LocalEngine(config.workers or 1, archive_url, shards)


class LocalEngine:
    """Threads of this process: kernels release the interpreter's lock, so they run side by side."""

    def __init__(self, workers: int, archive_url: str, shards: int) -> None:
        """`workers` shards at a time, or fewer shards with several threads each."""
        self._abreast = max(1, min(workers, shards))
        self._archive = open_storage(archive_url)
        self._tools = Toolbox(self._archive, device="cpu", threads=max(1, workers // self._abreast))
        self._pool = ThreadPoolExecutor(self._abreast, "shard", initializer=one_torch_thread)

    def map_shards(self, stage: Stage, tasks: Iterable[Any]) -> Iterator[Any]:
        """See Engine."""
        waiting = iter(tasks)
        running: set[Future[Any]] = set()
        try:
            while True:
                for task in islice(waiting, 2 * self._abreast - len(running)):
                    running.add(self._pool.submit(self._attempt, stage, task))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in running:
                future.cancel()

    def close(self) -> None:
        """Finish what is running and free the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _attempt(self, stage: Stage, task: Task) -> Any:
        one_torch_thread()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return stage(task, self._archive, self._tools)
            except InfrastructureError:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(_FIRST_DELAY_S * 4 ** (attempt - 1))
        raise IntegrityError("unreachable")
