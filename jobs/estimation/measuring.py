"""The stage of `estimate`: a unit of files through the very stages of `compress`, by every codec, and its rows kept."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK
from tilepress.jobs.estimation import folder
from tilepress.jobs.estimation.overhead import rows_bytes, saved_by_full_stacks
from tilepress.jobs.estimation.population import Unit
from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.plan import PlannedFile, Shard
from tilepress.pipeline.archive.schema import FAILURES
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.compress.commit import EncodeTask, build_part
from tilepress.pipeline.compress.crash_search import find_crashing_files
from tilepress.pipeline.engine.engine import RunsAlone
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

_SEEN: set[str] = set()  # references that this process has measured with: the first time, kernels and models are loaded
_SCHEDULED = Path("/proc/thread-self/schedstat")
_BRIEF_S = 3.0  # of the processor: a first measurement that took no longer is made again


@dataclass(frozen=True)
class CodecAsked:
    """A codec to project: `label` for people, and how it stores. `remote`: its networks run in Ray actors, whose
    processors no clock of a worker sees."""

    label: str
    settings: EncodeSettings
    model_bytes: int = 0  # that an archive holds of it
    remote: bool = False


@dataclass(frozen=True)
class MeasureOptions:
    """What every task of an estimate shares."""

    source: str  # what Collection.open takes
    codecs: tuple[CodecAsked, ...]
    seal: str  # of estimate.json
    storage_options: StorageOptions = NO_OPTIONS  # of the source


@dataclass(frozen=True)
class MeasureTask:
    """A unit to measure, by its place in the order of all: the unit of work, retry and commit."""

    number: int
    unit: Unit
    options: MeasureOptions
    quarantined: dict[int, str] = field(default_factory=dict)  # files that crashed a worker, by their place in the unit

    @property
    def bytes(self) -> int:
        """Bytes to read, for memory."""
        return self.unit.bytes

    def encode_task(self, codec: CodecAsked) -> EncodeTask:
        """Return the task of `compress` for the unit, as if it were a shard."""
        files = tuple(replace(PlannedFile.of(file), image=at) for at, file in enumerate(self.unit.files))
        options = self.options.source, self.options.storage_options
        quarantined = dict(self.quarantined)
        return EncodeTask(Shard(0, files), Run(1), "", codec.settings, options[0], False, quarantined, {}, options[1])


@dataclass(frozen=True)
class MeasureResult:
    """What a worker reports of a task: rows by folder.ROW_SCHEMA."""

    number: int
    rows: list[dict[str, Any]]


def measure_unit(task: MeasureTask, storage: Storage, pool: CodecPool) -> MeasureResult:
    """Encode and verify a unit by every codec (a stage), keep nothing but the figures, and commit these."""
    rows = [_measured(task, codec, storage, pool.alone()) for codec in task.options.codecs]
    folder.create_part(storage, task.options.seal, task.number, task.unit, rows)
    return MeasureResult(task.number, rows)


def find_crashing(task: MeasureTask, runs_alone: RunsAlone) -> MeasureTask:
    """Return the task with every file marked that some codec crashes its worker on: `compress` stores it verbatim."""
    crashing: dict[int, str] = {}
    for codec in task.options.codecs:
        crashing |= find_crashing_files(task.encode_task(codec), runs_alone).quarantined
    return replace(task, quarantined={**task.quarantined, **crashing})


def _measured(task: MeasureTask, codec: CodecAsked, storage: Storage, pool: CodecPool) -> dict[str, Any]:
    """The row of a codec. Where kernels were compiled or loaded meanwhile, the seconds are those of another try."""
    reference = codec.settings.codec
    pool.codec(reference)
    compiled, first = COMPILE_CLOCK.signatures, reference not in _SEEN
    row = _once(task, codec, storage, pool)
    _SEEN.add(reference)
    if COMPILE_CLOCK.signatures > compiled or (first and row["cpu_s"] < _BRIEF_S):
        row = _once(task, codec, storage, pool)
    return row


def _once(task: MeasureTask, codec: CodecAsked, storage: Storage, pool: CodecPool) -> dict[str, Any]:
    began, at_work, queued = time.monotonic(), time.thread_time(), _queued_s()
    part, rows = build_part(task.encode_task(codec), storage, pool)
    cpu_s, wall_s = time.thread_time() - at_work, time.monotonic() - began
    own_s = max(cpu_s, wall_s - (_queued_s() - queued))
    size = part.nbytes
    part.close()
    payload = sum(image.nbytes for image in rows.images)
    tiles = sum(len(image.tiles) for image in rows.images if image.stack is None)
    return {
        "unit": task.number,
        "file": task.unit.files[0].name,
        "files": len(task.unit.files),
        "source_bytes": task.unit.bytes,
        "codec": codec.label,
        "format": _format(rows.images),
        "payload_bytes": payload,
        "archive_bytes": payload + rows_bytes(len(rows.images), tiles, size - payload),
        "stack_bytes": saved_by_full_stacks(rows.images, codec.settings.tile),
        "pixels": sum(image.facts.width * image.facts.height for image in rows.images),
        "failures": sum(image.facts.reason_code in FAILURES for image in rows.images),
        "cpu_s": own_s if codec.remote else cpu_s,
        "own_s": own_s,
        "wall_s": wall_s,
    }


def _queued_s() -> float:
    """Seconds that this thread was ready to run and had no processor, as Linux counts them; 0 elsewhere."""
    try:
        return int(_SCHEDULED.read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _format(images: Iterable[IndexRow]) -> str:
    """The format that most bytes are of; empty for files that are no pictures."""
    nbytes: Counter[str] = Counter()
    for image in images:
        nbytes[image.facts.format] += image.facts.source_bytes
    return nbytes.most_common(1)[0][0]
