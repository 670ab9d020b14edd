"""The folder that `evaluate` fills: what was asked, the models, measurements by task, and what is made of them.

evaluation.json       what was asked, of which images, by which version; created once, never changed
models/SHA256/        every model that was evaluated
parts/00000.parquet   rows of one task, create-only
crops/*.png           what codecs make of the same pixels of two images
results.parquet       all rows; together with summary.md, report.html, plots and crops, it is made when every part is
                      there
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tilepress.jobs import task_folder
from tilepress.jobs.claim import Request
from tilepress.jobs.task_folder import TaskFolder, create_missing, finished_tasks
from tilepress.pipeline.storage.base import Storage

__all__ = ["create_missing", "finished_tasks"]

FORMAT = "tilepress-evaluation-2"
RESULTS = "results.parquet"

# How an image fared with a codec (column `outcome`).
EVALUATED = "evaluated"
UNSUPPORTED = "unsupported"  # the codec cannot represent it
FAILED = "failed"  # the codec should represent it, and did not
UNREADABLE = "unreadable"  # damaged, over the limits, vanished or changed: no codec saw it
UNKNOWN = "unknown format"  # nothing that tilepress reads as an image

# One row for each image and operating point. `reason` says why where the outcome is not EVALUATED, and figures are
# null then; and why measures of perception are null of CMYK. `effort` is null where the codec's own was taken, or it
# has none. `bytes`: latents, residual and what the tiles share; `bpp` = 8 bytes / (width height). `psnr` in dB is null
# where no pixel changed (`mse` 0: it is infinite), `ssim` and `ms_ssim` also where the image is too small for them.
# Seconds are those of one worker: wall time, and CPU time of its thread, null where networks ran in an actor.
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


def _folder(metrics: Sequence[str] = ()) -> TaskFolder:
    """How the folder looks: with a column, which may be null, for each metric that was asked for besides."""
    further = [pa.field(name, pa.float64()) for name in metrics]
    return TaskFolder("evaluation", FORMAT, pa.schema([*ROW_SCHEMA, *further]), RESULTS)


def claim(storage: Storage, request: Request) -> str:
    """Make the folder that of this evaluation, or find that it is; return the seal of evaluation.json.

    ResumeError where the folder is that of another request; UsageError where it holds anything else.
    """
    return _folder().claim(storage, request)


def create_part(
    storage: Storage, seal: str, task: int, images: str, rows: list[dict[str, Any]], metrics: Sequence[str]
) -> None:
    """Commit the rows of a task, once.

    Args:
        storage: The folder's.
        seal: Of the evaluation, as `claim` gave it.
        task: Number of the task.
        images: Fingerprint of the images that the rows are about.
        rows: By ROW_SCHEMA, and `metrics`.
        metrics: Those that were asked for besides.
    """
    task_folder.create_part(storage, task, _folder(metrics).part(seal, task, images, rows))


def read_part(storage: Storage, seal: str, task: int, images: str, metrics: Sequence[str]) -> pa.Table:
    """Return the rows of a task; IntegrityError unless they are what was written for this evaluation."""
    return _folder(metrics).read_part(storage, seal, task, images)


def read_results(storage: Storage, seal: str, metrics: Sequence[str]) -> pa.Table | None:
    """Return all rows, None if they are not there yet; IntegrityError unless they are what was written."""
    found = _folder(metrics)
    return found.read_rows(storage, RESULTS, found.identity(seal)) if storage.exists(RESULTS) else None


def create_results(storage: Storage, seal: str, rows: pa.Table, metrics: Sequence[str]) -> bool:
    """Write results.parquet if it is not there; whether it was written."""
    made = _folder(metrics)
    return create_missing(storage, RESULTS, lambda: made.parquet(rows, made.identity(seal)))
