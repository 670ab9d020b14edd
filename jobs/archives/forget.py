"""`tilepress forget`: images are no longer given out, from the next run on; `compact` then removes their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from tilepress.jobs.archives.moving import next_run, require_sound
from tilepress.jobs.archives.only_copies import require_none
from tilepress.jobs.archives.run_plan import claim_run, unfinished_run
from tilepress.pipeline.archive.index import IndexSpool, create_index
from tilepress.pipeline.archive.manifest import Manifest, write_manifest
from tilepress.pipeline.archive.plan import PlannedFile
from tilepress.pipeline.archive.schema import FORGOTTEN
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.reading.history import History
from tilepress.pipeline.storage.globs import Selection
from tilepress.pipeline.storage.options import NO_OPTIONS


@dataclass(frozen=True)
class ForgetConfig:
    """What `tilepress.forget` was asked for; its signature describes every field."""

    archive: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    deleted: bool = False
    only_copies: bool = False
    dry_run: bool = False
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # see StorageOptions


@dataclass
class ForgetReport:
    """What was forgotten, or would be. `run` is None for a dry run."""

    run: int | None = None
    images: int = 0
    bytes: int = 0  # of the files
    paths: list[str] = field(default_factory=list)  # the first 1,000

    @property
    def exit_code(self) -> int:
        """0: done."""
        return 0


_MAX_PATHS = 1000


def run_forget(config: ForgetConfig) -> ForgetReport:
    """Mark the images that are selected, in a run of its own."""
    if not config.include and not config.deleted:
        raise UsageError("say what to forget: `include` with a pattern, or `deleted`")
    archive = open_archive(config.archive, include_deleted=True, checked=True, storage_options=config.storage_options)
    storage = archive.storage
    if config.deleted and not config.only_copies:
        require_none(storage)
    request = {"verb": "forget", "include": [*config.include], "exclude": [*config.exclude], "deleted": config.deleted}
    begun = None if config.dry_run else unfinished_run(storage, request)
    if begun is None:
        require_sound(archive)
    report = ForgetReport()
    marks = (PlannedFile(0, 0, FORGOTTEN, each.path) for each in _counted(_selected(archive, config), report))
    run, plan = next_run(archive, marks, request)
    if begun:
        run, plan = begun
    elif not report.images:
        raise UsageError(f"{config.archive} holds nothing that matches: see `tilepress ls {config.archive}`")
    if config.dry_run:
        return report
    plan = claim_run(storage, run, plan, request, (), {})
    with closing(IndexSpool()) as spool:
        seal, footer = create_index(storage, run.index, plan.shards(), spool)
    write_manifest(storage, run, Manifest((), plan.seal, seal, plan.date, index_footer=footer))
    report.run = run.number
    return report


def _selected(archive: Archive, config: ForgetConfig) -> Iterator[History]:
    """What the archive says of the paths to be forgotten: nothing of those that are so already."""
    selection = Selection(config.include, config.exclude)
    for history in archive.histories(["source_bytes"]):
        if history.path in selection and (history.gone or not config.deleted) and not _is_forgotten(history):
            yield history


def _is_forgotten(history: History) -> bool:
    return bool(history.newest[1]["method"] == FORGOTTEN)


def _counted(histories: Iterator[History], report: ForgetReport) -> Iterator[History]:
    """The histories; the report adds them up as they pass."""
    for history in histories:
        report.images += 1
        report.bytes += history.content[1]["source_bytes"] if history.content else 0
        if len(report.paths) < _MAX_PATHS:
            report.paths.append(history.path)
        yield history
