"""The place that `estimate` fills: what was asked, the models, measurements by unit, and all rows together.

estimate.json         what was asked, of which sample; created once, never changed
models/SHA256/        every model that is measured
parts/00000.parquet   rows of one unit, create-only
sample.parquet        all rows, written last: the estimate is complete, and is told again from it

Without `out` that is a temporary folder, of which nothing is left.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa

from tilepress.jobs.claim import Request, differences, is_first, require_empty, require_same
from tilepress.jobs.estimation.population import Unit, identities
from tilepress.pipeline.archive.sealed import (
    SealedWriter,
    check_schema,
    check_seal,
    footer_metadata,
    open_parquet,
    read_json,
    seal_json,
)
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, MissingError, UsageError
from tilepress.pipeline.storage.base import Storage

FORMAT = "tilepress-estimate-1"
ESTIMATE_JSON = "estimate.json"
SAMPLE = "sample.parquet"
_MAX_JSON = 16 << 20
_SAMPLE_KEYS = ("files", "bytes", "units")  # of a request, about the source

# One row for each unit and codec. `unit`: its place in the order of all; `file`: the first of its `files`.
# `archive_bytes`: payloads and rows. Seconds are those of reading, coding, decoding and comparing: of the processor
# (`cpu_s`; of codecs whose networks run elsewhere, as `wall_s`), and as they passed.
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
        pa.field("pixels", pa.int64(), nullable=False),
        pa.field("failures", pa.int32(), nullable=False),
        pa.field("cpu_s", pa.float64(), nullable=False),
        pa.field("wall_s", pa.float64(), nullable=False),
    ]
)


def claim(storage: Storage, request: Request) -> str:
    """Make the place that of this estimate, or find that it is; return the seal of estimate.json.

    ResumeError where the place is that of another request; UsageError where it holds anything else.
    """
    try:
        there = _read(storage)
    except MissingError:
        require_empty(storage, "choose another `out`")
        is_first(storage, ESTIMATE_JSON, seal_json({"format": FORMAT, "asked": request}))  # or another driver is
        there = _read(storage)
    if there.get("format") != FORMAT:
        raise UsageError(f"{storage.url}/{ESTIMATE_JSON} is of another format than {FORMAT}; choose another `out`")
    recorded = there.get("asked")
    require_same(
        recorded if isinstance(recorded, dict) else {},
        request,
        holds=f"{storage.url} holds another estimate",
        advice="Go on with the same source and options as before, or choose another `out`",
        shown=_differences,
    )
    return str(there["seal"])


def finished_units(storage: Storage) -> set[int]:
    """Return numbers of the units whose parts are there."""
    stems = (entry.name.removeprefix("parts/").removesuffix(".parquet") for entry in storage.list("parts/"))
    return {int(stem) for stem in stems if stem.isascii() and stem.isdigit()}


def create_part(storage: Storage, seal: str, number: int, unit: Unit, rows: list[dict[str, Any]]) -> None:
    """Commit the rows of a unit (by ROW_SCHEMA), once."""
    with suppress(AlreadyExists):  # of an earlier attempt or another driver: as good as ours, and checked when read
        storage.create(_part_name(number), _parquet(rows, _identity(seal, number, unit)))


def read_part(storage: Storage, seal: str, number: int, unit: Unit) -> list[dict[str, Any]]:
    """Return the rows of a unit; IntegrityError unless they are what was written for this estimate."""
    return _read_rows(storage, _part_name(number), _identity(seal, number, unit))


def read_sample(storage: Storage, seal: str) -> list[dict[str, Any]] | None:
    """Return all rows, None if they are not there yet; IntegrityError unless they are what was written."""
    return _read_rows(storage, SAMPLE, {"tilepress.estimate": seal}) if storage.exists(SAMPLE) else None


def create_sample(storage: Storage, seal: str, rows: list[dict[str, Any]]) -> None:
    """Write sample.parquet, if it is not there."""
    with suppress(AlreadyExists):
        storage.create(SAMPLE, _parquet(rows, {"tilepress.estimate": seal}))


def fingerprint(units: Iterable[Unit]) -> str:
    """Return a text that changes when a file of units does."""
    digest = hashlib.sha256()
    for identity in identities(units):
        digest.update(identity)
    return digest.hexdigest()


def _read(storage: Storage) -> dict[str, Any]:
    name = f"{storage.url}/{ESTIMATE_JSON}"
    if storage.size(ESTIMATE_JSON) > _MAX_JSON:
        raise IntegrityError(f"{name}: larger than tilepress writes it")
    data = storage.read(ESTIMATE_JSON)
    return {**read_json(data, name), "seal": json.loads(data)["sha256"]}


def _differences(recorded: Request, request: Request) -> str:
    """Those of `claim.differences`, but for the sample, which says nothing to a reader."""
    said = differences(*({k: v for k, v in each.items() if k not in _SAMPLE_KEYS} for each in (recorded, request)))
    return said or "the source has other files now"


def _part_name(number: int) -> str:
    return f"parts/{number:05d}.parquet"


def _identity(seal: str, number: int, unit: Unit) -> dict[str, str]:
    return {"tilepress.estimate": seal, "tilepress.unit": str(number), "tilepress.files": fingerprint([unit])}


def _parquet(rows: list[dict[str, Any]], metadata: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    writer = SealedWriter(buffer, ROW_SCHEMA, compression="ZSTD")
    writer.write(pa.Table.from_pylist(rows, schema=ROW_SCHEMA))
    writer.close(metadata)
    return buffer.getvalue()


def _read_rows(storage: Storage, name: str, identity: Mapping[str, str]) -> list[dict[str, Any]]:
    where = f"{storage.url}/{name}"
    data = io.BytesIO(storage.read(name))
    check_seal(data, where)
    file = open_parquet(data, where)
    metadata = footer_metadata(file)
    if any(metadata.get(key) != value for key, value in identity.items()):
        raise IntegrityError(f"{where} is of another estimate or unit: move it away and run the same command again")
    check_schema(file, ROW_SCHEMA, where)
    return list(file.read().to_pylist())
