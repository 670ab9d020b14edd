"""Retention: objects of an archive that the store itself keeps anyone from removing or replacing, for a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from tilepress.jobs.cli.meter import Meter
from tilepress.jobs.run_report.places import NAME as RUN_REPORT
from tilepress.pipeline.archive.audits import FOLDER as AUDITS
from tilepress.pipeline.compress.lease import FOLDER as LEASES
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.storage.base import ListedFile, Storage

if TYPE_CHECKING:
    from tilepress.pipeline.storage.s3.bucket import S3Storage

_THREADS = 8
_PASSING = (LEASES, AUDITS, RUN_REPORT)  # what is written anew all the time, or of no use to an image


def retaining(storage: Storage) -> S3Storage:
    """Return a storage whose objects can be retained; UsageError for others."""
    if not storage.url.startswith("s3://"):
        raise UsageError(f"{storage.url} retains nothing: `days` needs an S3 bucket with object lock")
    from tilepress.pipeline.storage.s3.bucket import S3Storage

    assert isinstance(storage, S3Storage)
    storage.require_retention()
    return storage


def retain(archive: Archive, until: datetime, mode: str, *, quiet: bool) -> tuple[int, int]:
    """Retain every object of the archive that is complete; return how many, and how many were for longer already.

    Args:
        archive: In a bucket with object lock; UsageError elsewhere.
        until: Up to when.
        mode: "governance" or "compliance".
        quiet: Show no progress.
    """
    storage, entries, done = retaining(archive.storage), list(_lasting(archive)), 0
    with (
        Meter("retain", sum(entry.size for entry in entries), quiet=quiet) as meter,
        ThreadPoolExecutor(_THREADS) as threads,
    ):
        set_ = partial(storage.retain, until=until, mode=mode)
        for entry, was_set in zip(entries, threads.map(set_, (entry.name for entry in entries)), strict=True):
            done += was_set
            meter.advance(bytes_in=entry.size, images=0)
    return done, len(entries) - done


def _lasting(archive: Archive) -> Iterator[ListedFile]:
    """The files of the archive, but for those of a run that is not complete."""
    unfinished = tuple(f"{view.run.folder}/" for view in archive.runs if not view.complete)
    for entry in archive.storage.list():
        base = entry.name.rpartition("/")[2]
        if not entry.name.startswith((*_PASSING, *unfinished)) and not base.startswith((".tilepress", "taken-")):
            yield entry
