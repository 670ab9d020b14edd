"""Parameters as the caller wrote them: messages say `max_error`, and the command line shows that as --max-error.

Messages and docstrings name a parameter in backticks, as Python callers know it. `spelled` is the one place that turns
such a name into the option or argument of a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_NAME = re.compile(r"`([a-z_]+)`")


def spelled(text: str, parameters: Iterable[Any]) -> str:
    """Return `text` with each of a command's `parameters` (typer's) as people type it; other words stay."""
    written = {parameter.name: _written(parameter) for parameter in parameters}
    return _NAME.sub(lambda match: written.get(match[1], match[0]), text)


def _written(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).strip(".[]")
    return str(max(parameter.opts, key=len))
