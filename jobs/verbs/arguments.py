"""What a verb was given, compared with its signature before anything is done: types, words and ranges."""

import os
from collections.abc import Iterable, Mapping, Sequence
from inspect import BoundArguments, Parameter
from numbers import Integral, Real
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from tilepress.pipeline.errors import UsageError

_WORDS = {int: "an integer", float: "a number", bool: "True or False", str: "a text", Path: "a Path", NoneType: "None"}
_NUMBERS: dict[Any, Any] = {int: Integral, float: Real}  # what is taken as one: numpy's are, too
_SHOWN = 40  # characters of a wrong value in a message


class _MismatchError(Exception):
    """A value is not of the type of its parameter."""


def check_arguments(given: BoundArguments) -> None:
    """Compare the arguments of a verb with its signature, and make them plain: numpy's 3 becomes Python's, a list a
    tuple.

    Args:
        given: The arguments. Each parameter is annotated with a type and typer's option; defaults are left alone.

    Raises:
        UsageError: An argument is of another type, is none of the words that there are, or is outside the range that
            the option states. The message names the parameter, and what it takes.
    """
    for name, value in given.arguments.items():
        parameter = given.signature.parameters[name]
        type_, option = get_args(parameter.annotation)
        if parameter.kind is Parameter.VAR_POSITIONAL:
            type_ = GenericAlias(Sequence, (type_,))
        try:
            plain = given.arguments[name] = _plain(value, type_)
        except _MismatchError:
            raise UsageError(f"`{name}` takes {_words(type_)}, not {_shown(value, type_)}") from None
        _check_range(name, plain, getattr(option, "min", None), getattr(option, "max", None))


def _plain(value: Any, type_: Any) -> Any:
    """The value as one of that type; _MismatchError if it is none."""
    kinds = get_args(type_)
    if isinstance(type_, UnionType):
        return _plain(value, next((kind for kind in kinds if _fits(value, kind)), NoneType))
    if get_origin(type_) is Sequence:
        return tuple(_plain(each, kinds[0]) for each in _sequence(value))
    if get_origin(type_) is tuple:
        return tuple(_plain(each, kind) for each, kind in zip(_sequence(value, len(kinds)), kinds, strict=True))
    if get_origin(type_) is Mapping:
        return _mapping(value, *kinds)
    if get_origin(type_) is Literal:
        _require(isinstance(value, str) and value in kinds)
    elif type_ is Path:
        _require(isinstance(value, os.PathLike))
    elif type_ is not Any:
        _require(isinstance(value, _NUMBERS.get(type_, type_)) and (type_ is bool or not isinstance(value, bool)))
    return type_(value) if type_ in _NUMBERS else value


def _fits(value: Any, type_: Any) -> bool:
    try:
        _plain(value, type_)
    except _MismatchError:
        return False
    return True


def _require(right: bool) -> None:
    if not right:
        raise _MismatchError


def _sequence(value: Any, length: int | None = None) -> Sequence[Any]:
    """The value, if it is a sequence; a text, which is one of characters, is none."""
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or len(value) != (length or len(value)):
        raise _MismatchError
    return value


def _mapping(value: Any, key: Any, item: Any) -> Mapping[Any, Any]:
    """The value, if it is a mapping; one of whatever is left alone: options of storage are secret, as is their type."""
    if not isinstance(value, Mapping) or not all(_fits(each, key) for each in value):
        raise _MismatchError
    return value if item is Any else {_plain(each, key): _plain(of_it, item) for each, of_it in value.items()}


def _check_range(name: str, value: Any, low: float | None, high: float | None) -> None:
    if not isinstance(value, (int, float)):
        return
    if low is not None and not value >= low and high is None:
        raise UsageError(f"`{name}` must be at least {low}, not {value}")
    if low is not None and high is not None and not low <= value <= high:
        raise UsageError(f"`{name}` {value} is not within {low} to {high}")


def _words(type_: Any) -> str:
    """The words for a type: "an integer or None"."""
    kinds = get_args(type_)
    if isinstance(type_, UnionType):
        return _either(map(_words, kinds))
    if get_origin(type_) is Literal:
        return _either(map(repr, kinds))
    if get_origin(type_) is Sequence:
        return f"a list, each {_words(kinds[0])}"
    if get_origin(type_) is tuple:
        return f"a tuple of {len(kinds)}, each {_words(kinds[0])}"
    if get_origin(type_) is Mapping:
        return "a mapping" + ("" if kinds[1] is Any else f" of texts, each to {_words(kinds[1])}")
    return _WORDS[type_]


def _either(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _shown(value: Any, type_: Any) -> str:
    """The value, if it is short and no secret; else the name of its type."""
    text = repr(value)
    is_secret = get_origin(type_) is Mapping
    return type(value).__name__ if is_secret or len(text) > _SHOWN else text
