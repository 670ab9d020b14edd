"""What an archive remembers of its audits: which slice of it was looked at when, and what came of it.

audits/0030/2026-11-28-07.json   slice 7 of 30; sealed, created once, never changed

Nothing in the archive refers to these files, and reading images takes none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import date

from tilepress.pipeline.archive.dates import moment, now
from tilepress.pipeline.archive.sealed import read_json, seal_json
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, MissingError, StorageError, TransientStorageError
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.creating import require_writable

FOLDER = "audits/"
FORMAT = "tilepress-archive-audit-1"
_NAME = re.compile(r"audits/(\d{4})/(\d{4}-\d\d-\d\d)-(\d{2,4})\.json", re.ASCII)
_MAX_JSON = 1 << 20


@dataclass(frozen=True)
class AuditRecord:
    """One audit of a slice: `part` of `parts`, on a day (UTC, "2026-11-28"), and what came of it."""

    day: str
    part: int
    parts: int
    images: int
    damaged: int
    findings: int
    exit_code: int

    @property
    def name(self) -> str:
        """Name of its file in the archive."""
        return f"{FOLDER}{self.parts:04d}/{self.day}-{self.part:02d}.json"


def today() -> str:
    """Return the day in UTC, or that of $TILEPRESS_DATE: "2026-11-28"."""
    return now()[:10]


def part_of_day(day: str, parts: int) -> int:
    """Return which of so many parts is that day's, from 1: the next one every day, and the first after the last."""
    return date.fromisoformat(day).toordinal() % parts + 1


def require_memory(storage: Storage) -> None:
    """Raise StorageError unless an archive can be written to; TransientStorageError where that is to be tried again."""
    try:
        require_writable(storage, f"{FOLDER}writable.txt")
    except TransientStorageError:
        raise
    except StorageError as exc:
        raise StorageError(
            f"{exc}. What `rotate` looked at is remembered in the archive: give `slice` in its place, such as 1/30, "
            "where nothing may be written there"
        ) from exc


def remember(storage: Storage, record: AuditRecord) -> None:
    """Write what came of an audit; the first one of a slice on a day counts, unless it found or has damage itself."""
    there = remembered(storage, record.day, record.part, record.parts)
    if storage.exists(record.name) and (there is None or there.damaged):
        with suppress(MissingError):  # another driver was faster
            storage.remove(record.name)
    with suppress(AlreadyExists):  # of another driver, a moment ago
        storage.create(record.name, seal_json({"format": FORMAT, **asdict(record)}))


def remembered(storage: Storage, day: str, part: int, parts: int) -> AuditRecord | None:
    """Return what came of the audit of a slice on a day; None if there was none, or its record is damaged."""
    with suppress(MissingError, IntegrityError):
        return _read(storage, AuditRecord(day, part, parts, 0, 0, 0, 0).name)
    return None


def records(storage: Storage) -> Iterator[AuditRecord]:
    """Yield what came of every audit, slice by slice; records that are damaged are left out."""
    for parts, day, part in _names(storage):
        found = remembered(storage, day, int(part), int(parts))
        if found is not None:
            yield found


def damaged_records(storage: Storage) -> Iterator[str]:
    """Yield what is wrong with each record that is not as it was written."""
    for parts, day, part in _names(storage):
        try:
            _read(storage, f"{FOLDER}{parts}/{day}-{part}.json")
        except (IntegrityError, MissingError) as exc:
            yield f"{exc}; only what it remembers of an audit is lost: remove it"


def last_audits(storage: Storage) -> dict[tuple[int, int], str]:
    """Return by (parts, part) the last day on which a slice was looked at, as the names of the files say."""
    return {(int(parts), int(part)): day for parts, day, part in _names(storage)}


def overdue(last: dict[tuple[int, int], str], parts: int, day: str) -> list[int]:
    """Return the parts that should have been looked at by a day, and were not: one round and a day ago, or never.

    Those that were never looked at are due when the round in which the first one was is over.
    """
    days = {part: seen for (of, part), seen in last.items() if of == parts}
    if not days:
        return []
    limit = moment(day, "day").toordinal() - parts
    begun = min(map(date.toordinal, map(date.fromisoformat, days.values())))
    return [
        part
        for part in range(1, parts + 1)
        if (date.fromisoformat(days[part]).toordinal() if part in days else begun) < limit
    ]


def _names(storage: Storage) -> Iterator[tuple[str, str, str]]:
    try:
        for entry in storage.list(FOLDER):
            match = _NAME.fullmatch(entry.name)
            if match and _is_day(match[2]):
                yield match[1], match[2], match[3]
    except TransientStorageError:  # must not look as if nothing had been audited
        raise
    except StorageError:  # a place that can be read, and gives no listing
        return


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _read(storage: Storage, name: str) -> AuditRecord:
    where = f"{storage.url}/{name}"
    if storage.size(name) > _MAX_JSON:
        raise IntegrityError(f"{where}: larger than tilepress writes it")
    content = read_json(storage.read(name), where)
    if content.pop("format", None) != FORMAT:
        raise IntegrityError(f"{where} is no record of an audit that this tilepress reads")
    try:
        record = AuditRecord(**{each.name: content[each.name] for each in fields(AuditRecord)})
    except KeyError as exc:
        raise IntegrityError(f"{where}: a record of an audit without {exc}") from exc
    if not all(isinstance(value, int) for key, value in asdict(record).items() if key != "day") or record.name != name:
        raise IntegrityError(f"{where}: this is the record of another audit")
    return record
