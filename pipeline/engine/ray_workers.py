"""What runs in Ray's worker processes: a stage over one shard. Networks may run in actors: see ray_actors.py."""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.engine.engine import Stage, run_stage
from tilepress.pipeline.engine.ray_actors import RemoteNetworks
from tilepress.pipeline.engine.ray_environment import adopt
from tilepress.pipeline.engine.ray_progress import poster
from tilepress.pipeline.engine.remote_result import Done, done
from tilepress.pipeline.storage.base import Location


@dataclass(frozen=True)
class WorkerContext:
    """What every worker needs to know besides its task."""

    archive: Location
    environment: tuple[tuple[str, str], ...]
    timeout_s: float
    threads: int = 1
    actors: tuple[Any, ...] = ()
    bytes_with_actors: int = 0  # of batches that a worker may have with them at a time
    board: str = ""  # name of what hears of progress; see ray_progress.py
    heard: bool = False  # whether anybody listens to events; see monitoring/lines.py


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """End the process, and so the attempt, if it takes longer: native code that hangs cannot be stopped otherwise."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def attempt_shard(stage: Stage, task: Any, context: WorkerContext, attempt: int) -> Done:
    """Make an attempt at a stage over one shard; a worker has one at a time."""
    return done(lambda: _result(stage, task, context, attempt), heard=context.heard)


run_shard: Any = ray.remote(attempt_shard)  # which workers import: Ray would copy what a decorated function names


def _result(stage: Stage, task: Any, context: WorkerContext, attempt: int) -> Any:
    with _time_limit(context.timeout_s):
        adopt(context.environment)
        pool = _pool(context, task.number)
        if context.board:
            pool = pool.told_to(poster(context.board, task.number))
        return run_stage(stage, task, context.archive.open(), pool, attempt)


_LATEST: list[tuple[Any, CodecPool]] = []  # the codec pool of this process, so that models are loaded once


def _pool(context: WorkerContext, shard: int) -> CodecPool:
    """Return the codec pool of an archive; only the latest is kept, since a worker may see many archives."""
    key = (context.archive, context.environment, context.threads, tuple(a._actor_id for a in context.actors))
    if not _LATEST or _LATEST[0][0] != key:
        networks = RemoteNetworks(context.actors, shard, context.bytes_with_actors) if context.actors else None
        pool = CodecPool(context.archive.open(), networks=networks, threads=context.threads)
        _LATEST[:] = [(key, pool)]
    return _LATEST[0][1]
