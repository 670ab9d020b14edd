"""What a command's log is written in: known before arguments are parsed, so that errors in them are written so, too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, cast, get_args

from typer.core import TyperOption

from tilepress.pipeline.errors import UsageError

LogFormat = Literal["text", "json"]
VARIABLE = "TILEPRESS_LOG"  # of the environment: the same as --log-format
_OPTION, _FILES = "--log-format", ("--log", "--log-file")


def log_format_option() -> TyperOption:
    """Return the option of every command; its value is taken by `log_format_of`."""
    return TyperOption(
        param_decls=[_OPTION],
        type=str,
        metavar="|".join(get_args(LogFormat)),
        expose_value=False,
        help="json: a log for machines, one object a line, on standard error or in the file of --log.",
    )


def log_format_of(arguments: Sequence[str]) -> LogFormat:
    """Return the format that arguments, or else the environment, ask for; UsageError for another one."""
    given = _value(arguments, _OPTION)
    asked = given or os.environ.get(VARIABLE) or "text"
    if asked not in get_args(LogFormat):
        raise UsageError(f"{_OPTION if given else VARIABLE} {asked!r} is not one of {', '.join(get_args(LogFormat))}")
    return cast(LogFormat, asked)


def names_log_file(arguments: Sequence[str]) -> bool:
    """Tell whether arguments name a file for the log."""
    return any(_value(arguments, name) for name in _FILES)


def _value(arguments: Sequence[str], option: str) -> str:
    """The last value of an option among arguments; "" where it has none."""
    value = ""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument == "--":
            break
        if argument == option:
            value = following
        elif argument.startswith(f"{option}="):
            value = argument.partition("=")[2]
    return value
