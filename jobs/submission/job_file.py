"""From JOB.yaml to a Job: read, expanded, searched for secrets and checked, with messages that show no value."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from tilepress.jobs.submission.arguments import check_job_arguments
from tilepress.jobs.submission.expansion import expanded
from tilepress.jobs.submission.schema import Job
from tilepress.jobs.submission.secrets import is_secret_name, looks_secret
from tilepress.pipeline.errors import MissingError, UsageError
from tilepress.pipeline.storage.base import open_storage

_MAX_BYTES = 1 << 20
# What PyYAML raises; all but the first two where a value is not what it claims, such as 2026-99-99 and `!!int x`.
_UNREADABLE = (yaml.YAMLError, RecursionError, ValueError, AttributeError, LookupError, OverflowError, TypeError)
_REFERENCES = "secrets"  # the section whose names are those of secrets


def load_job(place: str) -> Job:
    """Return the job of a YAML file at a path or URL. UsageError for whatever is wrong with it, all of it at once."""
    return parse_job(_read(place), place)


def parse_job(data: bytes, place: str) -> Job:
    """Return the job that a YAML text describes; `place` names it in messages."""
    content = _yaml(data, place)
    if not isinstance(content, dict):
        raise UsageError(f"{place} is no job: it holds no mapping such as `verb: compress`")
    content = expanded(content, os.environ, place)
    found = [f"{where}: {problem}" for where, problem in _secrets(content, "")]
    if found:
        raise UsageError(f"{place}: {'; '.join(found)}")
    try:
        job = Job.model_validate(content)
    except ValidationError as exc:
        raise UsageError(f"{place}: {'; '.join(_messages(exc))}") from None  # the cause would show values
    check_job_arguments(job.verb, job.arguments, place)
    return job


def _read(place: str) -> bytes:
    folder, slash, name = place.rpartition("/")
    storage = open_storage(folder or slash or ".")
    try:
        if storage.size(name) > _MAX_BYTES:
            raise UsageError(f"{place} is no job: it is larger than {_MAX_BYTES:,} bytes")
        return storage.read(name)
    except MissingError as exc:
        raise UsageError(f"there is no job file {place}") from exc


class _Loader(yaml.SafeLoader):
    """YAML as values, in which a key twice is an error: the first of the two would be forgotten.

    So is an alias: by few of them a short text holds itself, or thousands of millions of values.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(None, None, "an alias (*NAME) stands for a value: write the value there")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        known = [key for key in keys if isinstance(key, Hashable)]
        if len(set(known)) < len(known):
            raise yaml.MarkedYAMLError(None, None, "a key is there twice", node.start_mark)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return found


def _yaml(data: bytes, place: str) -> Any:
    try:
        return yaml.load(data, _Loader)
    except _UNREADABLE as exc:  # whose text would quote the file
        mark = getattr(exc, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(exc, "problem", None) or f"a value cannot be read ({type(exc).__name__})"
        raise UsageError(f"{place} is no YAML{line}: {problem}") from None


def _secrets(content: Any, where: str) -> Iterator[tuple[str, str]]:
    """Each place that seems to hold a secret, and what to do about it."""
    if isinstance(content, dict):
        for key, value in content.items():
            place = f"{where}.{key}" if where else str(key)
            if looks_secret(str(key)):
                yield where or "the file", "a key looks like a secret"
            elif where != _REFERENCES and is_secret_name(str(key)) and isinstance(value, str) and key != "key":
                yield (
                    place,
                    f"say under `secrets` where it is, such as {key}: {{env: {key}}}; a job file holds no secret",
                )
            else:
                yield from _secrets(value, place)
    elif isinstance(content, list):
        for at, value in enumerate(content):
            yield from _secrets(value, f"{where}[{at}]")
    elif isinstance(content, str) and looks_secret(content):
        yield where, "this looks like a secret; say under `secrets` where it is, and never what it is"


def _messages(error: ValidationError) -> Iterator[str]:
    """One message for each thing that is wrong."""
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(part) for part in each["loc"] if part != "[key]")
        if each["type"] == "extra_forbidden":
            yield f"`{place}` is no key of a job{_nearest(each['loc'])}"
        elif each["type"] == "missing":
            yield f"`{place}` is missing"
        else:
            yield f"`{place}`: {each['msg'].removeprefix('Value error, ')}"


def _nearest(loc: tuple[int | str, ...]) -> str:
    """The known key that is nearest to an unknown one."""
    known = _keys(Job, loc[:-1])
    near = get_close_matches(str(loc[-1]), known, 1, 0.5)
    return f"; did you mean `{near[0]}`?" if near else f"; there are {', '.join(known)}"


def _keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the section at a place below a model."""
    for part in loc:
        field = model.model_fields.get(str(part))
        kinds = [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        model = inner[0] if inner else model
    return list(model.model_fields)
