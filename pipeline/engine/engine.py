"""The protocol of engines, which map a stage over shards: in this process (`local.py`) or on Ray (`ray.py`)."""

from __future__ import annotations

import errno
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from tilepress.codecs.extras import is_installed, require_extra
from tilepress.pipeline.coding.codec_pool import CodecPool, one_torch_thread
from tilepress.pipeline.coding.progress import Progress
from tilepress.pipeline.errors import EngineError, UsageError
from tilepress.pipeline.monitoring.lines import tell
from tilepress.pipeline.monitoring.scope import attempt_at_work
from tilepress.pipeline.storage.base import Location, Storage
from tilepress.pipeline.tally import TALLY

logger = logging.getLogger(__name__)

ATTEMPTS = 3  # of a shard, for transient failures
FIRST_DELAY_S = 1.0  # before the second attempt; four times that before the third
_SMALL_BYTES = 64 << 20  # below this, `auto` does not start Ray
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


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
Stage = Callable[[Any, Storage, CodecPool], Any]  # (task, archive, pool) -> result, a module-level function
RunsAlone = Callable[[Stage, Any], bool]  # whether a worker lives through a stage of a task
OnCrash = Callable[[Any, RunsAlone], Any]  # a task that crashes workers -> one that should not


@dataclass(frozen=True)
class EngineConfig:
    """Where and how wide to run."""

    kind: str = "auto"  # auto, local or ray
    workers: int | None = None  # shards at a time; None: one a processor
    ray_address: str | None = None  # an existing cluster
    gpus_per_actor: float = 1.0  # 0: networks run on processors even where there are GPUs
    shard_timeout_s: float = 6 * 3600  # on Ray; threads of this process cannot be stopped

    def resolve(self, shards: int, size: int) -> EngineConfig:
        """`auto` decided: this process for small work or without Ray, Ray for the rest or where a cluster is named."""
        if self.kind not in ("auto", "local", "ray"):
            raise UsageError(f"`engine` {self.kind!r} is not one of auto, local, ray")
        if self.ray_address and self.kind == "local":
            raise UsageError("`ray_address` has no effect with `engine` local")
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"`workers` must be at least 1, not {self.workers}")
        if not 0 <= self.gpus_per_actor < math.inf or (self.gpus_per_actor > 1 and self.gpus_per_actor % 1):
            raise UsageError(f"`gpus_per_actor` {self.gpus_per_actor:g} is neither a share below 1 nor a whole number")
        small = shards < 2 or size < _SMALL_BYTES or self.width == 1 or not is_installed("ray")
        kind = self.kind if self.kind != "auto" else "ray" if self.ray_address or not small else "local"
        if kind == "ray":
            require_extra("ray", "`engine` ray")
        return replace(self, kind=kind)

    @property
    def width(self) -> int:
        """Shards at a time on this machine."""
        return self.workers or os.cpu_count() or 1


class Watcher(Protocol):
    """Hears how far the work on each shard is, from any thread."""

    def progressed(self, number: int, progress: Progress) -> None:
        """Shard `number` is so far."""

    def ended(self, number: int) -> None:
        """An attempt at shard `number` is over: what was heard of it counts for nothing, its result does."""


class Unwatched:
    """A watcher that does nothing."""

    def progressed(self, number: int, progress: Progress) -> None:
        """See Watcher."""

    def ended(self, number: int) -> None:
        """See Watcher."""


UNWATCHED = Unwatched()


class Engine(Protocol):
    """Runs stages over tasks."""

    def map_shards(
        self, stage: Stage, tasks: Iterable[Any], watcher: Watcher = UNWATCHED, *, apart: bool = False
    ) -> Iterator[Any]:
        """Yield results in the order in which they are ready; raise the first error that retries do not cure.

        The watcher hears that an attempt has ended just before its result is yielded. `apart`: the tasks may crash
        their process, which is to be another one than this.
        """

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free workers. What is running is finished first, unless a signal ends the program."""


def open_engine(
    config: EngineConfig,
    archive: Location,
    shards: int,
    size: int,
    *,
    networks: bool,
    on_crash: OnCrash | None = None,
) -> Engine:
    """Return the engine that maps a stage over shards; a context that ends its workers.

    Args:
        config: Where and how wide to run.
        archive: Where the stage's storage is.
        shards: How many there are.
        size: Bytes of all of them together.
        networks: Some codec has a device step, for which Ray gets actors where there are GPUs. Elsewhere each task runs
            networks itself: every worker loads the models, and no tile travels.
        on_crash: Is asked for another task where one keeps crashing its worker. Only worker processes can be lost so:
            those of Ray, and those that work `apart` from this process.
    """
    config = config.resolve(shards, size)
    TALLY.add(shards_planned=shards)
    if config.kind == "ray":
        from tilepress.pipeline.engine.ray import RayEngine

        return RayEngine(config, archive, shards, networks=networks, on_crash=on_crash)
    from tilepress.pipeline.engine.local import LocalEngine

    return LocalEngine(config.width, archive, shards, on_crash=on_crash)


def run_stage(stage: Stage, task: Task, archive: Storage, pool: CodecPool, attempt: int = 1) -> Any:
    """Make attempt number `attempt` at a stage, tell of it, and return its result."""
    with attempt_at_work(task.number, attempt):
        began = time.monotonic()
        tell(logger, "shard_started", f"shard {task.number}: {task.bytes:,} bytes", bytes=task.bytes)
        try:
            result = _run(stage, task, archive, pool)
        except Exception as exc:
            tell(logger, "shard_failed", f"shard {task.number}: {exc}", severity="warning", kind=type(exc).__name__)
            raise
        seconds = round(time.monotonic() - began, 3)
        tell(logger, "shard_done", f"shard {task.number}: done in {seconds:.1f} s", seconds=seconds)
    return result


def _run(stage: Stage, task: Task, archive: Storage, pool: CodecPool) -> Any:
    """The result of a stage; this machine's shortages become errors that say what to do."""
    one_torch_thread()
    try:
        return stage(task, archive, pool)
    except MemoryError as exc:
        raise EngineError(f"shard {task.number} needs more memory than there is: lower -j, and run it again") from exc
    except OSError as exc:
        if exc.errno not in _NO_SPACE:
            raise
        raise EngineError(
            f"no space left for temporary files of shard {task.number}, which reads {task.bytes:,} bytes: make "
            f"room, or set TMPDIR, and repeat the command, which goes on from there ({exc})"
        ) from exc


def delay_s(attempt: int) -> float:
    """Return seconds to wait after a failed attempt 1, 2, ..."""
    return FIRST_DELAY_S * 4.0 ** (attempt - 1)
