"""The one file that a page of HTML becomes, at a local path or a URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.base import Storage, open_storage

_SUFFIXES = (".html", ".htm")


def require_page_name(parameter: str, file: str | None) -> None:
    """UsageError unless a file is named as a page, or none is; a folder that was meant is found before any work."""
    if file is not None and not file.endswith(_SUFFIXES):
        raise UsageError(f"`{parameter}` {file!r} is no name of a page: it ends in .html")


def page_file(file: str, storage_options: Mapping[str, Any]) -> tuple[Storage, str]:
    """Return the folder of a page, which need not be there yet, and the page's name in it."""
    folder, slash, name = file.rpartition("/")
    return open_storage(folder or slash or ".", storage_options), name
