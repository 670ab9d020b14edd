"""`tilepress abandon`: the unfinished run gets a manifest that says it holds nothing, then its files are removed.

The manifest comes first and is create-only: a driver that still works on the run cannot complete it, and readers
ignore whatever it leaves behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tilepress.pipeline.archive.layout import Run, is_complete, list_parts, list_runs, read_archive
from tilepress.pipeline.archive.manifest import abandon_run, read_manifest
from tilepress.pipeline.archive.plan import Plan, plan_from_bytes
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, MissingError, UsageError
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.options import NO_OPTIONS


@dataclass(frozen=True)
class AbandonConfig:
    """What `tilepress.abandon` was asked for; its signature describes every field."""

    archive: str
    yes: bool = False
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # see StorageOptions


@dataclass
class AbandonReport:
    """What was given up: the run (None if that was done before, and files were left over), and what was removed."""

    run: int | None = None
    removed_files: int = 0
    removed_bytes: int = 0

    @property
    def exit_code(self) -> int:
        """0: the run is given up."""
        return 0


def run_abandon(config: AbandonConfig) -> AbandonReport:
    """Give up the run without a manifest, and remove what given-up runs left."""
    storage = open_storage(config.archive, config.storage_options)
    read_archive(storage)
    runs, report = list_runs(storage), AbandonReport()
    if runs and not is_complete(storage, runs[-1]):
        require_replaced(storage, runs[-1])
        if not config.yes:
            _require_unfinished(storage, runs[-1])
        try:
            abandon_run(storage, runs[-1])
        except AlreadyExists:
            raise UsageError(
                f"{config.archive}: {runs[-1].folder} was completed this moment, by another process"
            ) from None
        report.run = runs[-1].number
    for run in runs:
        with suppress(IntegrityError):  # a damaged manifest is for `verify` to name
            if read_manifest(storage, run).abandoned:
                _remove_files(storage, run, report)
    if report.run is None and not report.removed_files:
        raise UsageError(f"{config.archive}: no run is unfinished, so there is nothing to give up")
    return report


def plan_of(storage: Storage, run: Run) -> Plan | None:
    """Return the plan of a run; None if it is damaged or lost."""
    try:
        return plan_from_bytes(storage.read(run.plan), run.plan)
    except (IntegrityError, MissingError):
        return None


def has_all_parts(storage: Storage, run: Run, plan: Plan) -> bool:
    """Tell whether all parts of a run are there, so that it lacks no more than files that follow from them."""
    there = list_parts(storage, run)
    return all(shard.number in there for shard in plan.shards() if shard.additions)


def require_replaced(storage: Storage, run: Run) -> None:
    """Raise UsageError unless all parts are there that a run stands for: it has been complete if some were removed."""
    plan = plan_of(storage, run)
    replaces = plan.replaces if plan else ()  # not even `compact` knows what it stood for
    there = {number: list_parts(storage, Run(number)) for number in {number for number, _ in replaces}}
    if any(shard not in there[number] for number, shard in replaces):
        raise UsageError(
            f"{storage.url}: {run.folder} has been complete, since parts that it stands for are removed, and lacks its "
            f"manifest now: giving it up would lose images. Repeat the command that made it"
        )


def _require_unfinished(storage: Storage, run: Run) -> None:
    """Raise UsageError for a run of files from a source that has all its parts: it may have been complete."""
    plan = plan_of(storage, run)
    if plan and plan.totals.files and "press" in plan.settings and has_all_parts(storage, run, plan):
        raise UsageError(
            f"{storage.url}: {run.folder} has all its parts, and lacks no more than what `tilepress repair "
            f"{storage.url}` makes again: it may have been complete. Say `yes` to give it up nevertheless, and remove "
            f"its {plan.totals.files:,} files from the archive"
        )


def _remove_files(storage: Storage, run: Run, report: AbandonReport) -> None:
    """Remove whatever lies in the folder of a given-up run but the manifest that says so."""
    for file in list(storage.list(f"{run.folder}/")):
        if file.name == run.manifest:
            continue
        with suppress(MissingError):  # another process does the same
            storage.remove(file.name)
            report.removed_files += 1
            report.removed_bytes += file.size
