"""`tilepress restore`: files come back under their own names, each proven right before it takes its name."""

from __future__ import annotations

import io
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from tilepress.codecs.errors import MissingPackage
from tilepress.jobs.archives.restore_deblocked import require_deblock
from tilepress.jobs.archives.restore_links import NAMES, restore_entry, why_absent
from tilepress.jobs.archives.restore_shown import (
    THERE,
    RestoreOptions,
    Written,
    names_like_shown,
    require_alone,
    require_view,
    view_of,
    write_shown,
)
from tilepress.jobs.cli.meter import Meter
from tilepress.pipeline.archive.schema import NO_FILES
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.engine.engine import EngineConfig, open_engine
from tilepress.pipeline.errors import (
    AlreadyExists,
    IntegrityError,
    InTheWay,
    MissingError,
    PictureError,
    UnsafeName,
    UnusableName,
    UsageError,
)
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.reading.batches import EntryTask, entry_tasks, task_entries
from tilepress.pipeline.reading.image import Entry, Region
from tilepress.pipeline.reading.pixels import map_by_stack
from tilepress.pipeline.storage.base import Location, Storage, check_name, is_url
from tilepress.pipeline.storage.creating import holds
from tilepress.pipeline.storage.globs import Selection
from tilepress.pipeline.storage.local import LocalStorage
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions
from tilepress.pipeline.storage.own_names import own_name


@dataclass(frozen=True)
class RestoreConfig:
    """What `tilepress.restore` was asked for; its signature describes every field."""

    archive: str
    destination: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    region: Region | None = None
    preview: bool = False
    view: str = ""  # another decoder of the latents, where their model has it
    as_origin: bool = False
    deblock: bool = False
    pixels: bool = False  # equal pixels and metadata are enough
    overwrite: bool = False
    run: int | None = None
    as_of: str | None = None
    include_deleted: bool = False
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass
class RestoreReport:
    """Counts of files by how they came back, and what did not come back, with the reason."""

    complete: bool = True  # some run of the archive is: what it planned was all there to restore

    restored: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)  # damage: (path, reason)
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # undamaged, but a codec is not installed here
    refused: list[tuple[str, str]] = field(default_factory=list)  # the name is taken, or there is no such region
    absent: list[tuple[str, str]] = field(default_factory=list)  # what the destination cannot hold: links and folders
    not_identical: list[tuple[str, str]] = field(default_factory=list)  # not restored byte for byte: (path, how)
    without_view: int = 0  # files that have no such view, and came back without it
    not_deblocked: list[tuple[str, str]] = field(default_factory=list)  # came back as they are: (path, reason)
    damage: list[tuple[str, str]] = field(default_factory=list)  # in the archive's own files: (file, reason)
    notes: list[str] = field(default_factory=list)
    source_bytes: int = 0

    @property
    def exit_code(self) -> int:
        """Return 0 if all is there; 4 damage; 5 no package; 2 a name is taken; 3 no links there, or no complete run."""
        if self.failed or self.damage:
            return 4
        return 5 if self.unreadable else 2 if self.refused else 3 if self.absent or not self.complete else 0

    def merge(self, other: RestoreReport) -> None:
        """Add another report."""
        self.restored.update(other.restored)
        self.failed += other.failed
        self.unreadable += other.unreadable
        self.refused += other.refused
        self.absent += other.absent
        self.not_identical += other.not_identical
        self.without_view += other.without_view
        self.not_deblocked += other.not_deblocked
        self.source_bytes += other.source_bytes


def run_restore(config: RestoreConfig) -> RestoreReport:
    """Restore what is selected; run again, files that are already right are left alone."""
    _require_one_way(config)
    archive = open_archive(
        config.archive,
        run=config.run,
        as_of=config.as_of,
        include_deleted=config.include_deleted,
        storage_options=config.storage_options,
    )
    destination = Location(config.destination, StorageOptions(config.storage_options)).absolute()
    if f"{_place(destination.open())}/".startswith(f"{_place(archive.storage)}/"):
        raise UsageError(f"{config.destination} is the archive itself or lies within it: restore elsewhere")
    selection = Selection(config.include, config.exclude)
    report = RestoreReport(complete=archive.complete, notes=archive.notes, damage=archive.damage)
    shards, size, networks = _measure(archive, selection)
    others = config.region is None and any(True for _ in _selected(archive, selection, files=False))
    if not shards and not others and not archive.problems:
        raise UsageError(f"{config.archive} holds nothing that matches: see `tilepress ls {config.archive}`")
    if config.view and shards:
        require_view(_selected(archive, selection), config.view)
    if is_url(destination.url) and config.region is None:
        report.notes.append(f"{destination.url} keeps neither modification times nor permissions of files")
    options = _options(config, destination, _selected(archive, selection))
    with (
        open_engine(
            config.engine, archive.storage.location, shards, size, networks=networks or config.deblock
        ) as engine,
        Meter("restore", size, quiet=config.quiet) as meter,
    ):
        tasks = entry_tasks(_selected(archive, selection), options)
        for result in engine.map_shards(restore_entries, tasks, meter):
            report.merge(result)
            images = result.restored.total() + len(result.failed) + len(result.unreadable) + len(result.refused)
            meter.advance(bytes_in=result.source_bytes, images=images, failures=len(result.failed))
    # Links come when all files are there, one after the other, so that no file is ever written through one of them.
    for entry in _selected(archive, selection, files=False) if others else ():
        report.merge(_restored(entry, destination.open(), options))
    return report


