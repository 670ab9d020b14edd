"""The place that `estimate` fills: what was asked, the models, measurements by unit, and all rows together.

estimate.json         what was asked, of which sample, by which version; created once, never changed
models/SHA256/        every model that is measured
parts/00000.parquet   rows of one unit, create-only
sample.parquet        all rows, written last: the estimate is complete, and is told again from it
report.html           the page, made of these rows whenever the command ends

Without `out` that is a temporary folder, of which nothing is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from tilepress.jobs import task_folder
from tilepress.jobs.claim import Request
from tilepress.jobs.estimation.population import Unit, identities
from tilepress.jobs.task_folder import TaskFolder, create_missing, finished_tasks
from tilepress.pipeline.storage.base import Storage

__all__ = ["finished_tasks"]

FORMAT = "tilepress-estimate-1"
SAMPLE, PAGE = "sample.parquet", "report.html"

# One row for each unit and codec. `unit`: its place in the order of all; `file`: the first of its `files`.
# `archive_bytes`: payloads and rows; `stack_bytes`: what of these falls away at most where stacks are full. Seconds are
# those of reading, coding, decoding and comparing: of the processor (`cpu_s`; of codecs whose networks run elsewhere,
# as `own_s`), as they passed (`wall_s`), and these without those in which other programs had the processor (`own_s`).
ROW_SCHEMA = pa.schema(
    [
        pa.field("unit", pa.int32(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("files", pa.int32(), nullable=False),
        pa.field("source_bytes", pa.int64(), nullable=False),
        pa.field("codec", pa.string(), nullable=False),
        pa.field("format", pa.string(), nullable=False),
        pa.field("payload_bytes", pa.int64(), nullable=False),
        pa.field("archive_bytes", pa.int64(), nullable=False),
        pa.field("stack_bytes", pa.int64(), nullable=False),
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("failures", pa.int32(), nullable=False),
        pa.field("cpu_s", pa.float64(), nullable=False),
        pa.field("own_s", pa.float64(), nullable=False),
        pa.field("wall_s", pa.float64(), nullable=False),
    ]
)


_FOLDER = TaskFolder("estimate", FORMAT, ROW_SCHEMA, SAMPLE)


def claim(storage: Storage, request: Request) -> str:
    """Make the place that of this estimate, or find that it is; return the seal of estimate.json.

    ResumeError where the place is that of another request; UsageError where it holds anything else.
    """
    return _FOLDER.claim(storage, request)


def create_part(storage: Storage, seal: str, number: int, unit: Unit, rows: list[dict[str, Any]]) -> None:
    """Commit the rows of a unit (by ROW_SCHEMA), once."""
    task_folder.create_part(storage, number, _FOLDER.part(seal, number, fingerprint([unit]), rows))


def read_part(storage: Storage, seal: str, number: int, unit: Unit) -> list[dict[str, Any]]:
    """Return the rows of a unit; IntegrityError unless they are what was written for this estimate."""
    return list(_FOLDER.read_part(storage, seal, number, fingerprint([unit])).to_pylist())


def read_sample(storage: Storage, seal: str) -> list[dict[str, Any]] | None:
    """Return all rows, None if they are not there yet; IntegrityError unless they are what was written."""
    if not storage.exists(SAMPLE):
        return None
    return list(_FOLDER.read_rows(storage, SAMPLE, _FOLDER.identity(seal)).to_pylist())


def create_sample(storage: Storage, seal: str, rows: list[dict[str, Any]]) -> None:
    """Write sample.parquet, if it is not there."""
    table = pa.Table.from_pylist(rows, schema=ROW_SCHEMA)
    create_missing(storage, SAMPLE, lambda: _FOLDER.parquet(table, _FOLDER.identity(seal)))


def fingerprint(units: Iterable[Unit]) -> str:
    """Return a text that changes when a file of units does."""
    digest = hashlib.sha256()
    for identity in identities(units):
        digest.update(identity)
    return digest.hexdigest()
