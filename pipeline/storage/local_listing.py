"""Listing a local folder: recursive, sorted as object stores sort, one folder in memory at a time."""

# ruff: noqa: PTH114, PTH116 - names need not be Unicode

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from tilepress.pipeline.errors import StorageError
from tilepress.pipeline.storage.base import ListedFile
from tilepress.pipeline.storage.listing_rules import ListingRules, OnSkip
from tilepress.pipeline.storage.own_names import shown_name

TEMPORARY_SUFFIX = ".tilepress-tmp"

_ADVICE = "permit it, or run as its owner"
_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class _Folder:
    """One folder on the way from the root to the present file: what of it is still to come."""

    def __init__(self, path: str, shown: str, raw: str, stem: str = "") -> None:
        self.path, self.shown, self.raw = path, shown, raw
        children = _children(path)
        # Popped from the end. A folder sorts as if its name ended in '/': its files' names go on with it.
        self.rest = sorted((child for child in children if child[0].startswith(stem)), reverse=True)

    def child(self, key: str, raw: str) -> _Folder:
        return _Folder(f"{self.path}/{raw}", self.shown + key, f"{self.raw}{raw}/")


def modified_ns(facts: os.stat_result) -> int:
    """Return the modification time; what 64 bits cannot hold (before 1677, after 2262) becomes the nearest they can."""
    return min(max(facts.st_mtime_ns, -(1 << 63)), (1 << 63) - 1)


def listed(name: str, facts: os.stat_result, locator: bytes = b"") -> ListedFile:
    """Return a file's entry; `locator`: its name in bytes where that is not UTF-8."""
    permissions = stat.S_IMODE(facts.st_mode)
    return ListedFile(name, facts.st_size, "", modified_ns(facts), locator, permissions, locator)


def walk(root: str, prefix: str, rules: ListingRules) -> Iterator[ListedFile]:
    """Yield the files below `root` whose name starts with `prefix`; see Storage.list and ListingRules.

    StorageError where the folder of `prefix` cannot be read, or any folder or file if nobody is to hear of those.
    """
    folder, slash, stem = prefix.rpartition("/")
    try:
        stack = [_Folder(f"{root}/{folder}" if folder else root, folder + slash, folder + slash, stem)]
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as exc:
        raise StorageError(f"{root}/{folder}: it may not be read; {_ADVICE}") from exc
    while stack:
        here = stack[-1]
        if not here.rest:
            stack.pop()
            continue
        key, raw = here.rest.pop()
        name, found = here.shown + key, None
        with _told(f"{here.path}/{raw}", name, rules):
            if not key.endswith("/"):
                found = _entry(here, name, raw, rules.on_skip)
            elif rules.enter(name):
                stack.append(here.child(key, raw))
        if found is not None:
            yield found


@contextmanager
def _told(path: str, name: str, rules: ListingRules) -> Iterator[None]:
    """The listing goes on without what vanished, and without what cannot be read if somebody hears of it."""
    try:
        yield
    except OSError as exc:
        _tell(path, name, exc, rules)


def _tell(path: str, name: str, exc: OSError, rules: ListingRules) -> None:
    if exc.errno in _NOTHING_THERE:
        rules.on_skip(name, "a link that leads nowhere" if os.path.islink(path) else "vanished while it was listed")
        return
    reason = f"it may not be read; {_ADVICE}" if isinstance(exc, PermissionError) else str(exc.strerror or exc)
    if rules.on_unreadable is None:
        raise StorageError(f"{path}: {reason}") from exc
    rules.on_unreadable(name, reason)


def _children(path: str) -> list[tuple[str, str]]:
    """(sort key, raw name) of everything in the folder; keys of folders end in '/'."""
    with os.scandir(path) as items:
        found = [(item.name, item.is_dir(follow_symlinks=False)) for item in items]
    return [(_shown(path, name) + "/" * is_folder, name) for name, is_folder in found]


def _shown(folder: str, raw: str) -> str:
    """`raw` as valid Unicode, unlike any other name of the folder."""
    try:
        raw.encode()
    except UnicodeEncodeError:
        name = shown_name(os.fsencode(raw))
        while os.path.lexists(f"{folder}/{name}"):  # a file with this very spelling
            name += "\\x"
        return name
    return raw


def _entry(folder: _Folder, shown: str, raw: str, on_skip: OnSkip) -> ListedFile | None:
    """The file's entry, or None with a word to `on_skip`. OSError."""
    facts = os.stat(f"{folder.path}/{raw}")
    if stat.S_ISDIR(facts.st_mode):
        on_skip(shown, "a link to a folder, not followed")
    elif not stat.S_ISREG(facts.st_mode):
        on_skip(shown, f"{_KINDS.get(stat.S_IFMT(facts.st_mode), 'a special file')}, not a file")
    elif raw.endswith(TEMPORARY_SUFFIX):
        on_skip(shown, "an unfinished temporary file of tilepress")
    else:
        relative = folder.raw + raw
        locator = b"" if relative == shown else os.fsencode(relative)
        return listed(shown, facts, locator)
    return None
