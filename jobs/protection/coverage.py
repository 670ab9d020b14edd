"""What of an archive has parity, and which groups of files are to get it.

Files of a run are protected by the run's own parity; archive.json and models, which many runs may need and which are
small, by parity of the archive that is as large as they are: a second copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tilepress.pipeline.archive.layout import ARCHIVE_JSON, Run
from tilepress.pipeline.archive.sealed import read_json
from tilepress.pipeline.errors import IntegrityError, MissingError, StorageError, TransientStorageError
from tilepress.pipeline.parity.description import Parity, find_parity
from tilepress.pipeline.parity.group import CoveredFile, Group, groups_of
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.run_view import RunView
from tilepress.pipeline.storage.base import Storage

ARCHIVE_FOLDER = "parity"  # of what no run holds
MODELS = "models/"
_PARITY_OF_RUN = re.compile(r"runs/\d+/parity/", re.ASCII)
_ALL = 100.0  # percent of parity of what no run holds


@dataclass(frozen=True)
class Coverage:
    """The parity of one run (0: of what no run holds), and what it is good for."""

    run: int
    found: tuple[Parity, ...]
    files: tuple[CoveredFile, ...]  # that are to be protected

    @property
    def current(self) -> list[Parity]:
        """The parity of files that are still there to be protected, all of it written."""
        return [each for each in self.found if each.complete and not self._is_outdated(each)]

    @property
    def outdated(self) -> list[Parity]:
        """The parity of files some of which are no more to be protected, as later runs stand for them."""
        return [each for each in self.found if self._is_outdated(each)]

    @property
    def missing(self) -> list[CoveredFile]:
        """The files without parity."""
        covered = {file for each in self.current if each.description for file in each.description.group.files}
        return [file for file in self.files if file not in covered]

    @property
    def percent(self) -> float | None:
        """How much parity was asked for; None where there is none."""
        found = [each.description.percent for each in self.found if each.description]
        return max(found, default=None)

    @property
    def groups(self) -> list[Group]:
        """The groups whose parity is current."""
        return [each.description.group for each in self.current if each.description]

    def _is_outdated(self, parity: Parity) -> bool:
        there = set(self.files)
        return parity.description is not None and not there.issuperset(parity.description.group.files)


def parity_folder(run: Run) -> str:
    """Return where the parity of a run lies."""
    return f"{run.folder}/parity"


def is_parity(name: str) -> bool:
    """Tell whether a file of an archive is one of parity."""
    return name.startswith(f"{ARCHIVE_FOLDER}/") or _PARITY_OF_RUN.match(name) is not None


def replaced_names(archive: Archive) -> set[str]:
    """Return the names of the parts that later runs stand for."""
    return {Run(number).part(shard) for number, shard in archive.replaced}


def all_parity(storage: Storage, runs: Iterable[Run]) -> Iterator[tuple[int, Parity]]:
    """Yield all parity that there is, with the number of its run (0: of what no run holds).

    A place that can be read and gives no listing has none to be found.
    """
    for number, folder in ((0, ARCHIVE_FOLDER), *((run.number, parity_folder(run)) for run in runs)):
        try:
            yield from ((number, found) for found in find_parity(storage, folder))
        except TransientStorageError:  # must not look as if there were none
            raise
        except StorageError:
            return


def coverage(archive: Archive) -> list[Coverage]:
    """Return the parity of what no run holds, then of every complete run.

    IntegrityError if a manifest is damaged, or a file beside it is missing.
    """
    views = [view for view in archive.runs if view.complete and not view.abandoned]
    parity: dict[int, list[Parity]] = {}
    for number, each in all_parity(archive.storage, [view.run for view in views]):
        parity.setdefault(number, []).append(each)

    def of(run: int, files: Iterable[CoveredFile]) -> Coverage:
        return Coverage(run, tuple(parity.get(run, ())), tuple(files))

    return [of(0, _common_files(archive)), *(of(view.run.number, run_files(archive, view)) for view in views)]


def run_files(archive: Archive, view: RunView) -> tuple[CoveredFile, ...]:
    """Return the files of a complete run, but for the parts that later runs stand for."""
    storage, run, manifest = archive.storage, view.run, view.manifest
    if manifest is None:
        raise IntegrityError(f"{storage.url}/{run.manifest} is damaged: `tilepress repair {storage.url}` first")
    named = ((run.plan, manifest.plan_seal), (run.summary, ""), (run.index, manifest.index_seal))
    try:
        small = [CoveredFile(name, storage.size(name), seal) for name, seal in (*named, (run.manifest, manifest.seal))]
    except MissingError as exc:
        raise IntegrityError(f"{exc}: `tilepress repair {storage.url}` first") from exc
    live = [part for part in manifest.parts if (run.number, part.shard) not in archive.replaced]
    return (*small, *(CoveredFile(run.part(part.shard), part.bytes, part.seal) for part in live))


def _common_files(archive: Archive) -> Iterator[CoveredFile]:
    data = archive.storage.read(ARCHIVE_JSON)
    yield CoveredFile(ARCHIVE_JSON, len(data), str(read_json(data, ARCHIVE_JSON)["archive_id"]))
    for entry in archive.storage.list(MODELS):
        if entry.name.endswith(".zst"):
            yield CoveredFile(entry.name, entry.size)


def wanted_groups(found: Coverage, percent: float) -> Iterator[tuple[Group, float]]:
    """Yield the groups whose parity is to be made, each with its percentage. Nothing for what has parity."""
    if not found.run:
        yield from ((group, _ALL) for group in groups_of(ARCHIVE_FOLDER, found.missing, _ALL))
    elif found.missing:  # together with the rest of the run: fewer, larger groups restore more
        yield from ((group, percent) for group in groups_of(parity_folder(Run(found.run)), found.files, percent))