def _require_one_way(config: RestoreConfig) -> None:
    """UsageError where files are asked for in two ways at once."""
    ways = {"region": config.region is not None, "preview": config.preview, "view": bool(config.view)}
    ways["as_origin"] = config.as_origin
    if config.deblock:
        require_alone("deblock", ways)
        require_deblock()
    if config.pixels:
        require_alone("pixels", ways | {"deblock": config.deblock})


def _options(config: RestoreConfig, destination: Location, entries: Iterable[Entry]) -> RestoreOptions:
    shown = config.region, config.preview, config.view, config.as_origin
    renames = config.region is None and (config.deblock or config.preview or config.as_origin)
    taken = names_like_shown(entries) if renames else frozenset()
    return RestoreOptions(destination, *shown, config.overwrite, config.deblock, config.pixels, taken)


def _place(storage: Storage) -> str:
    return storage.url if is_url(storage.url) else os.path.realpath(storage.url)


def _selected(archive: Archive, selection: Selection, *, files: bool = True) -> Iterator[Entry]:
    """The selected files, or links and folders."""
    found = (entry for entry in archive.entries() if entry.path in selection)
    return (entry for entry in found if (entry.index_row.facts.method in NO_FILES) != files)


def _measure(archive: Archive, selection: Selection) -> tuple[int, int, bool]:
    """Tasks, source bytes, and whether networks are needed, so that nothing is started in vain."""
    tasks = size = 0
    networks = False
    for task in entry_tasks(_selected(archive, selection), None):
        tasks += 1
        size += task.source_bytes
        networks = networks or any("@" in tile.facts.codec for image in task.images for tile in image.tiles)
    return tasks, size, networks


def restore_entries(task: EntryTask, archive: Storage, pool: CodecPool) -> RestoreReport:
    """Restore the images of one task (a stage); damage to one never keeps another from coming back."""
    report = RestoreReport()
    destination = task.options.destination.open()

    def restore(entry: Entry) -> RestoreReport:
        with pool.progress.decoding(entry.index_row.facts):
            done = _restored(entry, destination, task.options)
        pool.progress.image_done(failures=len(done.failed))
        return done

    entries = task_entries(task, archive, pool)
    for done in map_by_stack(pool, restore, entries, lambda entry: entry.index_row):
        report.merge(done)
    destination.flush()
    return report


def _restored(entry: Entry, destination: Storage, options: RestoreOptions) -> RestoreReport:
    """Restore one image; what became of it."""
    report = RestoreReport(source_bytes=entry.index_row.facts.source_bytes)
    try:
        if entry.index_row.facts.method in NO_FILES:
            _restore_other(entry, destination, options, report)
        else:
            there, written = _restore_one(entry, destination, options)
            report.restored[THERE if there else written.how.partition(":")[0]] += 1
            report.not_identical += [(entry.path, written.how)] if written.needs_a_word else []
            report.not_deblocked += [(entry.path, written.not_deblocked)] if written.not_deblocked else []
            report.without_view += options.view != view_of(entry, options)
    except (AlreadyExists, MissingError):  # missing: what has the name is no file
        reason = "something else has this name; restore elsewhere, or replace a file by `overwrite`"
        report.refused.append((entry.path, reason))
    except (UsageError, PictureError, InTheWay, UnusableName) as exc:
        report.refused.append((entry.path, str(exc)))
    except (IntegrityError, UnsafeName) as exc:
        report.failed.append((entry.path, str(exc)))
    except MissingPackage as exc:
        report.unreadable.append((entry.path, str(exc)))
    return report


def _restore_other(entry: Entry, destination: Storage, options: RestoreOptions, report: RestoreReport) -> None:
    """Restore a link or a folder."""
    if isinstance(destination, LocalStorage):
        made = restore_entry(entry, destination, overwrite=options.overwrite)
        report.restored[NAMES[entry.index_row.facts.method] if made else THERE] += 1
    else:
        report.absent.append((entry.path, why_absent(entry)))


def _restore_one(entry: Entry, destination: Storage, options: RestoreOptions) -> tuple[bool, Written]:
    """Restore one file; whether it was there already, and how it came back."""
    check_name(entry.path)
    with _scratch(entry) as file:
        written = write_shown(entry, options, file)
        name = written.name
        if name == entry.path and not is_url(destination.url):
            name = own_name(name, entry.index_row.file.name)
        file.flush()
        content = file.getvalue() if isinstance(file, io.BytesIO) else Path(file.name)
        if options.overwrite and _is_there(destination, name, content):
            return True, written
        try:
            _create(destination, name, content, overwrite=options.overwrite)
        except AlreadyExists:
            if not _is_there(destination, name, content):
                raise
            return True, written
    if written.is_file:
        destination.set_facts(name, entry.index_row.file.modified_ns, entry.index_row.file.permissions)
    return False, written


def _scratch(entry: Entry) -> BinaryIO:
    """A file to write an image to, which is gone when it is closed; in memory for one of a stack, which is small."""
    if entry.index_row.stack is not None:
        return io.BytesIO()
    return cast(BinaryIO, tempfile.NamedTemporaryFile(prefix="tilepress-"))


def _create(destination: Storage, name: str, content: bytes | Path, *, overwrite: bool) -> None:
    if isinstance(content, Path):
        destination.write_file(name, content, overwrite=overwrite)
    else:
        destination.write(name, content, overwrite=overwrite)


def _is_there(destination: Storage, name: str, content: bytes | Path) -> bool:
    """Whether a file of that name, and no link to one, has this content."""
    there = destination.local_path(name)
    return not (there and there.is_symlink()) and holds(destination, name, content)
