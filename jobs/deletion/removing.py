"""The stage that removes originals: written down first, then file by file, each read again just before.

removals/SESSION-TASK-ATTEMPT.json        what is about to be removed; created before the first file goes
removals/SESSION-TASK-ATTEMPT-done.json   what was removed, and what stayed for which reason
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

from tilepress.jobs.certification.state import require_part, require_runs, require_sizes
from tilepress.jobs.deletion.candidates import CHANGED, Candidate
from tilepress.pipeline.archive import dates
from tilepress.pipeline.archive.sealed import read_json, seal_json
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.engine.machine import host_name
from tilepress.pipeline.errors import (
    ChangedError,
    IntegrityError,
    MissingError,
    StorageError,
    TransientStorageError,
    UnsafeName,
)
from tilepress.pipeline.storage.base import Location, Storage
from tilepress.pipeline.storage.removal import Remover

LOG = "removals/"
FORMAT = "tilepress-removals-1"
GONE = "it was gone already"
_REASONS: tuple[tuple[type[StorageError], str], ...] = (
    (MissingError, GONE),
    (ChangedError, CHANGED),
    (UnsafeName, "symbolic or hard links lead there"),
    (StorageError, "the storage did not remove it"),
)
_BATCH_FILES, _BATCH_BYTES = 256, 256 << 20


@dataclass(frozen=True)
class RemoveOptions:
    """What all tasks share: where the originals are, where it is written down, and what the archive must still be."""

    source: Location
    certificate: Location
    certified: str  # SHA-256 of certificate.json
    session: str
    runs: tuple[int, ...]
    models: tuple[tuple[str, int], ...]  # name and bytes of each of their objects
    conditional: bool  # the driver's `Remover.is_conditional`


@dataclass(frozen=True)
class RemoveTask:
    """Some files that may go: the unit of work. `parts`: name, bytes and seal of those that hold their content."""

    number: int
    files: tuple[Candidate, ...]
    parts: tuple[tuple[str, int, str], ...]
    options: RemoveOptions

    @property
    def bytes(self) -> int:
        """Bytes of the largest file: what a worker holds at a time."""
        return max(each.file.size for each in self.files)


@dataclass
class Removed:
    """What became of the files of a task."""

    number: int
    files: list[str] = field(default_factory=list)
    bytes: int = 0
    returned: Counter[str] = field(default_factory=Counter)  # files that were removed, by what comes back
    kept: list[tuple[str, str, str]] = field(default_factory=list)  # path, reason, the error
    read_bytes: int = 0


def remove_tasks(found: Iterable[Candidate], sizes: Mapping[str, int], options: RemoveOptions) -> Iterator[RemoveTask]:
    """Yield candidates in tasks, a bounded number of files and bytes each; `sizes`: bytes of the archive's parts."""

    def task() -> RemoveTask:
        parts = {(each.part, sizes[each.part], each.part_seal) for each in batch}
        return RemoveTask(number, tuple(batch), tuple(sorted(parts)), options)

    batch, size, number = list[Candidate](), 0, 0
    for each in found:
        if batch and (len(batch) >= _BATCH_FILES or size + each.file.size > _BATCH_BYTES):
            yield task()
            batch, size, number = [], 0, number + 1
        batch.append(each)
        size += each.file.size
    if batch:
        yield task()


def remove_files(task: RemoveTask, archive: Storage, pool: CodecPool) -> Removed:
    """Remove the files of a task (a stage). IntegrityError or UsageError where the archive is not as certified now."""
    options, done = task.options, Removed(task.number)
    require_runs(archive, options.runs)
    for part in task.parts:
        require_part(archive, *part)
    require_sizes(archive, options.models)
    log, begun = options.certificate.open(), f"{LOG}{options.session}-{task.number:06d}-"
    earlier = begun_before(log, begun)
    name = f"{begun}{secrets.token_hex(4)}"
    log.create(f"{name}.json", _about_to(task))
    remover = Remover(options.source.open(), options.conditional)
    try:
        for each in task.files:
            _remove(remover, each, done, earlier)
    finally:  # also where a disk fails in the middle
        outcome = {"format": FORMAT, "removed": done.files, "kept": [list(each) for each in done.kept]}
        log.create(f"{name}-done.json", seal_json({**outcome, "when": dates.now()}))
    return done


def begun_before(log: Storage, name: str) -> set[str]:
    """Return the files that an earlier attempt at a task, whose worker died, was about to remove and did not find gone.

    IntegrityError where what is written there is not what tilepress wrote.
    """
    begun, gone = set[str](), set[str]()
    for entry in list(log.list(name)):
        content = read_json(log.read(entry.name), f"{log.url}/{entry.name}")
        try:
            begun |= {str(each["path"]) for each in content.get("files", ())}
            gone |= {str(path) for path, reason, _ in content.get("kept", ()) if reason == GONE}
        except (KeyError, TypeError, ValueError) as exc:
            raise IntegrityError(f"{log.url}/{entry.name} is no list of removals that tilepress wrote") from exc
    return begun - gone


def _remove(remover: Remover, each: Candidate, done: Removed, earlier: Set[str]) -> None:
    """Remove a file. One that is gone was removed, if an earlier attempt of this task was about to."""
    done.read_bytes += each.file.size
    try:
        with suppress(MissingError) if each.file.name in earlier else nullcontext():
            remover.remove(each.file, each.sha256)
    except TransientStorageError:
        raise
    except StorageError as exc:
        reason = next(reason for kind, reason in _REASONS if isinstance(exc, kind))
        done.kept.append((each.file.name, reason, str(exc)))
    else:
        done.files.append(each.file.name)
        done.bytes += each.file.size
        done.returned[each.comes_back] += 1


def _about_to(task: RemoveTask) -> bytes:
    files = [
        {"path": each.file.name, "bytes": each.file.size, "sha256": each.sha256.hex(), "comes_back": each.comes_back}
        for each in task.files
    ]
    known = {"format": FORMAT, "certificate": task.options.certified, "host": host_name(), "when": dates.now()}
    return seal_json({**known, "files": files})
