"""Creating an object once, though answers get lost: what is there then is compared with what was sent.

A request that creates and whose answer is lost may have been carried out. Sent again, it is refused, by the very object
that it made. Every storage sends such requests through `create_once`, so that none of their callers need know of this.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tilepress.pipeline.errors import AlreadyExists, MissingError, StorageError, TransientStorageError
from tilepress.pipeline.storage.base import Buffer, Storage
from tilepress.pipeline.storage.retry import retrying

_BLOCK = 1 << 20
_TRIAL = b"tilepress wrote this file to see whether it can, and removes it at once. It may be removed.\n"

Content = Buffer | Path  # bytes, or a local file of them
Reader = Callable[[int, int], bytes]  # (offset, length) -> bytes
InDoubt = Callable[[TransientStorageError], bool]  # whether a request that failed so may have been carried out


def always(error: TransientStorageError) -> bool:
    """Return True: whatever the error, the request may have been carried out."""
    return True


def create_once(request: Callable[[], object], is_same: Callable[[], bool], in_doubt: InDoubt = always) -> None:
    """Send a request that creates an object, again while it fails transiently, until the object is there.

    AlreadyExists if the object there is somebody else's: no attempt before can have made it, or it has other content.

    Args:
        request: Creates the object, or raises AlreadyExists. MissingError if what it is to finish is gone, as an upload
            is that an earlier attempt finished.
        is_same: Tells whether the object is there with the content that `request` sends: see `holds`.
        in_doubt: Tells whether a request that failed so may have been carried out.
    """
    doubt = False

    def attempt() -> None:
        nonlocal doubt
        try:
            request()
        except TransientStorageError as exc:
            doubt = doubt or in_doubt(exc)
            raise

    try:
        retrying(attempt)
    except (AlreadyExists, MissingError):
        if not (doubt and is_same()):
            raise


def require_writable(storage: Storage, name: str) -> None:
    """Raise the StorageError with which creating fails in a place, so that it is known before long work.

    Permissions are not asked for: read-only mounts, quotas and policies of buckets show only when one writes.

    Args:
        storage: The place, in which nothing is left but where nothing may be removed, as in archives of some.
        name: Of a file that nothing else has; what a killed command left of it is as good as what is written now.
    """
    with contextlib.suppress(AlreadyExists):
        storage.create(name, _TRIAL)
    with contextlib.suppress(StorageError):
        storage.remove(name)


def size_of(content: Content) -> int:
    """Return the size of a buffer or a local file in bytes."""
    return content.stat().st_size if isinstance(content, Path) else memoryview(content).nbytes


def holds(storage: Storage, name: str, content: Content) -> bool:
    """Tell whether the object of that name is there and has this content; a block in memory at a time."""
    with reader_of(content) as (size, read):
        try:
            if storage.size(name) != size:
                return False
            with storage.open_source(name) as there:
                blocks = range(0, max(size, len(there)), _BLOCK)
                return all(there[start : start + _BLOCK] == read(start, _BLOCK) for start in blocks)
        except MissingError:  # or a folder, or a link that leads nowhere
            return False


@contextlib.contextmanager
def reader_of(content: Content) -> Iterator[tuple[int, Reader]]:
    """Open a buffer or a local file: its size in bytes, and access to any section."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            yield (
                os.fstat(file.fileno()).st_size,
                lambda offset, length: os.pread(file.fileno(), length, offset),
            )
    else:
        with memoryview(content) as raw, raw.cast("B") as view:
            yield len(view), lambda offset, length: bytes(view[offset : offset + length])
