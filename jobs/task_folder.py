"""The folder of a job that measures images: what was asked, and the rows of each task, sealed and created once.

WHAT.json             what was asked, of which images, by which version; created once, never changed
parts/00000.parquet   rows of one task, create-only

`estimate`, `evaluate` and `audit` each have a TaskFolder that names theirs; what they make of the rows is their own.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

import tilepress
from tilepress.jobs.claim import Request, differences, is_first, require_empty, require_same
from tilepress.pipeline.archive.parquet.reading import check_schema, footer_metadata, open_parquet, read_table
from tilepress.pipeline.archive.sealed import SealedWriter, check_seal, read_json, seal_json
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, MissingError, ResumeError, UsageError
from tilepress.pipeline.storage.base import Storage

PARTS = "parts/"
_MAX_JSON = 16 << 20
_OF_IMAGES = ("files", "images")  # keys of a request: number and fingerprint, which say nothing to a reader


@dataclass(frozen=True)
class TaskFolder:
    """How the folders of one job look.

    `what`: of the job's outcome ("evaluation"), which names its JSON file and the metadata of its parts. `all_rows`:
    the file of all rows, with which everything is measured. A request has `files` and `images`, the number and the
    fingerprint of what it is about.
    """

    what: str
    format: str
    schema: pa.Schema
    all_rows: str

    @property
    def record(self) -> str:
        """Name of the file that says what was asked."""
        return f"{self.what}.json"

    def claim(self, storage: Storage, request: Request) -> str:
        """Make the folder that of this request, or find that it is; return the seal of what was asked.

        ResumeError where the folder is that of another request, or another version of tilepress has measured only a
        part of it; UsageError where it holds anything else.
        """
        try:
            there = self._read(storage)
        except MissingError:
            require_empty(storage, "choose another `out`")
            record = {"format": self.format, "tilepress": tilepress.__version__, "asked": request}
            is_first(storage, self.record, seal_json(record))  # or another driver is
            there = self._read(storage)
        if there.get("format") != self.format:
            where = f"{storage.url}/{self.record}"
            raise UsageError(f"{where} is of another format than {self.format}; choose another folder")
        recorded = there.get("asked")
        require_same(
            recorded if isinstance(recorded, dict) else {},
            request,
            holds=f"{storage.url} holds another {self.what}",
            advice="Go on with the same source and options as before, or choose another `out`",
            shown=_differences,
        )
        self._require_version(storage, there)
        return str(there["seal"])

    def _require_version(self, storage: Storage, there: Mapping[str, Any]) -> None:
        """ResumeError where figures of two versions would be put together; those that are complete are of one."""
        began = there.get("tilepress") or "an earlier release"
        if began != tilepress.__version__ and not storage.exists(self.all_rows):
            raise ResumeError(
                f"{storage.url} was begun by another version of tilepress, {began}, and this is "
                f"{tilepress.__version__}, which might measure otherwise. Finish with that version, or choose another "
                "`out`"
            )

    def _read(self, storage: Storage) -> dict[str, Any]:
        name = f"{storage.url}/{self.record}"
        if storage.size(self.record) > _MAX_JSON:
            raise IntegrityError(f"{name}: larger than tilepress writes it")
        data = storage.read(self.record)
        return {**read_json(data, name), "seal": json.loads(data)["sha256"]}

    def part(self, seal: str, task: int, images: str, rows: Iterable[Mapping[str, Any]]) -> bytes:
        """Return the part of a task.

        Args:
            seal: Of what was asked, as `claim` gave it.
            task: Number of the task.
            images: Fingerprint of the images that the rows are about.
            rows: By the schema.
        """
        table = pa.Table.from_pylist(list(rows), schema=self.schema)
        return self.parquet(table, self.identity(seal, task, images))

    def read_part(self, storage: Storage, seal: str, task: int, images: str) -> pa.Table:
        """Return the rows of a task; IntegrityError unless they are what was written for this request."""
        return self.read_rows(storage, part_name(task), self.identity(seal, task, images))

    def parquet(self, rows: pa.Table, metadata: Mapping[str, str]) -> bytes:
        """Return a sealed file of rows."""
        buffer = io.BytesIO()
        writer = SealedWriter(buffer, self.schema, compression="ZSTD")
        writer.write(rows)
        writer.close(metadata)
        return buffer.getvalue()

    def identity(self, seal: str, task: int | None = None, images: str = "") -> dict[str, str]:
        """Return the metadata of a file of rows: those of a task, or all."""
        of_task = {} if task is None else {"tilepress.task": str(task), "tilepress.images": images}
        return {f"tilepress.{self.what}": seal, **of_task}

    def read_rows(self, storage: Storage, name: str, identity: Mapping[str, str]) -> pa.Table:
        """Return the rows of a file; IntegrityError unless they are what was written, under this identity."""
        where = f"{storage.url}/{name}"
        data = io.BytesIO(storage.read(name))
        check_seal(data, where)
        file = open_parquet(data, where)
        metadata = footer_metadata(file)
        if any(metadata.get(key) != value for key, value in identity.items()):
            raise IntegrityError(
                f"{where} is of another {self.what} or task: move it away and run the same command again"
            )
        check_schema(file, self.schema, where)
        return read_table(file, where)


def part_name(task: int) -> str:
    """Return the name of the part of a task."""
    return f"{PARTS}{task:05d}.parquet"


def finished_tasks(storage: Storage) -> set[int]:
    """Return numbers of the tasks whose parts are there."""
    stems = (entry.name.removeprefix(PARTS).removesuffix(".parquet") for entry in storage.list(PARTS))
    return {int(stem) for stem in stems if stem.isascii() and stem.isdigit()}


def create_part(storage: Storage, task: int, part: bytes) -> None:
    """Commit the part of a task, once.

    One that is there, of an earlier attempt or another driver, is as good as ours, and is checked when it is read.
    """
    with suppress(AlreadyExists):
        storage.create(part_name(task), part)


def create_missing(storage: Storage, name: str, make: Callable[[], bytes]) -> bool:
    """Write what `make` returns under a name that is still free; return whether it was written."""
    if storage.exists(name):
        return False
    with suppress(AlreadyExists):
        storage.create(name, make())
        return True
    return False


def _differences(recorded: Request, request: Request) -> str:
    """Those of `claim.differences`, but for the images."""
    said = differences(_but_images(recorded), _but_images(request))
    return said or "the source has other images now"


def _but_images(request: Request) -> Request:
    return {name: value for name, value in request.items() if name not in _OF_IMAGES}
