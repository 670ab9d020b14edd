"""Names of local files that are not UTF-8: the bytes under which a file is to come back, and the name as text."""

from __future__ import annotations

import os


def shown_name(raw: bytes) -> str:
    """Return a name that is not UTF-8 as valid Unicode: odd bytes, and backslashes, are written `\\\\xNN`."""
    return raw.replace(b"\\", b"\\x5c").decode("utf-8", "backslashreplace")


def own_name(path: str, name: bytes) -> str:
    """Return the local name that stands for a file's own bytes; `path` where there are none, or they are of another."""
    parts, shown = name.split(b"/"), path.split("/")
    if not name or len(parts) != len(shown) or not all(map(_is_shown_as, parts, shown)):
        return path
    return os.fsdecode(name)


def _is_shown_as(raw: bytes, shown: str) -> bool:
    """Whether that is how a listing shows a name; it adds `\\\\x` where another file is called so already."""
    try:
        return raw.decode() == shown
    except UnicodeDecodeError:
        text = shown_name(raw)
        return shown.startswith(text) and not shown[len(text) :].replace("\\x", "")


def printable(text: str) -> str:
    """Return a text, of which local names may be parts, as valid Unicode."""
    return text.encode("utf-8", "backslashreplace").decode()
