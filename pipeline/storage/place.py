"""Where something is, as a caller may say it: a local path as text or `pathlib.Path`, or a URL as text."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.data_urls import require_no_secret

Place = str | Path
_FLATTENED_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/?(?!/)")


def place_text(place: Place) -> str:
    """Return the text of `place`. UsageError for an empty one, a URL with a password, and what is meant to be a URL.

    A URL that was made a Path loses one of its slashes; in a text they are forgotten: `s3:bucket`, `s3:/bucket`.
    """
    text = os.fspath(place)
    if not text.strip():  # of a variable that is not set, which would be the working folder
        raise UsageError("an empty text names no place: say . for the working folder")
    require_no_secret(text)
    flattened = _FLATTENED_URL.match(text)
    if flattened and isinstance(place, Path) and flattened[0].endswith("/"):
        raise UsageError(f"{place} is a URL that became a Path and lost a slash: give URLs as text")
    if flattened and _is_protocol(flattened[1].lower()):
        slashes = ":///" if flattened[1].lower() in ("file", "local") else "://"
        url = f"{flattened[1]}{slashes}{text[flattened.end() :]}"
        raise UsageError(f"{text} looks like a URL without its slashes: say {url}, or ./{text} for a local path")
    return text


def _is_protocol(scheme: str) -> bool:
    from fsspec.registry import known_implementations  # only here: importing it takes a tenth of a second

    return scheme in known_implementations
