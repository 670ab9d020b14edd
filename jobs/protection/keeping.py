"""What keeps parity from being removed: a file that it names, and that nothing else gives back, is lost or damaged."""

from __future__ import annotations

from collections.abc import Iterable

from tilepress.jobs.cli.meter import Meter
from tilepress.jobs.protection.coverage import (
    ARCHIVE_FOLDER,
    MODELS,
    Coverage,
    all_parity,
    replaced_names,
)
from tilepress.jobs.protection.needed_models import needed_models, residual_models
from tilepress.pipeline.engine.engine import EngineConfig, open_engine
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.parity.group import Group
from tilepress.pipeline.parity.make import GroupTask, prove_files
from tilepress.pipeline.reading.archive import Archive


def require_undamaged(archive: Archive) -> None:
    """Raise IntegrityError for an archive with damage found on opening."""
    if archive.damage:
        name, problem = archive.damage[0]
        raise repair_first(archive, name, f"is damaged ({problem})")


def require_replaceable(archive: Archive, found: Iterable[Coverage]) -> None:
    """Raise IntegrityError if parity that would be removed as outdated is the last trace of a file.

    A file counts as there if it is among those to be protected: new parity proves it before the old one goes. One that
    is not must be a part that a later run stands for, or a model that no image needs.
    """
    lost = {name for of_run in found for name in _unlisted(of_run)} - replaced_names(archive)
    if any(name.startswith(MODELS) for name in lost):  # every index is read only then
        lost -= _spare_models(archive, lost)
    if lost:
        raise repair_first(archive, min(lost), "is missing, and has parity")


def require_spare(archive: Archive, found: list[Coverage], engine: EngineConfig, *, quiet: bool) -> None:
    """Raise IntegrityError unless all that has parity is there and as it was written: every byte of it is read.

    Args:
        archive: Opened since it was last written to.
        found: Its coverage.
        engine: Where the files are read.
        quiet: Show no progress.
    """
    require_replaceable(archive, found)
    for view in archive.runs:  # a run with parity was complete
        if not view.complete and any(number for number, _ in all_parity(archive.storage, [view.run])):
            raise repair_first(archive, view.run.manifest, "is missing, and has parity")
    files = [file for each in found if each.found for file in each.files]
    tasks = [GroupTask(at, Group.of(ARCHIVE_FOLDER, [file], 0.0), 0.0) for at, file in enumerate(files)]
    size = sum(file.bytes for file in files)
    if not tasks:
        return
    try:
        _prove(archive, tasks, size, engine, quiet=quiet)
    except IntegrityError as exc:
        url = archive.storage.url
        raise IntegrityError(f"{exc}; no parity was removed: `tilepress repair {url}` first") from exc


def _prove(archive: Archive, tasks: list[GroupTask], size: int, engine: EngineConfig, *, quiet: bool) -> None:
    with (
        open_engine(engine, archive.storage.location, len(tasks), size, networks=False) as opened,
        Meter("verify files", size, quiet=quiet) as meter,
    ):
        for task in opened.map_shards(prove_files, tasks, meter):
            meter.advance(bytes_in=task.group.bytes, images=0)


def repair_first(archive: Archive, name: str, problem: str) -> IntegrityError:
    """Return the error that something is to be repaired before parity is made or removed."""
    url = archive.storage.url
    return IntegrityError(f"{url}/{name} {problem}: `tilepress repair {url}` first; no parity was removed")


def _unlisted(found: Coverage) -> set[str]:
    """The files that outdated parity names, and that are not among those to be protected."""
    named = {file.name for each in found.outdated if each.description for file in each.description.group.files}
    return named - {file.name for file in found.files}


def _spare_models(archive: Archive, names: Iterable[str]) -> set[str]:
    """Those of the names that are of models which no image needs."""
    models, coders = needed_models(archive)
    needed = models | residual_models(coders)
    return {name for name in names if name.startswith(MODELS) and name.split("/")[1] not in needed}
