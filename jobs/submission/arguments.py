"""The arguments of a job's verb: compared with the signature of the verb, and spelled as words of its command."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from inspect import Parameter
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import typer

import tilepress
from tilepress.jobs.verbs.arguments import check_arguments
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.sources.file_list import LIST_PREFIX
from tilepress.pipeline.storage.data_urls import place_from_data

_NOT_OFFERED = ("quiet", "storage_options")  # of Python only: see jobs/verbs/parameters.py


def check_job_arguments(verb: str, given: Mapping[str, Any], place: str) -> None:
    """UsageError where the command of the verb would refuse an argument: its name, type, words or range.

    And where an argument names a place that data may not name: whoever submits a file may not have written it.
    """
    try:
        known = _parameters(verb)
        values = {name: _value(value, known[name]) for name, value in _by_parameter(verb, known, given).items()}
        missing = [name for name, each in known.items() if each.default is Parameter.empty and name not in values]
        if missing:
            raise UsageError(f"{verb} takes {', '.join(f'`{name}`' for name in missing)}, which is not given")
        signature = inspect.Signature([each.replace(kind=Parameter.KEYWORD_ONLY) for each in known.values()])
        check_arguments(signature.bind(**values))
        for name, value in values.items():
            if _is_place(known[name].annotation):
                for text in [value] if isinstance(value, str) else value or ():
                    place_from_data(str(text).removeprefix(LIST_PREFIX), f"`{name}`")
    except UsageError as exc:
        raise UsageError(f"{place}: arguments: {exc}") from None


def _is_place(type_: Any) -> bool:
    """Whether a type is that of a place, or of several."""
    return type_ is Path or any(map(_is_place, get_args(type_)))


def argument(verb: str, given: Mapping[str, Any], name: str) -> str | None:
    """Return an argument as text, None if it is not given; by the name of its parameter."""
    value = _by_parameter(verb, _parameters(verb), given).get(name)
    return None if value is None else str(value)


def command_words(verb: str, given: Mapping[str, Any]) -> list[str]:
    """Return the words of the command: the verb, its options, and its arguments behind `--`."""
    known = _parameters(verb)
    values = _by_parameter(verb, known, given)
    options, arguments = [], []
    for name, parameter in known.items():
        if name in values and values[name] is not None:
            if _is_argument(parameter):
                arguments += _texts(values[name], parameter)
            else:
                options += list(_option(values[name], parameter))
    return [verb, *options, "--", *arguments]


def _parameters(verb: str) -> dict[str, Parameter]:
    signature = inspect.signature(getattr(tilepress, verb))
    return {name: each for name, each in signature.parameters.items() if name not in _NOT_OFFERED}


def _by_parameter(verb: str, known: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by the names of parameters; they may be given by those of options, and with hyphens."""
    names = {_spelled(option): name for name, each in known.items() for option in (name, *_option_names(each))}
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = names.get(_spelled(key))
        if name is None:
            near = get_close_matches(_spelled(key), names, 1, 0.5)
            hint = f"did you mean `{names[near[0]]}`?" if near else f"it takes {', '.join(known)}"
            raise UsageError(f"`{key}` is no argument of {verb}; {hint}")
        if name in found:
            raise UsageError(f"`{name}` is given twice, once as `{key}`")
        found[name] = value
    return found


def _spelled(name: str) -> str:
    return str(name).lstrip("-").replace("-", "_")


def _option_names(parameter: Parameter) -> list[str]:
    """The names of an option that are said for it, if any are: "--codec"; of an argument none."""
    option = get_args(parameter.annotation)[1]
    names = () if option.default is ... else (option.default, *(option.param_decls or ()))
    return [name for name in names if isinstance(name, str) and name.startswith("--")]


def _is_argument(parameter: Parameter) -> bool:
    return isinstance(get_args(parameter.annotation)[1], typer.models.ArgumentInfo)


def _value(value: Any, parameter: Parameter) -> Any:
    """A value of the file as Python callers would give it: texts are read as the command reads them."""
    type_, option = get_args(parameter.annotation)
    if not isinstance(value, str):
        return value
    if option.parser is not None:
        try:
            return option.parser(value)
        except typer.BadParameter as exc:
            raise UsageError(f"`{parameter.name}`: {exc.message}") from None
    for kind in (int, float):
        if kind in (type_, *get_args(type_)):
            try:
                return kind(value)
            except ValueError:
                continue
    return value


def _option(value: Any, parameter: Parameter) -> Iterator[str]:
    name = (_option_names(parameter) or [f"--{parameter.name.replace('_', '-')}"])[-1]
    if isinstance(value, bool):
        if value:
            yield name
        return
    for text in _texts(value, parameter):
        yield f"{name}={text}"


def _texts(value: Any, parameter: Parameter) -> list[str]:
    """The texts of a value, one for each time that its option is said."""
    type_, option = get_args(parameter.annotation)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return [str(value)]
    if option.parser is None:
        return [str(each) for each in value]
    return [("/" if get_origin(_plain(type_)) is tuple else ",").join(map(str, value))]


def _plain(type_: Any) -> Any:
    """A type, or the first kind of a union."""
    return get_args(type_)[0] if isinstance(type_, UnionType) else type_
