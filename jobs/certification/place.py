"""Where in the archive a certificate lies: certificates/DATE-RUN-MACHINE, with the key's beginning if it is signed."""

from __future__ import annotations

import re
from contextlib import suppress

from tilepress.jobs.certification.certificate import CERTIFICATE, IN_ARCHIVE
from tilepress.pipeline.archive import dates
from tilepress.pipeline.engine.machine import this_machine
from tilepress.pipeline.errors import StorageError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.storage.base import Storage

_NAME = re.compile(r"\d{4}-\d\d-\d\d-\d{4,6}-[0-9a-f]{8}(-[0-9a-f]{8})?", re.ASCII)


def default_place(archive: Archive, signed_by: str) -> str:
    """Return the place of today's certificate of the newest run by this machine, or of one that was left unfinished."""
    storage, number = archive.storage, archive.runs[-1].run.number
    key = f"-{signed_by[:8]}" if signed_by else ""
    end = f"-{number:04d}-{this_machine()['machine'][:8]}{key}"
    begun = [name for name in names(storage) if name[len("2026-11-27") :] == end]
    unfinished = [name for name in begun if not storage.exists(f"{IN_ARCHIVE}{name}/{CERTIFICATE}")]
    return f"{storage.url}/{IN_ARCHIVE}{(unfinished or [dates.now()[:10] + end])[-1]}"


def names(archive: Storage) -> list[str]:
    """Return the names of the folders of certificates in an archive, oldest first; none where it gives no listing."""
    with suppress(StorageError):
        return [name for name in archive.folders(IN_ARCHIVE) if _NAME.fullmatch(name)]
    return []
