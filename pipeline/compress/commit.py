"""The compress stage: build a shard's part, prove it by decoding it, and commit it once.

Tasks run at least once, on any machine: a part is created create-only, and one that is already there is accepted if
it is of the same plan and shard. Nothing is ever compared by bytes.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import pyarrow as pa

from tilepress.pipeline.archive.checksums import samples_crc
from tilepress.pipeline.archive.index_row import IndexRow, index_row
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.manifest import PartEntry
from tilepress.pipeline.archive.part import BuiltPart, Fetch, PartBuilder
from tilepress.pipeline.archive.part_index import part_index, read_part_footer
from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.plan import PlannedFile, Shard
from tilepress.pipeline.archive.schema import NOT_STORED, SAME, UNTRUSTED, ImageFacts
from tilepress.pipeline.archive.sealed import SEAL_KEY
from tilepress.pipeline.archive.summary import Summary, summarise
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.compress.apart.reading import prepare
from tilepress.pipeline.compress.same import Candidates, StoredContent
from tilepress.pipeline.compress.shard import ShardEncoder
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, TilepressError, TransientStorageError
from tilepress.pipeline.monitoring.lines import tell
from tilepress.pipeline.reading.near_lossless import prove_within
from tilepress.pipeline.reading.pixels import PartReader, map_by_stack
from tilepress.pipeline.reading.rebuild import prove
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions
from tilepress.pipeline.storage.range_file import RangeFile
from tilepress.pipeline.tally import TALLY

logger = logging.getLogger(__name__)

_MEMORY_PART = 64 << 20


@dataclass(frozen=True)
class ShardTask:
    """One shard of a run, which becomes one part."""

    shard: Shard
    run: Run
    plan_seal: str

    @property
    def number(self) -> int:
        """Number of the shard."""
        return self.shard.number

    @property
    def bytes(self) -> int:
        """Bytes to read, for progress and memory."""
        return self.shard.bytes


@dataclass(frozen=True)
class EncodeTask(ShardTask):
    """One shard of a run, as it travels to a worker."""

    settings: EncodeSettings
    source: str  # what Collection.open takes
    committed: bool = False  # a part of this shard is already there
    quarantined: dict[int, str] = field(default_factory=dict)  # images that crashed a worker: stored verbatim
    known: Candidates = field(default_factory=dict)  # rows that may have the content of files
    storage_options: StorageOptions = NO_OPTIONS  # of the source


@dataclass(frozen=True)
class EncodeResult:
    """What a worker reports: the committed part, its index rows (Arrow IPC stream), and what it holds."""

    entry: PartEntry
    index: bytes
    summary: Summary
    resumed: bool = False


def encode_shard(task: EncodeTask, archive: Storage, pool: CodecPool) -> EncodeResult:
    """Commit one shard, or accept the part that is there."""
    if task.committed or archive.exists(task.run.part(task.number)):  # by another driver, or an earlier attempt
        return accept_part(task, archive)
    return commit_part(task, archive, *build_part(task, archive, pool))


@dataclass(frozen=True)
class PartRows:
    """The index rows of a part: as they travel to the driver, and parsed."""

    table: pa.Table
    images: tuple[IndexRow, ...]

    @classmethod
    def read(cls, part: BuiltPart, number: int) -> PartRows:
        """Return the rows of the part that was built of a shard. IntegrityError if they cannot be read."""
        table = part_index(part.file, f"part {number}", number)
        return cls(table, tuple(map(index_row, table.to_pylist())))


def commit_part(task: ShardTask, archive: Storage, part: BuiltPart, rows: PartRows) -> EncodeResult:
    """Create a part that was proven, or accept the one that another process was faster with."""
    try:
        _create(archive, task.run.part(task.number), part)
    except AlreadyExists:
        TALLY.add(commit_conflicts=1)
        tell(logger, "commit_conflict", f"shard {task.number}: another process has committed it")
        return accept_part(task, archive)
    finally:
        size = part.nbytes
        part.close()
    entry = PartEntry(task.number, len(task.shard.additions), part.rows, size, part.seal)
    summary = summarise(rows.images)
    summary.warnings.update(part.warnings)
    return EncodeResult(entry, to_ipc(rows.table), summary)


def build_part(task: EncodeTask, archive: Storage, pool: CodecPool) -> tuple[BuiltPart, PartRows]:
    """Return a part whose every image was decoded again and compared; images that fail are kept as files instead."""
    prepare()
    quarantined = dict(task.quarantined)
    source = Collection.open(task.source, storage_options=task.storage_options)
    stored = StoredContent(archive, pool, task.known)
    place = (task.run.number, task.number)
    while True:
        builder = PartBuilder()
        try:
            encoder = ShardEncoder(source, task.settings, pool, builder, quarantined, stored, place)
            encoder.encode(task.shard.additions)
            part = builder.finish({"tilepress.plan": task.plan_seal, "tilepress.shard": str(task.number)})
            part.warnings.update(encoder.warnings)
        finally:
            builder.close()
        rows = PartRows.read(part, task.number)
        near = NearSources(source, {file.image: file for file in task.shard.additions})
        check_references(rows.images, place)
        failed = check_images(rows.images, part.fetch, pool, near, encoder.cells)
        if not failed:
            _count_crashing(task, rows, quarantined)
            return part, rows
        part.close()
        if failed.keys() <= quarantined.keys():
            raise IntegrityError(f"shard {task.number} cannot be stored right: {failed}")
        TALLY.add(verify_failures=len(failed))
        told = f"shard {task.number}: stored verbatim, since they did not decode to what they were"
        tell(logger, "verify_failed", told, severity="error", images=failed)
        quarantined |= failed


def _count_crashing(task: EncodeTask, rows: PartRows, known: Mapping[int, str]) -> None:
    """Count the files that crashed the process which read them; those that are `known` were counted when found."""
    untrusted = {row.facts.image for row in rows.images if row.facts.reason_code == UNTRUSTED} - known.keys()
    names = [file.entry.name for file in task.shard.additions if file.image in untrusted]
    if names:
        TALLY.add(quarantined=len(names))
        told = f"shard {task.number}: stored verbatim, since they crash whatever reads them"
        tell(logger, "files_quarantined", told, severity="error", files=names)


@dataclass(frozen=True)
class NearSources:
    """The source files that near-lossless images are compared with: their bound can be proven in no other way."""

    source: Collection
    files: Mapping[int, PlannedFile]  # by the number of the image

    def has(self, image: IndexRow) -> bool:
        """Tell whether an image is one of the files; others were compared when they were stored."""
        return image.facts.image in self.files

    def prove(self, image: IndexRow, reader: PartReader) -> None:
        """Compare every sample of an image with its source; IntegrityError, or a StorageError where that is gone."""
        with self.source.open_source(self.files[image.facts.image].entry) as data:
            prove_within(image, data, reader)


def check_references(images: Iterable[IndexRow], place: Place) -> None:
    """Raise IntegrityError unless the rows of a part that refer to others of it have their size and SHA-256."""
    rows = {image.facts.image: image.facts for image in images}
    for facts in rows.values():
        if facts.method == SAME and (facts.of_run, facts.of_part) == place:
            held = rows.get(-1 if facts.of_image is None else facts.of_image)
            if held is None or held.method in (SAME, NOT_STORED) or _content(held, facts) != _content(facts, facts):
                raise IntegrityError(f"image {facts.image} refers to {facts.of_image}, which is another file")


def _content(facts: ImageFacts, known: ImageFacts) -> tuple[int, bytes]:
    """Size and SHA-256 of a file; the known SHA-256 for one in a stack, whose row has none."""
    return facts.source_bytes, facts.file_sha256 or known.file_sha256


def check_images(
    images: Iterable[IndexRow],
    fetch: Fetch,
    pool: CodecPool,
    sources: NearSources | None,
    cells: Mapping[int, int],
) -> dict[int, str]:
    """Decode every image that a part has itself; number to reason of those that are not what the source was.

    Those that are right only within a bound are compared with `sources`, as far as these have them. `cells` has the
    CRC-32 of the samples of images in stacks, by number, which tells that each lies in its own cell.
    """
    reader = PartReader(_one_at_a_time(fetch), pool)

    def failure(image: IndexRow) -> tuple[int, str] | None:
        try:
            with pool.progress.decoding(image.facts):
                if image.facts.image in cells:
                    _prove_cell(image, reader, cells[image.facts.image])
                else:
                    prove(image, reader)
            if image.facts.promised.bound and sources and sources.has(image):
                sources.prove(image, reader)
        except TransientStorageError:
            raise
        except TilepressError as exc:
            return image.facts.image, f"its stored bytes failed the check before commit: {exc}"
        return None

    images = (image for image in images if image.facts.method != SAME)
    return dict(filter(None, map_by_stack(pool, failure, images, lambda image: image)))


def _one_at_a_time(fetch: Fetch) -> Fetch:
    """The same, for several threads: a part under construction is one open file."""
    lock = Lock()

    def locked(ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        with lock:
            return fetch(ranges)

    return locked


def _prove_cell(image: IndexRow, reader: PartReader, crc: int) -> None:
    """Do what `prove` does, of an image in a stack whose samples have this CRC-32."""
    reader.container(image)
    (pixels,) = reader.bands(image)
    if samples_crc(pixels) != crc:
        raise IntegrityError("it lies in the cell of another image")


def accept_part(task: ShardTask, archive: Storage) -> EncodeResult:
    """Return the part that is there, if it is of this plan and shard; IntegrityError if it is something else."""
    name = task.run.part(task.number)
    with RangeFile(archive, name) as file:
        part, metadata = read_part_footer(file, name)
        if (metadata.get("tilepress.plan"), metadata.get("tilepress.shard")) != (
            task.plan_seal,
            str(task.number),
        ):
            raise IntegrityError(
                f"{archive.url}/{name} is of another plan or shard; move it away and run the same command again"
            )
        index = part_index(file, name, task.number)
        rows, size = part.metadata.num_rows, file.size
    expected = [image.image for image in task.shard.additions]
    if index.column("image").to_pylist() != expected:
        raise IntegrityError(f"{archive.url}/{name} does not hold the images of its plan; run `tilepress verify`")
    entry = PartEntry(task.number, len(expected), rows, size, metadata[SEAL_KEY])
    return EncodeResult(entry, to_ipc(index), summarise(map(index_row, index.to_pylist())), resumed=True)


def to_ipc(table: pa.Table) -> bytes:
    """Return a table as an Arrow IPC stream, as it travels to the driver and waits in its spool."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _create(archive: Storage, name: str, part: BuiltPart) -> None:
    if part.nbytes <= _MEMORY_PART:
        archive.create(name, part.fetch([(0, part.nbytes)])[0])
        return
    part.file.flush()
    spool = Path(f"/proc/self/fd/{part.file.fileno()}")
    if spool.exists():
        archive.create_file(name, spool)
        return
    with tempfile.NamedTemporaryFile() as file:  # systems that do not show open files by name
        part.file.seek(0)
        shutil.copyfileobj(part.file, file, 1 << 24)
        file.flush()
        archive.create_file(name, Path(file.name))
