"""The stage of runs that move content: rows of earlier parts are copied as they are, and proven before the commit.

An image stays what it was to the last bit: nothing is decoded and coded anew, but for stacks of which only some images
are wanted (restack.py). Images that are damaged are taken from the source instead, where a repair says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tilepress.pipeline.archive.index_row import IndexRow, fetch_image_row, fetch_piece, fetch_tile_rows
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.part import BuiltPart, Fetch, PartBuilder, StagedRows
from tilepress.pipeline.archive.plan import PlannedFile
from tilepress.pipeline.archive.schema import LOST
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.compress.commit import (
    EncodeResult,
    NearSources,
    PartRows,
    ShardTask,
    accept_part,
    check_images,
    commit_part,
)
from tilepress.pipeline.compress.file_state import image_facts
from tilepress.pipeline.compress.restack import by_stack, moved_stack
from tilepress.pipeline.compress.same import Reference, StoredContent, same_facts
from tilepress.pipeline.compress.shard import ShardEncoder
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

_LOST = "its stored bytes were damaged, and the source no longer had it"


@dataclass(frozen=True)
class MoveTask(ShardTask):
    """One shard of a run that moves content: where each image of it is now, and which are not to be copied."""

    images: dict[int, tuple[Run, IndexRow]] = field(default_factory=dict)  # by their new numbers
    same: dict[int, tuple[IndexRow, Reference]] = field(default_factory=dict)  # whose content another row has
    mended: dict[int, EncodeSettings] = field(default_factory=dict)  # how images from the source are stored again
    source: str = ""  # of these: what Collection.open takes
    storage_options: StorageOptions = NO_OPTIONS  # of the source

    @property
    def lost(self) -> tuple[PlannedFile, ...]:
        """The images that neither the archive nor the source has."""
        known = self.images.keys() | self.same.keys() | self.mended.keys()
        return tuple(file for file in self.shard.additions if file.image not in known)


def move_shard(task: MoveTask, archive: Storage, pool: CodecPool) -> EncodeResult:
    """Commit one shard of moved images, or accept the part that is there. IntegrityError if a copy is not right."""
    if archive.exists(task.run.part(task.number)):
        return accept_part(task, archive)
    return commit_part(task, archive, *_build(task, archive, pool))


def _build(task: MoveTask, archive: Storage, pool: CodecPool) -> tuple[BuiltPart, PartRows]:
    quarantined: dict[int, str] = {}
    while True:
        builder = PartBuilder()
        try:
            for number, (run, image) in task.images.items():
                if image.stack is None:
                    builder.add(copied(image, number, Entry(archive, pool, run, image).fetch, builder))
            cells: dict[int, int] = {}
            for run, images in by_stack(task.images):
                builder.add(moved_stack(run, images, archive, pool, builder, cells))
            builder.add(_same_rows(task, builder))
            builder.add(_lost_rows(task, builder))
            files = _encode(task, archive, pool, builder, quarantined, cells)
            part = builder.finish({"tilepress.plan": task.plan_seal, "tilepress.shard": str(task.number)})
        finally:
            builder.close()
        rows = PartRows.read(part, task.number)
        failed = check_images(rows.images, part.fetch, pool, files, cells)
        if not failed:
            return part, rows
        part.close()
        if failed.keys() & task.images.keys() or failed.keys() <= quarantined.keys():
            raise IntegrityError(f"part {task.number} cannot be stored right: {failed}")
        quarantined |= failed


def copied(image: IndexRow, number: int, fetch: Fetch, builder: PartBuilder) -> Iterable[StagedRows]:
    """Stage all rows of an image under its number in another run, their CRCs checked; IntegrityError."""
    facts = image.moved(number)
    yield builder.stage(facts, fetch_image_row(image, fetch))
    for tile in image.tiles:
        ((_, latents, residual),) = fetch_tile_rows([tile], fetch)
        yield builder.stage(replace(tile.facts, image=number), (latents, residual))
    for piece in image.pieces:
        yield builder.stage(replace(piece.facts, image=number), (fetch_piece(piece, fetch),))


def _same_rows(task: MoveTask, builder: PartBuilder) -> Iterable[StagedRows]:
    files = {file.image: file for file in task.shard.additions}
    for number, (image, reference) in task.same.items():
        facts = same_facts(files[number], image.facts, image.file.file_sha256, reference)
        yield builder.stage(facts, (b"", b"", b""))


def _lost_rows(task: MoveTask, builder: PartBuilder) -> Iterable[StagedRows]:
    for file in task.lost:
        facts = image_facts(file, None, EncodeSettings(codec="raw"), reason_code=LOST, reason=_LOST)
        yield builder.stage(facts, (b"", b"", b""))


def _encode(
    task: MoveTask,
    archive: Storage,
    pool: CodecPool,
    builder: PartBuilder,
    quarantined: dict[int, str],
    cells: dict[int, int],
) -> NearSources | None:
    """Store images from the source again; what those within a bound are compared with. `cells`: see check_images."""
    if not task.mended:
        return None
    source = Collection.open(task.source, storage_options=task.storage_options)
    for settings in dict.fromkeys(task.mended.values()):
        files = tuple(file for file in task.shard.additions if task.mended.get(file.image) == settings)
        stored, place = StoredContent(archive, pool), (task.run.number, task.number)
        encoder = ShardEncoder(source, settings, pool, builder, quarantined, stored, place)
        encoder.encode(files)
        cells |= encoder.cells
    mended = {file.image: file for file in task.shard.additions if file.image in task.mended}
    return NearSources(source, mended)
