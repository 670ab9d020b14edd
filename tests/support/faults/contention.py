"""Several writers that create objects of the same names at the same time, and what is promised of that."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

from tilepress.pipeline.errors import AlreadyExists
from tilepress.pipeline.storage.base import Location, Storage

WRITERS = 8
Won = list[str]  # names of the objects that a writer is told to have created
Place = Callable[[], Storage]


def content_of(name: str, writer: int) -> bytes:
    """What a writer writes under a name: of the same length for all of them."""
    return f"{name} by writer {writer}".encode() * 20


def write_all(place: Place, names: list[str], writer: int) -> Won:
    """Create every object; each writer begins elsewhere only by chance, so that they meet at every name."""
    won, storage = [], place()
    for name in names:
        try:
            storage.create(name, content_of(name, writer))
        except AlreadyExists:
            continue
        won.append(name)
    return won


def contend(place: Place, count: int, executor: type[Executor] = ThreadPoolExecutor) -> list[str]:
    """Let WRITERS create `count` objects each, of the same names; return how the promise was broken."""
    names = [f"object-{number:03d}" for number in range(count)]
    with executor(WRITERS, **_context(executor)) as writers:
        won = list(writers.map(partial(write_all, place, names), range(WRITERS)))
    return list(_broken(place(), names, won))


def _context(executor: type[Executor]) -> dict[str, object]:
    if executor is not ProcessPoolExecutor:
        return {}
    # The server that forks writers may be older than the S3 server that the environment names.
    context = multiprocessing.get_context("forkserver")
    return {"mp_context": context, "initializer": _adopt, "initargs": (dict(os.environ),)}


def _adopt(environment: dict[str, str]) -> None:
    os.environ.update(environment)


def _broken(storage: Storage, names: list[str], won: list[Won]) -> list[str]:
    """Each object has one writer, and the content of that one."""
    winners = Counter(name for each in won for name in each)
    broken = [f"{name} was created by {winners[name]} writers" for name in names if winners[name] != 1]
    for writer, theirs in enumerate(won):
        for name in theirs:
            if winners[name] == 1 and storage.read(name) != content_of(name, writer):
                broken.append(f"{name} is not what writer {writer} created")
    return broken


def opened(location: Location) -> Storage:
    """The storage of a place, for processes too."""
    return location.open()
