"""The one file that a page of HTML becomes, at a local path or a URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tilepress.jobs.pages.render import MARK
from tilepress.pipeline.errors import MissingError, UsageError
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.creating import require_writable

_SUFFIXES = (".html", ".htm")
_BEGINNING = 1024  # bytes, in which a page says what wrote it


def require_page_name(parameter: str, file: str | None) -> None:
    """UsageError unless a file is named as a page, or none is; a folder that was meant is found before any work."""
    if file is not None and not file.endswith(_SUFFIXES):
        raise UsageError(f"`{parameter}` {file!r} is no name of a page: it ends in .html")


def require_page_place(parameter: str, file: str | None, storage_options: Mapping[str, Any]) -> None:
    """Raise what would keep a page from being written at the end of long work, before there is any; None: no page.

    A page of tilepress may be replaced. UsageError where anything else has that name, or the name is no page's;
    StorageError where nothing can be written.
    """
    require_page_name(parameter, file)
    if file is not None:
        storage, name = page_file(file, storage_options)
        require_replaceable(parameter, storage, name)
        require_writable(storage, f"{name}.writable")


def require_replaceable(parameter: str, storage: Storage, name: str) -> bool:
    """Tell whether there is a page of that name; UsageError where it is a file that tilepress did not write."""
    try:
        size = storage.size(name)
    except MissingError:  # or not even the folder is there
        return False
    (beginning,) = storage.read_ranges(name, [(0, min(size, _BEGINNING))])
    if MARK.encode() not in bytes(beginning):
        raise UsageError(
            f"`{parameter}` {storage.url}/{name} is no page that tilepress wrote, and is not replaced: "
            "choose another name, or move that file away"
        )
    return True


def page_file(file: str, storage_options: Mapping[str, Any]) -> tuple[Storage, str]:
    """Return the folder of a page, which need not be there yet, and the page's name in it."""
    folder, slash, name = file.rpartition("/")
    return open_storage(folder or slash or ".", storage_options), name
