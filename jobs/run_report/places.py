"""Where run reports lie: at the root of the archive that a command wrote, and wherever a caller wants one."""

from __future__ import annotations

from tilepress.jobs.run_report.report import MAX_BYTES, RunReport
from tilepress.pipeline.archive.layout import ARCHIVE_JSON
from tilepress.pipeline.errors import (
    AlreadyExists,
    ChangedError,
    IntegrityError,
    MissingError,
    StorageError,
    UsageError,
)
from tilepress.pipeline.storage.base import ListedFile, Storage, open_storage
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

NAME = "run-report.json"
_ATTEMPTS = 8  # at replacing a report while others do


def put_in_archive(storage: Storage, report: RunReport) -> bool:
    """Replace the report at the root of an archive, unless one is there that counts before it.

    Returns whether it was written: not where there is no archive, as after a command that made none.
    """
    if not storage.exists(ARCHIVE_JSON):
        return False
    data = report.to_json()
    for _ in range(_ATTEMPTS):
        file = _listed(storage)
        there = _report(storage, file) if file else None
        if there is not None and there.counts_before(report):
            return False
        try:
            storage.replace(NAME, data, file)
        except (AlreadyExists, ChangedError):  # another command ended this moment
            continue
        return True
    raise StorageError(f"{storage.url}/{NAME}: others replace it all the time")


def problem_of(storage: Storage) -> str | None:
    """Return what is wrong with the report of an archive, None if nothing is, or there is none."""
    try:
        file = _listed(storage)
        if file is not None:
            _parsed(storage, file)
    except (IntegrityError, MissingError) as exc:
        return f"{exc}; only how the last command ended is lost: remove it"
    return None


def put_at(place: str, report: RunReport, options: StorageOptions = NO_OPTIONS) -> None:
    """Write a report to a file or URL, in the place of one that is there. UsageError for another file there."""
    storage, name = _file(place, options)
    if not _is_report(storage, name):
        raise UsageError(f"`run_report` {place} is no run report, and is not replaced: choose another name")
    storage.write(name, report.to_json(), overwrite=True)


def read_at(place: str, options: StorageOptions = NO_OPTIONS) -> RunReport:
    """Return the report in a file or at a URL. MissingError, IntegrityError."""
    storage, name = _file(place, options)
    return _parsed(storage, storage.stat(name))


def _file(place: str, options: StorageOptions) -> tuple[Storage, str]:
    """The folder of a file, which need not be there yet, and the file's name in it."""
    folder, slash, name = place.rpartition("/")
    if not name:
        raise UsageError(f"`run_report` {place!r} is no name of a file")
    return open_storage(folder or slash or ".", options), name


def _is_report(storage: Storage, name: str) -> bool:
    """Whether what is there may be replaced: nothing, or a run report, damaged or not."""
    try:
        file = storage.stat(name)
    except MissingError:
        return True
    return file.size <= MAX_BYTES and b'"tilepress-run-report-' in storage.read(name)


def _listed(storage: Storage) -> ListedFile | None:
    try:
        return storage.stat(NAME)
    except MissingError:
        return None


def _report(storage: Storage, file: ListedFile) -> RunReport | None:
    """The report that is there; one that is damaged, or of a later version, gives way."""
    try:
        return _parsed(storage, file)
    except (IntegrityError, MissingError):
        return None


def _parsed(storage: Storage, file: ListedFile) -> RunReport:
    where = f"{storage.url}/{file.name}"
    if file.size > MAX_BYTES:
        raise IntegrityError(f"{where}: larger than tilepress writes it")
    return RunReport.parse(storage.read(file.name), where)
