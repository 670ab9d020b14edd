"""Where something is, as a caller may say it: a local path as text or `pathlib.Path`, or a URL as text."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tilepress.pipeline.errors import UsageError

Place = str | Path
_FLATTENED_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?!/)")


def place_text(place: Place) -> str:
    """Return the text of `place`; UsageError for a URL that was made a Path, which loses one of its slashes."""
    if isinstance(place, Path) and _FLATTENED_URL.match(str(place)):
        raise UsageError(f"{place} is a URL that became a Path and lost a slash: give URLs as text")
    return os.fspath(place)
