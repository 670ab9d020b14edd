"""Listing a local folder: recursive, sorted as object stores sort, one folder in memory at a time."""

# ruff: noqa: PTH114, PTH115, PTH116, PTH118 - names need not be Unicode

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import replace

from tilepress.pipeline.errors import StorageError
from tilepress.pipeline.storage.base import FOLDER, LINK, ListedFile
from tilepress.pipeline.storage.listing_rules import FOLLOW, KEEP, READ, ListingRules
from tilepress.pipeline.storage.own_names import shown_name

TEMPORARY_SUFFIX = ".tilepress-tmp"

_ORDINARY_MODES = {0o755, 0o775}  # of folders with files in them that are no entries: what systems make them with
_ADVICE = "permit it, or run as its owner"
_LOOP = "a link to a folder that it lies in, which is not followed: there would be no end"
_OUTSIDE = "a link out of the source: stored as a link, without what it leads to (following links stores that)"
_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class _Folder:
    """One folder on the way from the root to the present file: what of it is still to come."""

    def __init__(self, path: str, shown: str, raw: str, rules: ListingRules, stem: str = "") -> None:
        self.path, self.shown, self.raw = path, shown, raw
        self.identity = _identity(path) if rules.links == FOLLOW else None
        children = _children(path, shown, rules)
        # Popped from the end. A folder sorts as if its name ended in '/': its files' names go on with it.
        self.rest = sorted((child for child in children if child[0].startswith(stem)), reverse=True)

    def child(self, key: str, raw: str, rules: ListingRules) -> _Folder:
        return _Folder(f"{self.path}/{raw}", self.shown + key, f"{self.raw}{raw}/", rules)


def modified_ns(facts: os.stat_result) -> int:
    """Return the modification time; what 64 bits cannot hold (before 1677, after 2262) becomes the nearest they can."""
    return min(max(facts.st_mtime_ns, -(1 << 63)), (1 << 63) - 1)


def listed(name: str, facts: os.stat_result, locator: bytes = b"") -> ListedFile:
    """Return a file's entry; `locator`: its name in bytes where that is not UTF-8."""
    return entry_of(name, facts, locator, "", facts.st_size)


def entry_of(name: str, facts: os.stat_result, locator: bytes, kind: str, size: int) -> ListedFile:
    """Return the entry of a file, link or folder; `size`: of its content in bytes."""
    return ListedFile(name, size, "", modified_ns(facts), locator, stat.S_IMODE(facts.st_mode), locator, kind)


def walk(root: str, prefix: str, rules: ListingRules) -> Iterator[ListedFile]:
    """Yield the files below `root` whose name starts with `prefix`; see Storage.list and ListingRules.

    StorageError where the folder of `prefix` cannot be read, or any folder or file if nobody is to hear of those.
    """
    folder, slash, stem = prefix.rpartition("/")
    try:
        stack = [_Folder(f"{root}/{folder}" if folder else root, folder + slash, folder + slash, rules, stem)]
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
        try:
            if not key.endswith("/"):
                found = _entry(root, here, name, raw, rules)
            elif rules.enter(name):
                _enter(stack, here.child(key, raw, rules), rules)
        except OSError as exc:
            _tell(f"{here.path}/{raw}", name, exc, rules)
        if found is not None:
            yield found


def _tell(path: str, name: str, exc: OSError, rules: ListingRules) -> None:
    """The listing goes on without what vanished, and without what cannot be read if somebody hears of it."""
    if exc.errno in _NOTHING_THERE:
        rules.on_skip(name, "a link that leads nowhere" if os.path.islink(path) else "vanished while it was listed")
        return
    reason = f"it may not be read; {_ADVICE}" if isinstance(exc, PermissionError) else str(exc.strerror or exc)
    if rules.on_unreadable is None:
        raise StorageError(f"{path}: {reason}") from exc
    rules.on_unreadable(name, reason)


def _enter(stack: list[_Folder], child: _Folder, rules: ListingRules) -> None:
    """Go on with a folder, unless links led back to one of those that it lies in."""
    if child.identity is not None and child.identity in [folder.identity for folder in stack]:
        rules.on_skip(child.shown.rstrip("/"), _LOOP)
    else:
        stack.append(child)


def _identity(path: str) -> tuple[int, int]:
    facts = os.stat(path)
    return facts.st_dev, facts.st_ino


def _children(path: str, shown: str, rules: ListingRules) -> list[tuple[str, str]]:
    """(sort key, raw name) of everything in the folder; keys of folders to be looked into end in '/'."""
    with os.scandir(path) as items:
        found = [(item.name, _is_folder(item, follow=rules.links == FOLLOW)) for item in items]
    keyed = [(_shown(path, name), name, is_folder) for name, is_folder in found]
    return [
        (key + end, name)
        for key, name, is_folder in keyed
        for end in (_endings(f"{path}/{name}", f"{shown}{key}/", rules) if is_folder else ("",))
    ]


def _is_folder(item: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return item.is_dir(follow_symlinks=follow)
    except OSError:  # a link that leads to itself
        return False


def _endings(path: str, name: str, rules: ListingRules) -> tuple[str, ...]:
    """What a folder is: "" an entry itself, since it is empty or has a mode of its own; "/" one to be looked into.

    One that cannot be read is named when it is entered.
    """
    if rules.links == READ or not rules.enter(name):
        return ("/",)
    try:
        if _is_empty(path):
            return ("",)
        return ("/",) if stat.S_IMODE(os.stat(path).st_mode) in _ORDINARY_MODES else ("", "/")
    except OSError:
        return ("/",)


def _is_empty(path: str) -> bool:
    with os.scandir(path) as items:
        return next(items, None) is None


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


def _entry(root: str, folder: _Folder, shown: str, raw: str, rules: ListingRules) -> ListedFile | None:
    """The entry of what is no folder to be looked into, or None with a word to `on_skip`. OSError."""
    path, relative = f"{folder.path}/{raw}", folder.raw + raw
    facts = os.stat(path, follow_symlinks=rules.links != KEEP)
    locator = b"" if relative == shown else os.fsencode(relative)
    if raw.endswith(TEMPORARY_SUFFIX) and not stat.S_ISDIR(facts.st_mode):
        rules.on_skip(shown, "an unfinished temporary file of tilepress")
    elif stat.S_ISLNK(facts.st_mode):
        target = os.readlink(path)
        if _leads_out(root, folder.path, target):
            rules.on_skip(shown, _OUTSIDE)
        return entry_of(shown, facts, locator, LINK, len(os.fsencode(target)))
    elif stat.S_ISDIR(facts.st_mode) and rules.links != READ:
        entry = entry_of(shown, facts, locator, FOLDER, 0)
        # The time of a folder with files in it changes with any of them: only its mode is an entry's.
        return entry if _is_empty(path) else replace(entry, modified_ns=None)
    elif stat.S_ISDIR(facts.st_mode):
        rules.on_skip(shown, "a link to a folder, not followed")
    elif not stat.S_ISREG(facts.st_mode):
        rules.on_skip(shown, f"{_KINDS.get(stat.S_IFMT(facts.st_mode), 'a special file')}, not a file")
    else:
        return listed(shown, facts, locator)
    return None


def _leads_out(root: str, folder: str, target: str) -> bool:
    """Whether a link that lies in `folder` leads to a place that is not below `root`."""
    place, root = os.path.realpath(os.path.join(folder, target)), os.path.realpath(root)
    return os.path.commonpath((place, root)) != root
