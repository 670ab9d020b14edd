"""What a listing of a storage leaves out, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OnSkip = Callable[[str, str], None]  # (name, why it is no object that can be read)


def _all_folders(name: str) -> bool:
    """Look into every folder."""
    return True


def _ignore(name: str, reason: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class ListingRules:
    """Which local folders a listing looks into, and who hears of what it leaves out.

    `enter(name)`, of a folder's name with a "/" at its end, says whether to look into it; object stores have no folders
    and list all. `on_skip` hears of what is there and is no object: links to folders, broken links, pipes, devices.
    `on_unreadable` hears of files and folders ("/" at the end) that this process may not read; with None, the first of
    them ends the listing with StorageError: whoever lists an archive must know of every file.
    """

    enter: Callable[[str], bool] = _all_folders
    on_skip: OnSkip = _ignore
    on_unreadable: OnSkip | None = None


ALL = ListingRules()
