"""Variables in job files: `${NAME}`, `${NAME:-default}`, and `$$` for a dollar sign.

They are expanded in texts that YAML has read already, so that a value cannot become structure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tilepress.jobs.submission.secrets import is_secret_name
from tilepress.pipeline.errors import UsageError

_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}|(?P<wrong>\{))", re.A)


def expanded(content: Any, variables: Mapping[str, str], where: str) -> Any:
    """Return what a YAML file holds with every variable in its texts expanded; keys stay as they are.

    UsageError for a variable that is not set and has no default, for one that would hold a secret, and for a `${` that
    begins no variable; `where` names the place in the message.
    """
    if isinstance(content, str):
        return _REFERENCE.sub(lambda match: _value(match, variables, where), content)
    if isinstance(content, dict):
        return {key: expanded(value, variables, f"{where}.{key}") for key, value in content.items()}
    if isinstance(content, list):
        return [expanded(value, variables, f"{where}[{at}]") for at, value in enumerate(content)]
    return content


def _value(match: re.Match[str], variables: Mapping[str, str], where: str) -> str:
    if match["dollar"]:
        return "$"
    name, default = match["name"], match["default"]
    if name is None:
        raise UsageError(f"{where}: `${{` begins no variable such as ${{NAME}} or ${{NAME:-default}}; $$ is a dollar")
    if is_secret_name(name):
        raise UsageError(
            f"{where}: ${{{name}}} would write a secret into the job. Say under `secrets` where it is, such as "
            f"{name}: {{env: {name}}}"
        )
    value = variables.get(name) or default
    if value is None:
        raise UsageError(f"{where}: the variable {name} is not set, and ${{{name}:-default}} would give it a default")
    return value
