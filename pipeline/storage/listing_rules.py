"""What a listing of a storage leaves out, what links become in it, and who hears of the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OnSkip = Callable[[str, str], None]  # (name, why it is no object that can be read)

READ, KEEP, FOLLOW = "read", "keep", "follow"  # what links become: see ListingRules


def _all_folders(name: str) -> bool:
    """Look into every folder."""
    return True


def _ignore(name: str, reason: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class ListingRules:
    """Which local folders a listing looks into, what links become, and who hears of what it leaves out.

    `enter(name)`, of a folder's name with a "/" at its end, says whether to look into it; object stores have no folders
    and list all. `on_skip` hears of what is there and is no object: pipes, devices, links that are not followed; and of
    links that are kept and lead out of the root.
    `on_unreadable` hears of files and folders ("/" at the end) that this process may not read; with None, the first of
    them ends the listing with StorageError: whoever lists an archive must know of every file.

    `links`: with READ, a link to a file is that file, and one to a folder is left out. With KEEP, links are entries of
    their own; with FOLLOW, they are what they lead to, but for folders that they lie in. With both, folders are
    entries too that are empty, or have a mode that is none of those that systems make them with.
    """

    enter: Callable[[str], bool] = _all_folders
    on_skip: OnSkip = _ignore
    on_unreadable: OnSkip | None = None
    links: str = READ


ALL = ListingRules()
