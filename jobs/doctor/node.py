"""What a node of a cluster is asked: its versions, whether it decodes exactly, whether it reaches the storage."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tilepress.jobs.doctor.checks import OK, Finding
from tilepress.jobs.doctor.known import Decoded, decode_known
from tilepress.jobs.doctor.machine import gpu, processor, versions
from tilepress.pipeline.errors import TilepressError
from tilepress.pipeline.storage.base import Location


@dataclass(frozen=True)
class SharedPlace:
    """A storage that all nodes are to reach, and an object that the driver has made there."""

    location: Location
    name: str
    content: bytes


@dataclass(frozen=True)
class Question:
    """What a node is asked. `streams`: see `known_streams`; `write`: a name for the node's own object in the place."""

    streams: tuple[Mapping[str, Any], ...]
    place: SharedPlace | None = None
    write: str = ""


@dataclass(frozen=True)
class Answer:
    """What a node says of itself; `storage`: what is wrong with it from there."""

    versions: Mapping[str, str]
    processor: str
    now: float  # seconds since 1970, by the node's clock
    decoded: Decoded
    storage: str = ""


def answer(question: Question) -> Answer:
    """Return what this node has to say, by its processor alone."""
    now, storage = time.time(), ""
    if question.place is not None:
        storage = _problem_of(question.place, question.write)
    return Answer(versions(), processor(), now, decode_known(question.streams), storage)


def _problem_of(place: SharedPlace, write: str) -> str:
    """Why the place is not the driver's as seen from here."""
    try:
        storage = place.location.open()
        if storage.read(place.name) != place.content:
            return "it reads another content than the driver wrote"
        storage.create(write, write.encode())
    except TilepressError as exc:
        return str(exc)
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
