"""Whether something can be written to a place: found out before long work, at the end of which something is."""

from __future__ import annotations

from contextlib import suppress

from tilepress.pipeline.errors import AlreadyExists, StorageError
from tilepress.pipeline.storage.base import Storage

_TEXT = b"tilepress wrote this file to see whether it can, and removes it at once. It may be removed.\n"


def require_writable(storage: Storage, name: str) -> None:
    """Raise the StorageError with which writing fails; nothing is raised, and nothing is left, where it does not.

    What a permission says is not asked: read-only mounts, quotas and policies of buckets show only when one writes.

    Args:
        storage: The place.
        name: Of a file that nothing else has; one that a killed command left is as good as another.
    """
    with suppress(AlreadyExists):
        storage.create(name, _TEXT)
    with suppress(StorageError):  # what may be written need not be removable: archives are kept so, too
        storage.remove(name)
