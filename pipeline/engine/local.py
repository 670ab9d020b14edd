"""The engine of this process: threads, one a shard. It is the reference that Ray's results are compared with.

Shards that may crash their process are worked on in others: see shards_apart.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from types import TracebackType
from typing import Any, Self

from tilepress.pipeline.coding.codec_pool import CodecPool, one_torch_thread
from tilepress.pipeline.engine.engine import ATTEMPTS, UNWATCHED, OnCrash, Stage, Task, Watcher, delay_s, run_stage
from tilepress.pipeline.engine.memory import budget, declared_bytes
from tilepress.pipeline.engine.shards_apart import ShardsApart
from tilepress.pipeline.errors import EngineError, TransientStorageError
from tilepress.pipeline.monitoring.lines import tell
from tilepress.pipeline.monitoring.scope import attempt_at_work
from tilepress.pipeline.storage.base import Location
from tilepress.pipeline.tally import TALLY

logger = logging.getLogger(__name__)


class LocalEngine:
    """Threads of this process: kernels release the interpreter's lock, so they run side by side."""

    def __init__(
        self,
        workers: int,
        archive: Location,
        shards: int,
        memory: int | None = None,
        on_crash: OnCrash | None = None,
    ) -> None:
        """`workers` threads at work, on as many shards at a time or on fewer; `memory` in bytes for all."""
        self._abreast = max(1, min(workers, shards))
        self._apart = ShardsApart(archive, max(1, workers // self._abreast), on_crash)
        self._memory = memory or budget()
        self._archive = archive.open()
        self._pool = CodecPool(self._archive, device="cpu", threads=workers)
        self._threads = ThreadPoolExecutor(self._abreast, "shard", initializer=one_torch_thread)

    def map_shards(
        self, stage: Stage, tasks: Iterable[Any], watcher: Watcher = UNWATCHED, *, apart: bool = False
    ) -> Iterator[Any]:
        """See Engine."""
        waiting = iter(tasks)
        task = next(waiting, None)
        running: dict[Future[Any], Task] = {}
        try:
            while task is not None or running:
                while task is not None and self._admits(task, running):
                    running[self._submit(stage, task, watcher, apart=apart)] = task
                    task = next(waiting, None)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    watcher.ended(running.pop(future).number)
                    result = future.result()
                    TALLY.add(shards_done=1)
                    yield result
        finally:
            for future in running:
                future.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        by_signal = kind is not None and not issubclass(kind, Exception)
        if by_signal:
            self._apart.close()
        self._threads.shutdown(wait=not by_signal, cancel_futures=True)
        self._apart.close()

    def _admits(self, task: Task, running: dict[Future[Any], Task]) -> bool:
        if len(running) >= self._abreast:
            return False
        return not running or sum(map(declared_bytes, [*running.values(), task])) <= self._memory

    def _submit(self, stage: Stage, task: Task, watcher: Watcher, *, apart: bool) -> Future[Any]:
        try:
            return self._threads.submit(self._attempts, stage, task, watcher, apart=apart)
        except RuntimeError as exc:
            raise EngineError(f"shard {task.number} got no thread ({exc}): lower -j, and run it again") from exc

    def _attempts(self, stage: Stage, task: Task, watcher: Watcher, *, apart: bool) -> Any:
        for attempt in range(1, ATTEMPTS):
            try:
                return self._attempt(stage, task, watcher, attempt, apart=apart)
            except TransientStorageError:
                watcher.ended(task.number)
                TALLY.retried("storage")
                with attempt_at_work(task.number, attempt):
                    tell(logger, "shard_retried", f"shard {task.number}: storage", severity="warning", cause="storage")
                time.sleep(delay_s(attempt))
        return self._attempt(stage, task, watcher, ATTEMPTS, apart=apart)

    def _attempt(self, stage: Stage, task: Task, watcher: Watcher, attempt: int, *, apart: bool) -> Any:
        listener = partial(watcher.progressed, task.number)
        if apart or self._apart.crashed:
            return self._apart.run(stage, task, attempt, listener)
        return run_stage(stage, task, self._archive, self._pool.told_to(listener), attempt)
