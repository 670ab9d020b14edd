"""The folder that is an archive: its files, their names, and what makes a run visible.

archive.json                     format and id; created once
README.txt                       what this folder is, for whoever finds it
models/SHA256/                   every model used (models.py)
runs/0001/plan.parquet           inputs and settings; created once, before any part
runs/0001/parts/00000.parquet    one a shard, create-only
runs/0001/index.parquet          where everything is; derived from the parts
runs/0001/manifest.parquet       written last, create-only: the run is complete
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilepress.pipeline.archive.readme import README_TEXT
from tilepress.pipeline.archive.sealed import read_json, seal_json
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, MissingError, StorageError, UsageError
from tilepress.pipeline.storage.base import Storage, is_url

FORMAT = "tilepress-archive-1"
ARCHIVE_JSON = "archive.json"
README = "README.txt"
_PROBES = 5
_RUN_NAME = re.compile("[0-9]{4,6}")


@dataclass(frozen=True)
class Run:
    """Names of the files of one run."""

    number: int

    @property
    def folder(self) -> str:
        """Folder of the run within the archive."""
        return f"runs/{self.number:04d}"

    @property
    def plan(self) -> str:
        """Inputs, shards and settings."""
        return f"{self.folder}/plan.parquet"

    @property
    def manifest(self) -> str:
        """What was committed."""
        return f"{self.folder}/manifest.parquet"

    @property
    def index(self) -> str:
        """Where every image is."""
        return f"{self.folder}/index.parquet"

    @property
    def summary(self) -> str:
        """Settings and software, for people."""
        return f"{self.folder}/run.json"

    def part(self, shard: int) -> str:
        """Return the part of a shard."""
        return f"{self.folder}/parts/{shard:05d}.parquet"


def create_archive(storage: Storage) -> dict[str, Any]:
    """Make `storage` an archive, or read the one that is there."""
    with suppress(AlreadyExists):
        storage.create(ARCHIVE_JSON, new_identity())
    with suppress(AlreadyExists):  # by itself, since whoever made the first may have been killed then
        storage.create(README, README_TEXT.encode())
    return read_archive(storage)


def new_identity() -> bytes:
    """Return archive.json of an archive with an id of its own."""
    return seal_json({"format": FORMAT, "archive_id": str(uuid.uuid4())})


def is_create_only(storage: Storage) -> bool:
    """Tell whether the live store refuses to replace archive.json; tried with its own bytes, so nothing can change.

    One refusal proves it. Where the answer is lost, those bytes look like written just now, so it is tried again.
    """
    content = storage.read(ARCHIVE_JSON)
    for _ in range(_PROBES):
        try:
            storage.create(ARCHIVE_JSON, content)
        except AlreadyExists:
            return True
    return False


def _where_one_is(storage: Storage) -> str:
    """Advice for whoever named a place that is no archive: one may be around it, or in it."""
    if not is_url(storage.url):
        place = Path(storage.url)
        near = (*place.parents, *sorted(place.glob("*/")))
        found = [each for each in near if _has_identity(each)]
        if found:
            return f"there is one at {found[0]}"
    return "`tilepress compress` makes one"


def _has_identity(folder: Path) -> bool:
    """Whether a local folder is an archive, as far as it may be looked into."""
    try:
        return (folder / ARCHIVE_JSON).is_file()
    except OSError:
        return False


def read_archive(storage: Storage) -> dict[str, Any]:
    """The archive's identity; UsageError where there is none or it is of a later format, IntegrityError if damaged."""
    try:
        content = read_json(storage.read(ARCHIVE_JSON), f"{storage.url}/{ARCHIVE_JSON}")
    except MissingError as exc:
        if list_runs(storage):
            raise IntegrityError(f"{storage.url}/{ARCHIVE_JSON} is missing, though there are runs") from exc
        raise UsageError(f"there is no archive at {storage.url} (no {ARCHIVE_JSON}); {_where_one_is(storage)}") from exc
    if content.get("format") != FORMAT:
        raise UsageError(f"{storage.url} has the format {content.get('format')!r}; this tilepress reads {FORMAT!r}")
    try:
        uuid.UUID(str(content.get("archive_id")))
    except ValueError as exc:
        raise IntegrityError(f"{storage.url}/{ARCHIVE_JSON}: its archive_id is no UUID") from exc
    return content


def list_runs(storage: Storage) -> list[Run]:
    """Return runs of which anything is there, oldest first; a number is missing where a run was lost.

    Names are probed in turn, which works without a listing; a listing, where the store gives one, finds what is
    behind a lost run, and a run of which parts alone are left.
    """
    numbers: set[int] = set()
    while _has_begun(storage, Run(len(numbers) + 1)):
        numbers.add(len(numbers) + 1)
    with suppress(StorageError):
        others = {int(name) for name in storage.folders("runs/") if _RUN_NAME.fullmatch(name)} - numbers
        numbers |= {n for n in others if _has_begun(storage, Run(n)) or list_parts(storage, Run(n))}
    return [Run(number) for number in sorted(numbers)]


def _has_begun(storage: Storage, run: Run) -> bool:
    return storage.exists(run.plan) or storage.exists(run.manifest)


def is_complete(storage: Storage, run: Run) -> bool:
    """Tell whether the run's manifest is there."""
    return storage.exists(run.manifest)


def list_parts(storage: Storage, run: Run) -> dict[int, int]:
    """Return shard number to bytes of every part that is there, complete run or not."""
    parts = {}
    for entry in storage.list(f"{run.folder}/parts/"):
        stem, _, suffix = entry.name.rpartition("/")[2].partition(".")
        if suffix == "parquet" and stem.isascii() and stem.isdigit():
            parts[int(stem)] = entry.size
    return parts


def write_summary(storage: Storage, run: Run, content: Mapping[str, Any]) -> None:
    """Write run.json, for people; the plan holds the same settings."""
    with suppress(AlreadyExists):  # of a resumed run, or another driver
        storage.create(run.summary, seal_json(content))
