"""Stages and tasks for the tests of engines; they travel to Ray's workers by value."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilepress.codecs.errors import StreamError
from tilepress.pipeline.compress.commit import encode_shard
from tilepress.pipeline.errors import IntegrityError, StorageError, TransientStorageError, UsageError


@dataclass(frozen=True)
class Note:
    """A task that leaves a line in a file every time it is tried."""

    number: int
    folder: str
    bytes: int = 0
    what: Any = None

    def log(self, line: str) -> None:
        with Path(self.folder, str(self.number)).open("a") as file:
            file.write(f"{line}\n")

    @property
    def lines(self) -> list[str]:
        path = Path(self.folder, str(self.number))
        return path.read_text().splitlines() if path.exists() else []


class CustomError(Exception):
    """Made from two values, as `pickle` cannot make it again."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code


# Made where they are raised: functions travel by value, and CustomError cannot.
ERRORS = {
    "usage": lambda: UsageError("say it otherwise"),
    "integrity": lambda: IntegrityError("not what was written"),
    "codec": lambda: StreamError("truncated"),
    "custom": lambda: CustomError(7, "odd"),
    "key": lambda: KeyError("missing"),
    "os": lambda: FileNotFoundError(2, "No such file or directory", "/nowhere"),
    "storage": lambda: StorageError("access denied"),
}


def fails(task: Note, archive: Any, pool: Any) -> None:
    task.log("tried")
    raise ERRORS[task.what]()


def fails_twice(task: Note, archive: Any, pool: Any) -> int:
    task.log("tried")
    if len(task.lines) <= task.what:
        raise TransientStorageError("SlowDown: please reduce your request rate")
    return task.number


def squares(task: Note, archive: Any, pool: Any) -> int:
    time.sleep(0.01)
    return task.number**2


def times(task: Note, archive: Any, pool: Any) -> tuple[float, float]:
    started = time.time()
    time.sleep(0.3)
    return started, time.time()


def crashes(task: Note, archive: Any, pool: Any) -> int:
    """Die of the signal `what`, or return that number; without one, that of the process."""
    task.log("tried")
    if isinstance(task.what, signal.Signals):
        os.kill(os.getpid(), task.what)
        time.sleep(60)
    return task.what or os.getpid()


def full_disk(task: Note, archive: Any, pool: Any) -> None:
    raise OSError(28, "No space left on device")


def killed_once(task: Any, archive: Any, pool: Any) -> Any:
    """encode_shard, but the first worker of every shard dies in the middle of it."""
    marker = Path(task.source).parent / f"killed-{task.number}"
    if not marker.exists():
        marker.touch()
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()
        time.sleep(5)
    return encode_shard(task, archive, pool)


def committed_then_killed(task: Any, archive: Any, pool: Any) -> Any:
    """encode_shard, but the first worker of every shard dies before it can say that it is done."""
    there = archive.exists(task.run.part(task.number))
    result = encode_shard(task, archive, pool)
    if not there:
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def watched(task: Any, archive: Any, pool: Any) -> Any:
    """encode_shard, with a note of the most batches that were with actors at a time."""
    watch = Watched(pool._networks)
    pool._networks = watch
    try:
        result = encode_shard(task, archive, pool)
    finally:
        pool._networks = watch.networks
    (Path(task.source).parent / f"most-{task.number}").write_text(f"{type(watch.networks).__name__} {watch.most}")
    return result


class Watched:
    """Networks that count the calls under way."""

    def __init__(self, networks: Any) -> None:
        self.networks = networks
        self.now = self.most = 0
        self.lock = threading.Lock()

    def analyse(self, *args: Any) -> Any:
        return self._count(self.networks.analyse, args)

    def synthesise(self, *args: Any) -> Any:
        return self._count(self.networks.synthesise, args)

    def _count(self, step: Any, args: tuple[Any, ...]) -> Any:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            return step(*args)
        finally:
            with self.lock:
                self.now -= 1


def sleeps(task: Note, archive: Any, pool: Any) -> None:
    time.sleep(3600)


def tells(task: Note, archive: Any, pool: Any) -> int:
    """Three tiles coded, told at most a quarter of a second apart; then told again, since who listens may come late."""
    pool.progress.begin_coding(300, 30)
    for _ in range(3):
        time.sleep(0.3)
        pool.progress.tile_coded(10, 5)
    end = time.monotonic() + task.what
    while time.monotonic() < end:
        time.sleep(0.1)
        pool.progress.file_coded(0, 0)
    return task.number


def waits_for_file(task: Note, archive: Any, pool: Any) -> int:
    """End once the file named by `what` is there, or fail after half a minute."""
    deadline = time.monotonic() + 30
    while not Path(task.what).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(task.what)
        time.sleep(0.02)
    return task.number
