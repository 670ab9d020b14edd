"""How drivers of one run, on one machine or several, share its shards: each marks a shard before it works on it.

A mark is a small object that is created and never replaced, so one driver gets the shard. Marks are hints and no locks:
parts are created once too, and a shard on which two drivers work is stored once. A driver that finds nothing unmarked
waits for the others, and takes over what they give up: their process is gone, they removed the mark without a part, or
they did nothing for a while. Whoever takes over creates the next mark of the shard, so again one driver does.

A shard whose mark stays behind is an orphan: its driver was killed, or a file of the shard crashed it, and would crash
the next one. So it comes in a round of orphans; those of this machine first, since they show whether files crash.

    runs/0001/taken-00012-1    shard 12: the machine, process and number of the driver; gone when the part is there
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from tilepress.pipeline.archive.layout import Run, list_parts
from tilepress.pipeline.archive.plan import Plan, Shard
from tilepress.pipeline.errors import AlreadyExists, StorageError
from tilepress.pipeline.storage.base import Storage

LEASE_S = 60.0  # how long another driver may do nothing, at least; or 3 times the slowest shard of this one
_POLLS_S = (0.1, 5.0)  # between two looks at what others do: at first, and at most
_PROCESSES = Path("/proc/self/ns/pid")
_NUMBERS = re.compile("([0-9]{1,9})-([0-9]{1,9})")


@dataclass(frozen=True)
class Driver:
    """Who made a mark. `machine` is a hash of what has a table of processes of its own: see _process_table."""

    machine: str
    process: int
    number: str

    @classmethod
    def new(cls) -> Driver:
        """Return the identity of a driver in this process, different from that of any other."""
        machine = sha256(_process_table().encode(errors="surrogateescape")).hexdigest()[:16]
        return cls(machine, os.getpid(), uuid.uuid4().hex)

    @classmethod
    def parse(cls, mark: bytes) -> Driver:
        """Return who made a mark; ValueError, TypeError or KeyError if it is none."""
        content = json.loads(mark)
        return cls(str(content["machine"]), int(content["process"]), str(content["number"]))

    def is_gone(self, here: str) -> bool:
        """Tell whether the process is known to have ended: only that of a machine with the hash `here` can be."""
        if self.machine != here or os.name != "posix" or self.process < 1:
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):  # another user's, or no number of a process
            return False
        return False


def _process_table() -> str:
    """What tells numbers of processes here from those elsewhere: the machine's name and, on Linux, that of the table.

    Containers may have the name of their machine, as pods on its network do, and see none of its processes.
    """
    try:
        return f"{platform.node()} {_PROCESSES.readlink()}"
    except OSError:  # another system, or no /proc
        return platform.node()


@dataclass(frozen=True)
class _Mark:
    """The newest mark of a shard, by the number of the attempt, and when this driver first saw it."""

    name: str
    attempt: int
    seen: float


@dataclass(frozen=True)
class Round:
    """Shards to work on, each with whether its part is there."""

    shards: Iterator[tuple[Shard, bool]]
    orphans: bool = False  # their drivers vanished while they worked on them


class SharedShards:
    """The shards of a run, in the order in which this driver takes them. A context that removes its marks."""

    def __init__(self, storage: Storage, run: Run, plan: Plan, on_wait: Callable[[int], None] | None = None) -> None:
        """`on_wait` is told how many shards there are to wait for, whenever nothing is left but to wait."""
        self._on_wait = on_wait
        self._storage, self._run, self._plan = storage, run, plan
        self._me = Driver.new()
        self._committed = set(list_parts(storage, run))
        self._first_seen: dict[str, float] = {}  # name of a mark -> when
        self._mine: dict[int, tuple[str, float]] = {}  # shards under way: the mark, and when it was made
        self._theirs: set[int] = set()
        self._adopted: set[int] = set()  # orphans that this driver took over
        self._slowest_s = 0.0
        self._left = self._marks()  # by drivers before this one, and beside it

    def rounds(self) -> Iterator[Round]:
        """Yield rounds of shards; each shard that stores anything occurs once in all of them.

        A round is to be finished, and `finish` called for each of its shards, before the next one is asked for, which
        may wait for other drivers.
        """
        orphans = {shard for shard, mark in self._left.items() if shard not in self._committed and self._is_gone(mark)}
        if orphans:
            yield Round(self._orphans(orphans), orphans=True)
        yield Round(self._untaken())
        while self._theirs:
            ready = self._given_up()
            for orphaned in (False, True):
                chosen = {shard: there for shard, there in ready.items() if (shard in self._adopted) == orphaned}
                if chosen:
                    yield Round(self._chosen(chosen), orphaned)

    def finish(self, shard: int) -> bool:
        """Remove the mark of a shard whose part is there; return whether it was there when this driver began."""
        name, since = self._mine.pop(shard, ("", 0.0))
        if name:
            self._slowest_s = max(self._slowest_s, time.monotonic() - since)
            self._remove(name)
        return shard in self._committed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove this driver's marks; all of them if every part is there."""
        for name, _ in self._mine.values():
            self._remove(name)
        if kind is None:
            for file in list(self._storage.list(self._prefix)):
                self._remove(file.name)

    def _orphans(self, numbers: Set[int]) -> Iterator[tuple[Shard, bool]]:
        for shard in self._plan.shards():
            if shard.number in numbers and self._adopt(shard.number, self._left[shard.number]):
                yield shard, False

    def _untaken(self) -> Iterator[tuple[Shard, bool]]:
        for shard in self._plan.shards():
            if not shard.additions or shard.number in self._adopted:
                continue
            if shard.number in self._committed:
                yield shard, True
            elif self._take(shard.number, 1):
                yield shard, False
            else:
                self._theirs.add(shard.number)

    def _chosen(self, ready: Mapping[int, bool]) -> Iterator[tuple[Shard, bool]]:
        return ((shard, ready[shard.number]) for shard in self._plan.shards() if shard.number in ready)

    def _given_up(self) -> dict[int, bool]:
        """The shards that others have committed by now, with True, or gave up; waits until there is one."""
        delay, longest = _POLLS_S
        while not (ready := self._ready()):
            if self._on_wait and delay == _POLLS_S[0]:
                self._on_wait(len(self._theirs))
            time.sleep(delay)
            delay = min(2 * delay, longest)
        self._theirs -= ready.keys()
        return ready

    def _ready(self) -> dict[int, bool]:
        """Number of each shard that waits no longer, and whether its part is there."""
        marks = self._marks()  # before the parts: a mark is removed when the part is there
        parts = list_parts(self._storage, self._run)
        ready = dict.fromkeys(self._theirs & parts.keys(), True)
        for shard in sorted(self._theirs - parts.keys()):
            if self._takes_over(shard, marks.get(shard)):
                ready[shard] = False
        return ready

    def _takes_over(self, shard: int, mark: _Mark | None) -> bool:
        if mark is None:
            return self._take(shard, 1)
        return self._is_given_up(mark) and self._adopt(shard, mark)

    def _is_given_up(self, mark: _Mark) -> bool:
        owner = self._owner(mark)
        if owner is None:
            return time.monotonic() - mark.seen > LEASE_S
        return owner.is_gone(self._me.machine) or time.monotonic() - mark.seen > max(LEASE_S, 3 * self._slowest_s)

    def _is_gone(self, mark: _Mark) -> bool:
        owner = self._owner(mark)
        return owner is not None and owner.is_gone(self._me.machine)

    def _owner(self, mark: _Mark) -> Driver | None:
        """Who made a mark; None of one that was removed just now, or written by something else."""
        try:
            return Driver.parse(self._storage.read(mark.name))
        except (StorageError, ValueError, TypeError, KeyError):
            return None

    def _adopt(self, shard: int, mark: _Mark) -> bool:
        """Mark a shard in the place of the driver whose mark was left; whether this driver is to work on it."""
        if not self._take(shard, mark.attempt + 1):
            return False
        self._adopted.add(shard)
        return True

    def _take(self, shard: int, attempt: int) -> bool:
        """Mark a shard; whether this driver is to work on it."""
        name = f"{self._prefix}{shard:05d}-{attempt}"
        try:
            self._storage.write(name, json.dumps(asdict(self._me)).encode())  # need not survive a power failure
        except AlreadyExists:
            return False
        except StorageError:
            pass  # it is a hint: whatever ails the storage, creating the part will tell
        self._mine[shard] = name, time.monotonic()
        return True

    def _marks(self) -> dict[int, _Mark]:
        """The newest mark of each shard that has one."""
        marks: dict[int, _Mark] = {}
        for file in self._storage.list(self._prefix):
            numbers = _NUMBERS.fullmatch(file.name.removeprefix(self._prefix))
            if numbers is None:
                continue
            shard, attempt = map(int, numbers.groups())
            seen = self._first_seen.setdefault(file.name, time.monotonic())
            if shard not in marks or marks[shard].attempt < attempt:
                marks[shard] = _Mark(file.name, attempt, seen)
        return marks

    def _remove(self, name: str) -> None:
        with suppress(StorageError):  # a store may not permit it
            self._storage.remove(name)

    @property
    def _prefix(self) -> str:
        return f"{self._run.folder}/taken-"
