"""Texts without secrets: credentials in URLs are blotted out before a text is stored or shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tilepress.pipeline.storage.data_urls import PASSWORD

_BLOT = "***"
_USER = re.compile(rf"{PASSWORD}|(?<=://)[^/\s'\"]+(?=@)")  # of scheme://user:password@host
_SIGNED = re.compile(
    r"(?i)([?&;](?:[\w.-]*(?:signature|credential|token|secret|password|passwd|key)|sig)=)[^&;\s'\"]+"
)  # parameters of signed URLs
_NOT_KEPT = ("storage_options", "quiet")


def redacted(text: str) -> str:
    """Return a text in which users, passwords and signatures of URLs are three stars."""
    return _SIGNED.sub(rf"\1{_BLOT}", _USER.sub(_BLOT, text))


def safe_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a verb as values of JSON; those that hold credentials are left out."""
    return {name: _plain(value) for name, value in arguments.items() if name not in _NOT_KEPT}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return redacted(str(value).encode(errors="backslashreplace").decode())
