"""What is read and listed is what was just written: at once, in any range, under any name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tilepress.jobs.doctor.checks import BROKEN, LOOK, OK, Finding
from tilepress.jobs.doctor.scratch import Scratch
from tilepress.pipeline.errors import AlreadyExists, MissingError, StorageError, TransientStorageError
from tilepress.pipeline.storage.base import Storage

_OBJECTS = 20
_LISTED, _LISTED_THOROUGH = 30, 1100  # S3 lists a thousand a page
_THREADS = 8
_RANGED = 100_000  # bytes
_NAMES = (
    *("a b.png", "1+1=2 & more.png", "100%.png", "a%2Fb.png", "a.png?versionId=1", "a#1.png", 'it\'s "a".png'),
    *("back\\slash.png", "$HOME;`ls`.png", "~a.png", "-a.png", "line\nbreak.png", "tab\t.png", "end .png "),
    *("Gr\u00fc\u00dfe.png", "Gru\u0308\u00dfe.png", "\u6f22\u5b57.png", "\U0001f642.png", "\u202eabc.png"),
    *("CASE.png", "case.png", "x" * 200, "/".join("deep" for _ in range(12))),
)


def reachable(scratch: Scratch) -> Finding:
    """Write an object, read it and remove it."""
    name, storage = scratch.new("hello"), scratch.storage
    storage.create(name, b"hello")
    if storage.read(name) != b"hello":
        return Finding(BROKEN, "an object came back with another content")
    storage.remove(name)
    return Finding(OK, f"{storage.url.rpartition('/')[0]} can be written, read and cleared")


def read_after_write(scratch: Scratch) -> Finding:
    """Look for an object, create it, replace it and remove it, and read after each step."""
    wrong = [problem for number in range(_OBJECTS) if (problem := _life(scratch.storage, scratch.new(f"rw-{number}")))]
    if wrong:
        return Finding(BROKEN, f"{len(wrong)} of {_OBJECTS} objects: {wrong[0]}: a run could not trust what it reads")
    return Finding(OK, f"{_OBJECTS} objects were seen at once when they were created, replaced and removed")


def _life(storage: Storage, name: str) -> str:
    """What is wrong with the life of an object."""
    first, second = (hashlib.sha256(f"{name} {version}".encode()).digest() for version in (1, 2))
    if storage.exists(name):  # and a cache may remember that it is not there
        return "it is there before it was created"
    try:
        storage.create(name, first)
        if storage.read(name) != first or storage.size(name) != len(first):
            return "it was created, and something else was read"
        storage.write(name, second + first, overwrite=True)
        if storage.read(name) != second + first or storage.size(name) != len(second + first):
            return "it was replaced, and something else was read"
    except MissingError:
        return "it was written, and then not there"
    storage.remove(name)
    return "it was removed, and still there" if storage.exists(name) else ""


def ranges(scratch: Scratch) -> Finding:
    """Read ranges of an object: its ends, its middle, and beyond."""
    name, storage = scratch.new("ranges"), scratch.storage
    content = hashlib.shake_256(b"ranges").digest(_RANGED)
    storage.create(name, content)
    wanted = [(0, 1), (_RANGED - 1, 1), (1000, 50_000), (70_000, 0), (_RANGED - 300, 300)]
    if storage.read_ranges(name, wanted) != [content[start : start + length] for start, length in wanted]:
        return Finding(BROKEN, "a range came back with other bytes: no image of an archive could be read")
    try:
        storage.read_ranges(name, [(_RANGED - 10, 20)])
    except TransientStorageError:
        raise
    except StorageError:
        return Finding(OK, f"{len(wanted)} ranges came back exactly, and one beyond the end was refused")
    return Finding(BROKEN, "a range beyond the end of an object was answered: a torn object would go unnoticed")


def listing(scratch: Scratch, *, thorough: bool) -> Finding:
    """List objects right after they were created, and again after half of them were removed."""
    storage, count = scratch.storage, _LISTED_THOROUGH if thorough else _LISTED
    names = sorted(scratch.new(f"listing/{number % 3}/{number:04}") for number in range(count))
    _each(lambda name: storage.create(name, name.encode()), names)
    gone, kept = names[::2], names[1::2]
    if problem := _unlike(storage, names):
        return Finding(BROKEN, f"of {count} objects just created, {problem}: runs and their files could be overlooked")
    _each(storage.remove, gone)
    if problem := _unlike(storage, kept):
        return Finding(BROKEN, f"after {len(gone)} of {count} objects were removed, {problem}")
    return Finding(OK, f"{count:,} objects were listed at once and in order, and no more when they were removed")


def _unlike(storage: Storage, names: Sequence[str]) -> str:
    """How a listing differs from what there is."""
    found = [entry.name for entry in storage.list("listing/")]
    if found != list(names):
        missing, more = len(set(names) - set(found)), len(set(found) - set(names))
        return (
            f"{missing:,} were not listed, {more:,} were listed that are not there"
            if missing or more
            else ("all were listed, but out of order or twice")
        )
    folders = sorted({name.split("/")[1] for name in names})
    return "" if storage.folders("listing/") == folders else "folders were listed wrongly"


def _each(action: Callable[[str], None], names: Sequence[str]) -> None:
    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(action, names):
            pass


def names(scratch: Scratch) -> Finding:
    """Create objects of odd names, and find each under its own."""
    storage = scratch.storage
    wanted = {scratch.new(f"names/{name}"): f"content of {name}".encode() for name in _NAMES}
    refused = {name: why for name in wanted if (why := _refused(partial(storage.create, name, wanted[name])))}
    made = wanted.keys() - refused.keys()
    if mixed := [name for name in made if not _is(storage, name, wanted[name])]:
        return Finding(BROKEN, f"{mixed[0]!r} holds another object's content: files could come back as others")
    unlisted = made - {entry.name for entry in storage.list("names/")}
    troubles = (("refused", refused), ("not listed as they were created", unlisted))
    if told := [f"{what}: {', '.join(map(_shown, sorted(found)))}" for what, found in troubles if found]:
        return Finding(LOOK, f"archives are safe, sources and restored files here are not: {'; '.join(told)}")
    return Finding(OK, f"{len(wanted)} odd names (spaces, signs, scripts, case, length) are kept as they are")


def _shown(name: str) -> str:
    return repr(name.removeprefix("names/"))


def _refused(create: Callable[[], None]) -> str:
    try:
        create()
    except TransientStorageError:
        raise
    except AlreadyExists:
        return "the name of another"
    except StorageError as exc:
        return str(exc)
    return ""


def _is(storage: Storage, name: str, content: bytes) -> bool:
    try:
        return storage.read(name) == content
    except MissingError:
        return False
