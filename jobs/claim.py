"""How long work claims its place: asked for once, gone on with by the same request, refused to another one.

A request is what decides the outcome of a job, as plain values of JSON: places, patterns, codec, settings. The job
records its request in a file that is created and never replaced, so of several drivers one is first and the others go
on with the same. `compress` records it in the plan of a run, `evaluate` in evaluation.json, `train` in training.json;
a finished model carries it in its description.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from tilepress.pipeline.errors import AlreadyExists, MissingError, ResumeError, UsageError
from tilepress.pipeline.storage.base import Storage

Request = Mapping[str, Any]
Shown = Callable[[Request, Request], str]


def request_text(argument: str) -> str:
    """Return an argument as valid Unicode, for JSON and Parquet: bytes that are not UTF-8 become \\udcNN."""
    return argument.encode(errors="backslashreplace").decode()


def is_first(storage: Storage, name: str, record: bytes) -> bool:
    """Create the file that records a request; return False if it is there already, by whomever."""
    try:
        storage.create(name, record)
    except AlreadyExists:
        return False
    return True


def recorded_in(storage: Storage, name: str, but: Iterable[str] = ()) -> dict[str, Any]:
    """Return the request that a file in a place of work records as JSON; `but` names what else the file records.

    ResumeError if the file is damaged.
    """
    with suppress(ValueError, RecursionError, MissingError):
        found = json.loads(storage.read(name))
        if isinstance(found, dict) and found.keys() >= set(but):
            return {key: value for key, value in found.items() if key not in but}
    raise ResumeError(f"{storage.url}/{name} is damaged: remove {storage.url} to begin anew")


def require_same(recorded: Request, request: Request, *, holds: str, advice: str, shown: Shown | None = None) -> None:
    """Raise ResumeError unless what a place was begun with is what is asked for now.

    Args:
        recorded: The request that is recorded there.
        request: The request of now.
        holds: The place and what it holds, for the message: "s3://a/b holds another evaluation".
        advice: What to do about it: a sentence.
        shown: Makes the text of the differences; `differences` unless given.
    """
    if recorded != request:
        raise ResumeError(f"{holds}: {(shown or differences)(recorded, request)}. {advice}")


def differences(recorded: Request, request: Request) -> str:
    """Return "NAME was VALUE, now VALUE" for each key whose values differ, in the order of the keys."""
    names = [name for name in {**recorded, **request} if recorded.get(name) != request.get(name)]
    return ", ".join(f"{name} was {_value(recorded.get(name))}, now {_value(request.get(name))}" for name in names)


def _value(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) and value else repr(value)


def require_empty(storage: Storage, advice: str, but: Iterable[str] = ()) -> None:
    """Raise UsageError if a place that is to be filled holds any file, `but` names that an earlier attempt may leave.

    A place that does not exist is empty. `advice`: what to do about it, a sentence.
    """
    allowed = set(but)
    with suppress(MissingError):
        for entry in storage.list():
            if entry.name not in allowed:
                raise UsageError(f"{storage.url} holds other files, such as {entry.name}: {advice}")
