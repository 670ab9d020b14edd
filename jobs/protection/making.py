"""Makes the parity that an archive lacks, and removes what is outdated; for every verb that adds runs or moves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tilepress.codecs.extras import require_extra
from tilepress.jobs.cli.meter import Meter
from tilepress.jobs.protection.coverage import Coverage, all_parity, coverage, wanted_groups
from tilepress.jobs.protection.keeping import require_replaceable, require_undamaged
from tilepress.pipeline.archive.layout import ARCHIVE_JSON
from tilepress.pipeline.engine.engine import EngineConfig, open_engine
from tilepress.pipeline.errors import MissingError
from tilepress.pipeline.parity.code import EXTRA
from tilepress.pipeline.parity.description import Parity
from tilepress.pipeline.parity.group import Group
from tilepress.pipeline.parity.make import GroupTask, make_parity
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.storage.base import Storage, open_storage


@dataclass(frozen=True)
class RunParity:
    """The parity of a run, or (run 0) of archive.json and models, and what it is sure to restore."""

    run: int
    percent: float  # as asked for
    protected_bytes: int
    parity_bytes: int
    files: int
    whole_files: int  # in each group of files, whichever they are
    stretch_bytes: int  # that follow each other, in each group
    damaged_blocks: int  # in each group, wherever they are
    block_bytes: int  # the largest

    @classmethod
    def of(cls, found: Coverage) -> RunParity:
        """Return what the current parity of a run is good for."""
        groups = found.groups
        return cls(
            found.run,
            found.percent or 0.0,
            sum(group.bytes for group in groups),
            sum(group.parity_bytes for group in groups),
            sum(len(group.files) for group in groups),
            min((group.whole_files for group in groups), default=0),
            min((group.parity_bytes for group in groups), default=0),
            min((group.parity for group in groups), default=0),
            max((group.block for group in groups), default=0),
        )


@dataclass
class ParityReport:
    """What was made, what there is now, and what it restores."""

    made: list[int] = field(default_factory=list)  # runs; 0: what no run holds
    made_bytes: int = 0  # of files that this command made parity of
    stored_bytes: int = 0  # of their parity, with its descriptions
    removed: list[str] = field(default_factory=list)  # files of parity that was outdated
    runs: list[RunParity] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def require_parity() -> None:
    """Raise MissingExtra unless parity can be made here."""
    require_extra(EXTRA, "parity")


def make_missing(archive: Archive, percent: float, engine: EngineConfig, *, quiet: bool) -> ParityReport:
    """Give parity to every complete run that lacks it, then remove parity that is outdated.

    Args:
        archive: Opened since it was last written to. IntegrityError where it is damaged, or lacks a file that only
            outdated parity gives back: nothing is removed then.
        percent: Above 0; runs that have parity keep it, however much it is.
        engine: Where the work is done.
        quiet: Show no progress.
    """
    require_parity()
    require_undamaged(archive)
    report, found = ParityReport(notes=list(archive.notes)), coverage(archive)
    require_replaceable(archive, found)
    wanted = [each for of_run in found for each in wanted_groups(of_run, percent)]
    _make(archive, wanted, engine, report, quiet=quiet)
    report.made = [of_run.run for of_run in found if of_run.missing]
    report.notes += [
        f"run {each.run} has {each.percent:g} % of parity, and keeps it: `parity` 0% removes it"
        for each in found
        if each.run and not each.missing and each.percent != percent
    ]
    report.removed = remove_parity(archive.storage, (each for of_run in found for each in of_run.outdated))
    report.runs = [RunParity.of(each) for each in (coverage(archive) if wanted else found)]
    return report


def _make(
    archive: Archive, wanted: list[tuple[Group, float]], engine: EngineConfig, report: ParityReport, *, quiet: bool
) -> None:
    size = sum(group.bytes for group, _ in wanted)
    tasks = [GroupTask(number, group, percent) for number, (group, percent) in enumerate(wanted)]
    if not tasks:
        return
    with (
        open_engine(engine, archive.storage.location, len(tasks), size, networks=False) as opened,
        Meter("protect", size, quiet=quiet) as meter,
    ):
        for made in opened.map_shards(make_parity, tasks, meter):
            report.made_bytes += made.group.bytes
            report.stored_bytes += made.stored
            meter.advance(bytes_in=made.group.bytes, images=0, bytes_out=made.stored)


def remove_parity(storage: Storage, found: Iterable[Parity]) -> list[str]:
    """Remove parity, the descriptions first; return the names of its files."""
    removed = []
    for each in found:
        for name in sorted(each.objects, key=lambda name: (not name.endswith(".json"), name)):
            with suppress(MissingError):  # removed by another process
                storage.remove(name)
            removed.append(name)
    return removed


def protection_of(archive: Archive) -> float | None:
    """Return the percentage of the newest run that has parity; None where no run has."""
    found = all_parity(archive.storage, (view.run for view in archive.runs))
    percents = {run: each.description.percent for run, each in found if run and each.description}
    return percents[max(percents)] if percents else None


def protect(
    url: str, options: Mapping[str, Any], percent: float, engine: EngineConfig, *, quiet: bool
) -> ParityReport | None:
    """Make the parity that an archive lacks, as `make_missing` does; None if there is no archive yet."""
    if not open_storage(url, options).exists(ARCHIVE_JSON):
        return None
    archive = open_archive(url, include_deleted=True, storage_options=options)
    return make_missing(archive, percent, engine, quiet=quiet)


def protect_again(url: str, options: Mapping[str, Any], engine: EngineConfig, *, quiet: bool) -> ParityReport | None:
    """Make the parity that an archive with parity lacks after a run was added that stands for others' parts.

    As much as the newest run has that has any. None if no run has, or something is still damaged.
    """
    archive = open_archive(url, include_deleted=True, storage_options=options)
    percent = None if archive.damage else protection_of(archive)
    return make_missing(archive, percent, engine, quiet=quiet) if percent else None
