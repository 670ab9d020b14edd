"""What `verify` checks of parity: every byte of it; and what it notes of parity that is not whole, or outdated."""

from __future__ import annotations

from dataclasses import dataclass, field

from tilepress.jobs.protection.coverage import all_parity, replaced_names
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.errors import StorageError, TransientStorageError
from tilepress.pipeline.parity.check import ParityTask
from tilepress.pipeline.parity.description import Parity
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.run_view import Problem
from tilepress.pipeline.storage.base import Storage


@dataclass
class ParityCheck:
    """What a listing tells of parity, and what is still to be read."""

    tasks: list[ParityTask] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_checks(archive: Archive) -> ParityCheck:
    """Return what is to be checked of an archive's parity."""
    check, known = ParityCheck(), {view.run.number for view in archive.runs} | {0}
    gone = replaced_names(archive)
    for number, parity in all_parity(archive.storage, runs_with_files(archive)):
        if number not in known:
            check.problems.append((Run(number).folder, "the run is lost; its parity is there"))
        names = {file.name for file in parity.description.group.files} if parity.description else set()
        if names & gone:
            check.notes.append(f"{_name(parity)} is of parts that a later run stands for: `tilepress protect` again")
        elif _begun(parity):
            check.notes.append(f"{_name(parity)} is not complete: `tilepress protect` again goes on with it")
        else:
            check.tasks.append(ParityTask(len(check.tasks), parity))
    return check


def _name(parity: Parity) -> str:
    return f"{parity.folder}/{parity.key}"


def _begun(parity: Parity) -> bool:
    """Whether this may be what a killed command left, which is no damage: the description is created last."""
    return f"{_name(parity)}.json" not in parity.objects


def runs_with_files(archive: Archive) -> list[Run]:
    """Return the runs of an archive, and those of which nothing but other files is left, such as parity."""
    return [Run(number) for number in sorted({view.run.number for view in archive.runs} | _numbers(archive.storage))]


def _numbers(storage: Storage) -> set[int]:
    try:
        names = storage.folders("runs/")
    except TransientStorageError:
        raise
    except StorageError:  # a place that can be read, and gives no listing
        return set()
    return {int(name) for name in names if name.isascii() and name.isdigit() and len(name) <= 6} - {0}
