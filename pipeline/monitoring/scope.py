"""Who is at work here: which command, and which attempt at which shard. Metrics and lines of logs say so."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from tilepress.pipeline.tally import TALLY

Given = TypeVar("Given")
Result = TypeVar("Result")


@dataclass
class Command:
    """One call of a verb. `archive` is a place without credentials, or ""; `run` is known once there is one."""

    verb: str = ""
    archive: str = ""
    run: int | None = None
    started: float = field(default_factory=time.time)  # seconds since 1970
    before: Counter[str] = field(default_factory=TALLY.now)
    told: dict[tuple[str, ...], float] = field(default_factory=dict)  # what counters of Ray know of it already

    @property
    def counts(self) -> Counter[str]:
        """What was counted since the command began."""
        return TALLY.since(self.before)


@dataclass(frozen=True)
class Attempt:
    """One try of a shard, from 1."""

    shard: int
    number: int


COMMAND: ContextVar[Command | None] = ContextVar("command at work", default=None)
ATTEMPT: ContextVar[Attempt | None] = ContextVar("attempt at work", default=None)


@contextmanager
def during(variable: ContextVar[Given], value: Given) -> Iterator[Given]:
    """Open a context in which a variable has a value."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


@contextmanager
def command_at_work(command: Command) -> Iterator[Command]:
    """Open a context in which `command` is at work; one inside another is a part of that, which is yielded."""
    outer = COMMAND.get()
    if outer is not None:
        yield outer
        return
    with during(COMMAND, command):
        yield command


def attempt_at_work(shard: int, number: int) -> AbstractContextManager[Attempt | None]:
    """Return a context in which attempt `number` at a shard is at work."""
    return during(ATTEMPT, Attempt(shard, number))


def carried(action: Callable[[Given], Result]) -> Callable[[Given], Result]:
    """Return `action` for other threads, where the attempt that is at work here is at work, too."""
    attempt = ATTEMPT.get()

    def run(given: Given) -> Result:
        token = ATTEMPT.set(attempt)
        try:
            return action(given)
        finally:
            ATTEMPT.reset(token)

    return run
