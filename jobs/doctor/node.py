"""What a node of a cluster is asked: its versions, whether it decodes exactly, whether it reaches the storage."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tilepress.jobs.doctor.checks import OK, Finding
from tilepress.jobs.doctor.known import Decoded, decode_known
from tilepress.jobs.doctor.machine import gpu, processor, versions
from tilepress.pipeline.errors import AlreadyExists, TilepressError, TransientStorageError
from tilepress.pipeline.storage.base import Location
from tilepress.pipeline.storage.creating import create_once, holds
from tilepress.pipeline.storage.retry import retrying


@dataclass(frozen=True)
class SharedPlace:
    """A storage that all nodes are to reach, an object that the driver has made there, and names to race for."""

    location: Location
    name: str
    content: bytes
    races: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What a node is asked. `streams`: see `known_streams`; `write`: a name for the node's own object in the place."""

    streams: tuple[Mapping[str, Any], ...]
    place: SharedPlace | None = None
    write: str = ""


@dataclass(frozen=True)
class Answer:
    """What a node says of itself.

    `storage`: what is wrong with the place from there; `untried`: why that could not be found out, however often it was
    tried.
    """

    versions: Mapping[str, str]
    processor: str
    now: float  # seconds since 1970, by the node's clock
    decoded: Decoded
    storage: str = ""
    won: tuple[str, ...] = ()  # of the names to race for, those that this node created
    untried: str = ""


def answer(question: Question) -> Answer:
    """Return what this node has to say, by its processor alone."""
    now, problem, untried, won = time.time(), "", "", list[str]()
    if question.place is not None:
        try:
            problem = _use(question.place, question.write, won)
        except TransientStorageError as exc:  # a promise neither kept nor broken
            untried = str(exc)
        except TilepressError as exc:
            problem = str(exc)
    return Answer(versions(), processor(), now, decode_known(question.streams), problem, tuple(won), untried)


def _use(place: SharedPlace, write: str, won: list[str]) -> str:
    """Read, write and race, and return why the place is not the driver's as seen from here; names won are added.

    What fails transiently is tried again, after the storage itself has: of many nodes that begin at once some may have
    to wait. TransientStorageError where that does not help.
    """
    storage, mine = place.location.open(), write.encode()
    # MissingError where the driver has gone and cleared the place
    if retrying(lambda: storage.read(place.name)) != place.content:
        return "it reads another content than the driver wrote"
    for name in (write, *place.races):
        try:
            create_once(partial(storage.create, name, mine), partial(holds, storage, name, mine))
        except AlreadyExists:
            if name == write:
                raise
            continue
        won += [name] if name != write else []
    return ""


@dataclass(frozen=True)
class GpuAnswer:
    """What a node says of a GPU that Ray promises it."""

    seen: Finding
    decoded: Decoded | None  # by the GPU, where it is seen


def answer_on_gpu(question: Question) -> GpuAnswer:
    """Return whether the GPU computes, and whether networks on it decode exactly."""
    seen = gpu(expected=True)
    models = [entry for entry in question.streams if "model" in entry]
    return GpuAnswer(seen, decode_known(models, "cuda") if seen.outcome == OK else None)
