"""A place of the doctor's own below the one that is checked, and the removal of everything in it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tilepress.pipeline.errors import MissingError, StorageError, TransientStorageError
from tilepress.pipeline.storage.base import Storage, local_path_of, open_storage
from tilepress.pipeline.storage.options import StorageOptions

_THREADS = 8
_WHENEVER_S = -86400.0  # age of leavings: also those that a server with another clock dates into the future


class Scratch:
    """An empty place, and the names that were made in it: a listing may fail to tell them."""

    def __init__(self, storage: Storage) -> None:
        """`storage`: the place itself, which nobody else writes to."""
        self.storage = storage
        self.left: list[str] = []  # URLs of what could not be removed
        self._names: dict[str, None] = {}

    def new(self, name: str) -> str:
        """Return a name that is about to be made; the object is removed at the end."""
        self._names[name] = None
        return name

    def clear(self) -> None:
        """Remove all objects, and what is unfinished; `left` says what is still there, or may be."""
        try:
            wanted = dict.fromkeys((*self._names, *self._listed()))
        except TransientStorageError:  # it does not answer: to try each name for a minute would help nobody
            self.left = [f"{self.storage.url}/{name}" for name in self._names]
            return
        with ThreadPoolExecutor(_THREADS) as threads:
            removed = threads.map(self._remove, wanted)
        left = [name for name, gone in zip(wanted, removed, strict=True) if not gone]
        with contextlib.suppress(StorageError):  # where nobody may list uploads, the check of them says so
            self.storage.remove_stale_temporaries("", _WHENEVER_S)
        with contextlib.suppress(TransientStorageError):
            left += self._listed()
        self.left = [f"{self.storage.url}/{name}" for name in dict.fromkeys(left)]

    def _listed(self) -> list[str]:
        """The names there; none where nobody may list them. TransientStorageError."""
        try:
            return [entry.name for entry in self.storage.list()]
        except TransientStorageError:
            raise
        except StorageError:
            return []

    def _remove(self, name: str) -> bool:
        """Whether the object is gone."""
        try:
            self.storage.remove(name)
        except MissingError:
            return True
        except StorageError:
            return False
        return True


@contextlib.contextmanager
def scratch_below(url: str, options: StorageOptions) -> Iterator[Scratch]:
    """Open a new place below `url`, a folder or bucket prefix; at the end, however it comes, nothing of it is left."""
    place = f"{url.rstrip('/')}/tilepress-doctor-{secrets.token_hex(6)}"
    scratch = Scratch(open_storage(place, options))
    path = local_path_of(place)
    above = [] if path is None else _missing_above(Path(path).absolute())
    try:
        yield scratch
    finally:
        scratch.clear()
        if path is not None:
            shutil.rmtree(path, ignore_errors=True)
            scratch.left = [scratch.storage.url] if os.path.lexists(path) else []
            for folder in above:
                with contextlib.suppress(OSError):  # somebody else has put something there
                    folder.rmdir()


def _missing_above(path: Path) -> list[Path]:
    """The folders above that are not there yet, the innermost first."""
    return [folder for folder in path.parents if not folder.exists()]
