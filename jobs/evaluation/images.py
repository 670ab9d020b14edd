"""The stage of `evaluate`: every image of a task through every codec, and their rows committed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tilepress.codecs.errors import CodecError, UnsupportedError
from tilepress.jobs.evaluation import folder
from tilepress.jobs.evaluation.coding import METRICS, measure
from tilepress.jobs.evaluation.points import PIXELS, OperatingPoint
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import (
    ChangedError,
    IntegrityError,
    MissingError,
    PictureError,
    StorageError,
    TransientStorageError,
    UnsupportedPicture,
)
from tilepress.pipeline.sources.dataset import DataSet, Item, Source, whole
from tilepress.pipeline.storage.base import Storage, is_url

CRASHES = "it crashed the worker process, or took too long, every time"


@dataclass(frozen=True)
class EvaluateOptions:
    """What every task of an evaluation shares."""

    source: Source
    points: tuple[OperatingPoint, ...]
    fidelity: str
    seal: str  # of evaluation.json
    metrics: tuple[str, ...] = ()  # of METRICS, besides those that every row has


@dataclass(frozen=True)
class EvaluateTask:
    """Some images, to be measured with every codec: the unit of work, retry and commit."""

    number: int
    items: tuple[Item, ...]
    options: EvaluateOptions
    crashing: frozenset[tuple[str, OperatingPoint]] = frozenset()  # images that crash a worker, by operating point

    @property
    def bytes(self) -> int:
        """For memory: of the largest image, whose original and decoded pixels are held at a time."""
        return 2 * max(item.size for item in self.items)

    @property
    def source_bytes(self) -> int:
        """Bytes of all images, for progress."""
        return sum(item.size for item in self.items)

    @property
    def fingerprint(self) -> str:
        """Changes when an image of the task does."""
        digest = hashlib.sha256()
        for item in self.items:
            digest.update(identity(item))
        return digest.hexdigest()


@dataclass(frozen=True)
class EvaluateResult:
    """What a worker reports of a task, for progress."""

    images: int
    bytes_in: int
    pixels: int  # coded, once for each codec and quality
    failures: int


def identity(item: Item) -> bytes:
    """Return name and version of an image, for a digest."""
    return f"{item.name}\0{item.fingerprint}\n".encode()


def evaluate_images(task: EvaluateTask, storage: Storage, pool: CodecPool) -> EvaluateResult:
    """Measure the images of a task (a stage), and commit their rows."""
    rows = task_rows(task, pool)
    folder.create_part(storage, task.options.seal, task.number, task.fingerprint, rows, task.options.metrics)
    pixels = sum(row["width"] * row["height"] for row in rows if row["outcome"] == folder.EVALUATED)
    failed = {row["image"] for row in rows if row["outcome"] in (folder.FAILED, folder.UNREADABLE)}
    return EvaluateResult(len(task.items), task.source_bytes, pixels, len(failed))


def task_rows(task: EvaluateTask, pool: CodecPool) -> list[dict[str, Any]]:
    """Measure the images of a task; one row for each and each operating point, whatever happens."""
    data, rows = task.options.source.open(), []
    for item in task.items:
        crashing = [point for point in task.options.points if (item.name, point) in task.crashing]
        rows += [_row(item, point, folder.FAILED, CRASHES) for point in crashing]
        points = [point for point in task.options.points if point not in crashing]
        rows += _image_rows(data, item, points, task.options, pool) if points else ()
        pool.progress.file_coded(item.size, 0)
        pool.progress.image_done()
    return rows


def _image_rows(
    data: DataSet, item: Item, points: Sequence[OperatingPoint], options: EvaluateOptions, pool: CodecPool
) -> Iterator[dict[str, Any]]:
    try:
        with data.open(item) as picture:
            pixels = whole(picture)
    except (PictureError, IntegrityError, StorageError) as exc:
        if _is_of_the_store(exc, options.source.url):
            raise
        outcome = folder.UNKNOWN if isinstance(exc, UnsupportedPicture) else folder.UNREADABLE
        for point in points:
            yield _row(item, point, outcome, str(exc).removeprefix(f"{item.name}: "))
        return
    facts = {name: getattr(picture, name) for name in ("format", "mode", "bit_depth", "width", "height")}
    besides = {name: METRICS[name] for name in options.metrics}
    for point in points:
        try:
            found = measure(point, picture, pixels, pool, exact=options.fidelity == PIXELS, besides=besides)
            yield _row(item, point, folder.EVALUATED, "") | facts | found
        except UnsupportedError as exc:
            yield _row(item, point, folder.UNSUPPORTED, str(exc)) | facts
        except CodecError as exc:
            yield _row(item, point, folder.FAILED, str(exc)) | facts


def _is_of_the_store(exc: Exception, source: str) -> bool:
    """Whether an error is not this image's: worth another try, or of a remote store, for whatever is read from it."""
    if isinstance(exc, TransientStorageError):
        return True
    return isinstance(exc, StorageError) and not isinstance(exc, (MissingError, ChangedError)) and is_url(source)


def _row(item: Item, point: OperatingPoint, outcome: str, reason: str) -> dict[str, Any]:
    return {
        "image": item.name,
        "codec": point.codec,
        "quality": point.quality,
        "effort": point.effort,
        "reference": point.reference,
        "outcome": outcome,
        "reason": reason,
        "source_bytes": item.size,
    }
