"""The stage of `certify`: every file of a task is made of the archive, hashed, and written down in one part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tilepress.codecs.errors import MissingPackage
from tilepress.jobs.certification.decoder import ELSEWHERE, HERE, decoder_facts, decoder_id
from tilepress.jobs.certification.marked import marked_part
from tilepress.jobs.certification.rows import checked_row
from tilepress.jobs.task_folder import create_part
from tilepress.pipeline.archive.sealed import seal_json
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, UnsafeName, UsageError
from tilepress.pipeline.reading.batches import EntryTask, entry_tasks, task_entries
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.pixels import map_by_stack
from tilepress.pipeline.storage.base import Location, Storage

DECODERS = "decoders/"
PartSeals = dict[str, str]


@dataclass(frozen=True)
class CertifyOptions:
    """What a task needs besides its images.

    `seal`: of what was asked; `secret`: see `row_secret`; `part_seal`: of the part that they lie in.
    """

    seal: str
    out: Location
    secret: bytes = field(default=b"", repr=False)
    part_seal: str = ""


@dataclass
class Certified:
    """How the images of one task fared. Nothing is written of a task that has a problem."""

    number: int
    images: int = 0
    source_bytes: int = 0
    problems: list[tuple[str, str, str]] = field(default_factory=list)  # part, path, what is wrong
    unchecked: list[tuple[str, str]] = field(default_factory=list)  # path, why


def certify_tasks(entries: Iterable[Entry], options: CertifyOptions, seals: PartSeals) -> Iterator[EntryTask]:
    """Yield tasks of consecutive entries of one part, each with the seal of that. IntegrityError if none is known."""
    for task in entry_tasks(entries, options):
        part = task.run.part(task.images[0].part)
        if part not in seals:
            raise IntegrityError(f"{part} holds images, and no manifest names it")
        yield replace(task, options=replace(options, part_seal=seals[part]))


def fingerprint(task: EntryTask) -> str:
    """Return a text that changes when an image of the task, or its part, does."""
    digest = hashlib.sha256(f"{task.run.number} {task.options.part_seal}\n".encode())
    for image in task.images:
        digest.update(f"{image.file.path}\0{image.facts.image}\0{image.crc}\n".encode())
    return digest.hexdigest()


def certify_entries(task: EntryTask, archive: Storage, pool: CodecPool) -> Certified:
    """Make every file of a task of the archive, and write down what came back (a stage)."""
    facts = decoder_facts(ELSEWHERE if pool.has_actors else HERE)
    result, rows = Certified(task.number), list[dict[str, Any]]()

    def check(entry: Entry) -> tuple[Entry, dict[str, Any] | Exception]:
        with pool.progress.decoding(entry.index_row.facts):
            row = _row_or_error(entry, task.options.part_seal, decoder_id(facts))
        pool.progress.image_done(failures=isinstance(row, Exception))
        return entry, row

    for entry, row in map_by_stack(pool, check, task_entries(task, archive, pool), lambda each: each.index_row):
        result.images += 1
        result.source_bytes += entry.size
        if isinstance(row, MissingPackage):
            result.unchecked.append((entry.path, str(row)))
        elif isinstance(row, Exception):
            result.problems.append((entry.part, entry.path, str(row)))
        else:
            rows.append(row)
    if len(rows) == len(task.images):
        _write(task, facts, sorted(rows, key=lambda row: row["path"].encode()))
    return result


def _row_or_error(entry: Entry, part_seal: str, decoder: str) -> dict[str, Any] | Exception:
    try:
        return checked_row(entry, part_seal, decoder)
    except (IntegrityError, UsageError, UnsafeName, MissingPackage) as exc:
        return exc


def _write(task: EntryTask, facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Commit the rows of a task, after the facts of who decoded them."""
    out = task.options.out.open()
    with suppress(AlreadyExists):
        out.create(f"{DECODERS}{decoder_id(facts)}.json", seal_json(facts))
    options = task.options
    create_part(out, task.number, marked_part(options.seal, task.number, fingerprint(task), rows, options.secret))
