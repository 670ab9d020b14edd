"""Removing originals: only what is proven, a moment before, to be the very content that is meant."""

from __future__ import annotations

import hashlib
import secrets

from tilepress.pipeline.errors import AlreadyExists, ChangedError, MissingError, UsageError
from tilepress.pipeline.storage.base import ListedFile, Storage, located
from tilepress.pipeline.storage.local import LocalStorage, Translating
from tilepress.pipeline.storage.local_remove import remove_local

_NO_TAG = "tilepress"  # no store gives an ETag like that


class Remover:
    """Removes files of one storage. UsageError for a storage of which it cannot prove enough."""

    def __init__(self, storage: Storage, conditional: bool | None = None) -> None:
        """Touch nothing yet. `conditional`: what `is_conditional` said before, so that nobody asks the store again."""
        # Imported here: local folders do without botocore.
        from tilepress.pipeline.storage.s3.bucket import S3Storage

        if not isinstance(storage, LocalStorage | S3Storage):
            raise UsageError(f"{storage.url}: originals are removed from local folders and from S3 only")
        self._storage = storage
        self._conditional = conditional

    @property
    def is_conditional(self) -> bool:
        """Whether the file that was read is removed, or none: not so of stores that know no conditional deletion.

        To find out, the store is told to delete an object that there is not, under a condition that cannot hold. That
        leaves a delete marker where versions are kept and conditions ignored: one process asks, and tells the others.
        """
        if isinstance(self._storage, LocalStorage):
            return True
        if self._conditional is None:
            try:
                self._storage.remove_version(f".tilepress-{secrets.token_hex(16)}", _NO_TAG)
                self._conditional = False
            except (AlreadyExists, MissingError):
                self._conditional = True
        return self._conditional

    def remove(self, entry: ListedFile, sha256: bytes) -> None:
        """Remove a file as it was listed, if its content, read again, has this SHA-256.

        ChangedError where it is another file by now, UnsafeName where links lead to or from it, MissingError where it
        is gone.
        """
        storage = self._storage
        if isinstance(storage, LocalStorage):
            with Translating(f"{storage.url}/{entry.name}"):
                remove_local(storage.url, entry, sha256)
            return
        where = f"{storage.url}/{entry.name}"
        with storage.open_source(entry.name, entry.locator, expect=entry) as data:
            if not entry.etag or hashlib.sha256(data).digest() != sha256:
                raise ChangedError(f"{where} is not the file that was certified")
        if not self.is_conditional and storage.stat(entry.name, entry.locator).fingerprint != entry.fingerprint:
            raise ChangedError(f"{where} changed while it was read")
        name = located(entry.name, entry.locator)
        try:
            storage.remove_version(name, entry.etag)
        except (AlreadyExists, MissingError) as exc:  # HTTP 412, 404: the condition did not hold
            # The request may have been sent before, by us or by aiohttp without a word, and its answer been lost: what
            # was there when it was read and is gone now is removed. What is there is another object, and stays.
            if storage.exists(name):
                raise ChangedError(f"{where} changed while it was read") from exc
