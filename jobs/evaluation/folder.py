"""The folder that `evaluate` fills: what was asked, the models, measurements by task, and what is made of them.

evaluation.json       what was asked, of which images; created once, never changed
models/SHA256/        every model that was evaluated
parts/00000.parquet   rows of one task, create-only
results.parquet       all rows; together with summary.md and the plots, it is made when every part is there
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa

from tilepress.jobs.claim import Request, differences, is_first, require_empty, require_same
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

FORMAT = "tilepress-evaluation-2"
EVALUATION_JSON = "evaluation.json"
RESULTS = "results.parquet"
_MAX_JSON = 16 << 20

# How an image fared with a codec (column `outcome`).
EVALUATED = "evaluated"
UNSUPPORTED = "unsupported"  # the codec cannot represent it
FAILED = "failed"  # the codec should represent it, and did not
UNREADABLE = "unreadable"  # damaged, over the limits, vanished or changed: no codec saw it
UNKNOWN = "unknown format"  # nothing that tilepress reads as an image

# One row for each image and operating point. `reason` says why where the outcome is not EVALUATED, and figures are
# null then. `effort` is null where the codec's own was taken, or it has none. `bytes`: latents, residual and what the
# tiles share; `bpp` = 8 bytes / (width height). `psnr` in dB is null where no pixel changed (`mse` 0: it is infinite),
# `ssim` and `ms_ssim` also where the image is too small for them. Seconds are those of one worker: wall time, and CPU
# time of its thread, null where networks ran in an actor.
ROW_SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("codec", pa.string(), nullable=False),
        pa.field("quality", pa.int32()),
        pa.field("effort", pa.int32()),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("source_bytes", pa.int64(), nullable=False),
        pa.field("format", pa.string()),
        pa.field("mode", pa.string()),
        pa.field("bit_depth", pa.int32()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("bytes", pa.int64()),
        pa.field("bpp", pa.float64()),
        pa.field("mse", pa.float64()),
        pa.field("psnr", pa.float64()),
        pa.field("ssim", pa.float64()),
        pa.field("ms_ssim", pa.float64()),
        pa.field("max_error", pa.int32()),
        pa.field("encode_s", pa.float64()),
        pa.field("decode_s", pa.float64()),
        pa.field("encode_cpu_s", pa.float64()),
        pa.field("decode_cpu_s", pa.float64()),
    ]
)


def claim(storage: Storage, request: Request) -> str:
    """Make the folder that of this evaluation, or find that it is; return the seal of evaluation.json.

    ResumeError where the folder is that of another request; UsageError where it holds anything else.
    """
    try:
        there = _read(storage)
    except MissingError:
        require_empty(storage, "choose another `out`")
        is_first(storage, EVALUATION_JSON, seal_json({"format": FORMAT, "asked": request}))  # or another driver is
        there = _read(storage)
    if there.get("format") != FORMAT:
        raise UsageError(f"{storage.url}/{EVALUATION_JSON} is of another format than {FORMAT}; choose another folder")
    recorded = there.get("asked")
    require_same(
        recorded if isinstance(recorded, dict) else {},
        request,
        holds=f"{storage.url} holds another evaluation",
        advice="Go on with the same source and options as before, or choose another `out`",
        shown=_differences,
    )
    return str(there["seal"])


def _read(storage: Storage) -> dict[str, Any]:
    name = f"{storage.url}/{EVALUATION_JSON}"
    if storage.size(EVALUATION_JSON) > _MAX_JSON:
        raise IntegrityError(f"{name}: larger than tilepress writes it")
    data = storage.read(EVALUATION_JSON)
    return {**read_json(data, name), "seal": json.loads(data)["sha256"]}


def _differences(recorded: Request, request: Request) -> str:
    """Those of `claim.differences`, but for the images: their number and fingerprint say nothing to a reader."""
    said = differences(_but_images(recorded), _but_images(request))
    return said or "the source has other images now"


def _but_images(request: Request) -> Request:
    return {name: value for name, value in request.items() if name not in ("files", "images")}


def part_name(task: int) -> str:
    """Return the part of a task."""
    return f"parts/{task:05d}.parquet"


def finished_tasks(storage: Storage) -> set[int]:
    """Return numbers of the tasks whose parts are there."""
    stems = (entry.name.removeprefix("parts/").removesuffix(".parquet") for entry in storage.list("parts/"))
    return {int(stem) for stem in stems if stem.isascii() and stem.isdigit()}


def create_part(storage: Storage, seal: str, task: int, images: str, rows: list[dict[str, Any]]) -> None:
    """Commit the rows of a task, once.

    Args:
        storage: The folder's.
        seal: Of the evaluation, as `claim` gave it.
        task: Number of the task.
        images: Fingerprint of the images that the rows are about.
        rows: By ROW_SCHEMA.
    """
    table = pa.Table.from_pylist(rows, schema=ROW_SCHEMA)
    with suppress(AlreadyExists):  # of an earlier attempt or another driver: as good as ours, and checked when read
        storage.create(part_name(task), _parquet(table, _identity(seal, task, images)))


def read_part(storage: Storage, seal: str, task: int, images: str) -> pa.Table:
    """Return the rows of a task; IntegrityError unless they are what was written for this evaluation."""
    return _read_rows(storage, part_name(task), _identity(seal, task, images))


def read_results(storage: Storage, seal: str) -> pa.Table | None:
    """Return all rows, None if they are not there yet; IntegrityError unless they are what was written."""
    return _read_rows(storage, RESULTS, _identity(seal)) if storage.exists(RESULTS) else None


def create_results(storage: Storage, seal: str, rows: pa.Table) -> bool:
    """Write results.parquet if it is not there; whether it was written."""
    return create_missing(storage, RESULTS, lambda: _parquet(rows, _identity(seal)))


def create_missing(storage: Storage, name: str, make: Callable[[], bytes]) -> bool:
    """Write what `make` returns under a name that is still free; whether it was written."""
    if storage.exists(name):
        return False
    with suppress(AlreadyExists):
        storage.create(name, make())
        return True
    return False


def _parquet(rows: pa.Table, metadata: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    writer = SealedWriter(buffer, ROW_SCHEMA, compression="ZSTD")
    writer.write(rows)
    writer.close(metadata)
    return buffer.getvalue()


def _identity(seal: str, task: int | None = None, images: str = "") -> dict[str, str]:
    of_task = {} if task is None else {"tilepress.task": str(task), "tilepress.images": images}
    return {"tilepress.evaluation": seal, **of_task}


def _read_rows(storage: Storage, name: str, identity: Mapping[str, str]) -> pa.Table:
    where = f"{storage.url}/{name}"
    data = io.BytesIO(storage.read(name))
    check_seal(data, where)
    file = open_parquet(data, where)
    metadata = footer_metadata(file)
    if any(metadata.get(key) != value for key, value in identity.items()):
        raise IntegrityError(f"{where} is of another evaluation or task: move it away and run the same command again")
    check_schema(file, ROW_SCHEMA, where)
    return file.read()
