"""Shards that are worked on in processes of their own, since this one might not survive it.

A codec that crashes takes a process along. The first time that is the command itself: it leaves a mark of the shard
(compress/sharing.py), and whoever takes the shard over works on it here. Where a process crashes too, its shard is
searched for the files that do it, and every shard from then on is worked on here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

from tilepress.pipeline.coding.progress import Progress
from tilepress.pipeline.engine.child_process import WorkerDiedError
from tilepress.pipeline.engine.engine import ATTEMPTS, OnCrash, Stage, Task
from tilepress.pipeline.engine.remote_error import RemoteError
from tilepress.pipeline.engine.remote_result import Done
from tilepress.pipeline.errors import EngineError
from tilepress.pipeline.monitoring.lines import tell, tell_again
from tilepress.pipeline.monitoring.scope import attempt_at_work
from tilepress.pipeline.storage.base import Location
from tilepress.pipeline.tally import TALLY

if TYPE_CHECKING:
    from tilepress.pipeline.engine.worker_process import WorkerProcess

logger = logging.getLogger(__name__)

_CRASHES = 2  # of a file alone, before it is to blame


class ShardsApart:
    """Does stages in processes, one for each thread that asks at the same time; started when needed, and kept."""

    def __init__(self, archive: Location, threads: int, on_crash: OnCrash | None) -> None:
        """`threads` of each process; `on_crash` is asked for another task where one crashes its process."""
        self.crashed = False  # whether a process did
        self._archive, self._threads, self._on_crash = archive, threads, on_crash
        self._lock, self._closed = Lock(), False
        self._idle: list[WorkerProcess] = []
        self._all: list[WorkerProcess] = []

    def run(self, stage: Stage, task: Task, attempt: int, listener: Callable[[Progress], None]) -> Any:
        """Return a stage's result, or raise its error; EngineError where its process dies again and again."""
        deaths = 0
        while True:
            try:
                done = self._done(stage, task, attempt, listener)
            except WorkerDiedError as exc:
                deaths += 1
                searched = self._searched(task, exc)
                if searched != task:
                    task, deaths = searched, 0
                elif deaths == ATTEMPTS:
                    alone = "" if exc.killed else ", and no file of it does that alone"
                    raise EngineError(
                        f"shard {task.number}: the process that compressed it {exc}, {deaths} times{alone}; what is "
                        "committed stays, and the same command goes on from there"
                    ) from exc
                continue
            TALLY.merge(done.counts)
            tell_again(done.lines)
            if isinstance(done.result, RemoteError):
                raise done.result.error()
            return done.result

    def close(self) -> None:
        """End all processes, whatever they are at."""
        with self._lock:
            self._closed = True
        for process in self._all:
            process.end()

    def _searched(self, task: Task, death: WorkerDiedError) -> Task:
        """The task to go on with: another one, if its files were searched for what crashes, and some do."""
        TALLY.retried("worker died")
        with attempt_at_work(task.number, 1):
            told = f"shard {task.number}: the process that compressed it {death}"
            tell(logger, "shard_retried", told, severity="warning", cause="worker died")
        if death.killed or self._on_crash is None:
            return task
        self.crashed = True
        found: Task = self._on_crash(task, self._runs_alone)
        return found

    def _runs_alone(self, stage: Stage, task: Task) -> bool:
        """Whether a process lives through a stage; being killed by somebody else tells nothing of that."""
        crashes = kills = 0
        while crashes < _CRASHES:
            try:
                self._done(stage, task, 1, lambda progress: None)
            except WorkerDiedError as exc:
                crashes, kills = crashes + (not exc.killed), kills + exc.killed
                if kills == ATTEMPTS:
                    raise EngineError(
                        f"the process that tried files of shard {task.number} was killed {kills} times, which tells "
                        "nothing of them: repeat the command"
                    ) from exc
            else:
                return True
        return False

    def _done(self, stage: Stage, task: Task, attempt: int, listener: Callable[[Progress], None]) -> Done:
        """What came of a stage in an idle process; one that died is not kept."""
        process = self._process()
        found = process.run(stage, task, attempt, listener)
        with self._lock:
            self._idle.append(process)
        return found

    def _process(self) -> WorkerProcess:
        from tilepress.pipeline.engine.worker_process import WorkerProcess  # which few commands ever need

        with self._lock:
            if self._closed:  # and ended the one that was asked before
                raise EngineError("the engine has ended")
            if self._idle:
                return self._idle.pop()
            process = WorkerProcess(self._archive, self._threads)
            self._all.append(process)
        return process
