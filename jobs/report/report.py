"""`tilepress report`: one page about an archive, from its indexes and a few previews."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import tilepress
from tilepress.jobs.page_file import page_file, require_page_name, require_replaceable
from tilepress.jobs.pages.page import Page
from tilepress.jobs.pages.render import render
from tilepress.jobs.report.contents import Contents, read_contents
from tilepress.jobs.report.figures import ArchiveFigures
from tilepress.jobs.report.sections import sections_of
from tilepress.pipeline.errors import AlreadyExists, UsageError
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.globs import Selection
from tilepress.pipeline.storage.options import NO_OPTIONS

_SUFFIX = ".html"


@dataclass(frozen=True)
class ReportConfig:
    """What `tilepress.report` was asked for; its signature describes every field."""

    archive: str
    out: str | None = None
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    thumbnails: int = 48
    overwrite: bool = False
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions

    @property
    def name(self) -> str:
        """The last part of the archive's place."""
        return self.archive.rstrip("/").rpartition("/")[2].strip(".") or "archive"

    @property
    def command(self) -> str:
        """The command that makes the same page again."""
        patterns = [("--include", each) for each in self.include] + [("--exclude", each) for each in self.exclude]
        return shlex.join(["tilepress", "report", self.archive, *(word for pair in patterns for word in pair)])

    @property
    def selection(self) -> Selection | None:
        """The images to tell of; None: all of them."""
        return Selection(self.include, self.exclude) if self.include or self.exclude else None


@dataclass
class ArchiveReport:
    """The figures of an archive, and where the page is that tells them."""

    archive: str
    out: str
    page_bytes: int
    seconds: float
    figures: dict[str, Any]
    problems: list[str] = field(default_factory=list)  # of the archive, met on opening it
    not_shown: list[tuple[str, str]] = field(default_factory=list)  # (path, reason): no thumbnail could be made
    damaged: bool = False

    @property
    def exit_code(self) -> int:
        """0; 3 where images could not be shown; 4 where opening the archive found damage."""
        return 4 if self.damaged else 3 if self.not_shown else 0


def run_report(config: ReportConfig) -> ArchiveReport:
    """Read, draw, write: see `tilepress.report`."""
    began = time.monotonic()
    storage, name = _destination(config)
    archive = open_archive(config.archive, include_deleted=True, storage_options=config.storage_options)
    told = Contents(config.archive, config.name, config.command, ArchiveFigures(config.thumbnails))
    read_contents(archive, told, config.selection, quiet=config.quiet)
    if not told.figures.all.files and config.selection is not None:
        raise UsageError(f"{config.archive} holds nothing that matches: see `tilepress ls {config.archive}`")
    page = render(_page(told))
    try:
        storage.write(name, page, overwrite=config.overwrite)
    except AlreadyExists as exc:
        raise _there(config.out or name) from exc
    storage.flush()
    return ArchiveReport(
        archive=config.archive,
        out=config.out or name,
        page_bytes=len(page),
        seconds=round(time.monotonic() - began, 3),
        figures=told.plain(),
        problems=told.problems,
        not_shown=told.thumbnails.failed,
        damaged=told.damaged,
    )


def _destination(config: ReportConfig) -> tuple[Storage, str]:
    """The place of the page, and its name there; UsageError where there is a file already."""
    out = config.out or config.name + _SUFFIX
    storage, name = page_file(out, config.storage_options)
    if not name:
        raise UsageError(f"{out} is a folder: `out` is the file to write, such as {out}{config.name}{_SUFFIX}")
    require_page_name("out", out)
    if require_replaceable("out", storage, name) and not config.overwrite:  # of what may be another archive
        raise _there(out)
    return storage, name


def _there(out: str) -> UsageError:
    return UsageError(f"{out} is there already: choose another `out`, or say `overwrite`")


def _page(told: Contents) -> Page:
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = [("made", made), ("by tilepress", tilepress.__version__)]
    facts += [("archive", told.archive_id), ("format", told.format)]
    return Page(
        title=told.name,
        kicker="tilepress report",
        subtitle="What the archive holds, and what it saves",
        command=told.command,
        facts=[("place", told.archive), *((name, text) for name, text in facts if text)],
        sections=sections_of(told, json.dumps(told.plain(), indent=1, default=str).encode()),
    )
