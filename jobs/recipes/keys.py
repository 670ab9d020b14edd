"""Keys of recipes as people write them: a YAML's, `key=value` over them, each of the type of its default."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from tilepress.pipeline.errors import UsageError

# ValueError: a date or a number that Python refuses. RecursionError: endless nesting.
_NO_YAML = (yaml.YAMLError, ValueError, RecursionError)
_WIDE = 112  # characters of a line


def read_keys(path: Path) -> dict[str, Any]:
    """Return the keys of a YAML. UsageError if it is not one."""
    try:
        keys = yaml.safe_load(path.read_text())
    except (OSError, *_NO_YAML) as exc:
        raise UsageError(f"{path} is not a readable YAML file: {exc}") from exc
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys):
        raise UsageError(f"{path} is not a mapping of keys to values")
    return keys


def override_keys(override: str, keys: dict[str, Any], model: dict[str, Any], common: Mapping[str, Any]) -> None:
    """Set one `key=value`, among `keys` if it is one of the `common` ones, else among those of `model`. UsageError."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UsageError(f"{override!r} is not of the form key=value")
    try:
        value = yaml.safe_load(text)
    except _NO_YAML as exc:
        raise UsageError(f"{key}: the value is not YAML: {exc}") from exc
    if key in common:
        keys[key] = value
    else:
        model[key.removeprefix("model.")] = value


def checked(given: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """`given` with the types of `defaults`; UsageError for unknown keys and values of another type."""
    out = {}
    for key, value in given.items():
        if key not in defaults:
            near = difflib.get_close_matches(str(key), list(defaults), n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"there is no key {f'{prefix}{key}'!r}.{hint} There are: {', '.join(defaults)}")
        out[key] = _typed(value, defaults[key], prefix + key)
    return out


def _typed(value: Any, default: Any, key: str) -> Any:
    if isinstance(default, float) and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            number = float(value)  # YAML reads 1e-3 as text
            if math.isfinite(number):
                return number
    elif isinstance(default, Mapping) and isinstance(value, Mapping):
        return checked(value, default, f"{key}.")
    elif isinstance(default, (tuple, list)) and isinstance(value, (tuple, list)):
        return [_typed(item, default[0], key) for item in value] if default else list(value)
    elif type(value) is type(default):
        return value
    raise UsageError(f"{key} must be like {default!r}, not {value!r}")


def yaml_with_notes(keys: Mapping[str, Any], notes: Mapping[str, str], prefix: str = "") -> str:
    """Return keys as a YAML, the note on each as a comment above it.

    Args:
        keys: Values, as `read_keys` returns them.
        notes: By key; those of keys of a mapping are called "mapping.key". A key without one has no comment.
        prefix: What the keys are called in `notes`, before their own names.
    """
    lines = []
    for key, value in keys.items():
        note = notes.get(prefix + key)
        lines += [f"# {note}"] if note else []
        below = f"{prefix}{key}."
        if isinstance(value, Mapping) and any(name.startswith(below) for name in notes):
            lines += [f"{key}:", indent(yaml_with_notes(value, notes, below).rstrip(), "  ")]
        else:
            flow = None if isinstance(value, (Mapping, list)) else False  # lists that hold no lists on one line
            lines.append(yaml.safe_dump({key: value}, sort_keys=False, default_flow_style=flow, width=_WIDE).rstrip())
    return "\n".join(lines) + "\n"
