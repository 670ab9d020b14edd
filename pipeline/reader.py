"""Read an archive: a mapping from path to a handle that gives bytes, pixels, regions and previews."""

from __future__ import annotations

import heapq
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa

from tilepress.pipeline.archive import (
    ARCHIVE_JSON,
    Manifest,
    Run,
    is_complete,
    list_parts,
    list_runs,
    read_archive,
    read_manifest,
)
from tilepress.pipeline.errors import (
    IntegrityError,
    MissingError,
    StorageError,
    TransientStorageError,
    UsageError,
)
from tilepress.pipeline.image_file import read_picture
from tilepress.pipeline.index import DerivedIndex, Index, gone_rows
from tilepress.pipeline.part import part_index
from tilepress.pipeline.picture import Limits
from tilepress.pipeline.plan import plan_from_bytes
from tilepress.pipeline.range_file import RangeFile
from tilepress.pipeline.rows import GONE, NOT_STORED, TILES
from tilepress.pipeline.storage import Entry as SourceEntry
from tilepress.pipeline.storage import Storage, open_storage
from tilepress.pipeline.stored import StoredImage, stored_image
from tilepress.pipeline.tiles import Box
from tilepress.pipeline.toolbox import Toolbox
from tilepress.pipeline.unpress import Outcome, read_bands, write_file

if TYPE_CHECKING:
    from PIL.Image import Image


Problem = tuple[str, str]  # file of the archive, what is wrong with it


@dataclass
class RunView:
    """One run as a reader sees it; `problems` say what is damaged and had to be worked around."""

    run: Run
    complete: bool
    manifest: Manifest | None
    index: Index | DerivedIndex
    problems: list[Problem]


Version = tuple[RunView, dict[str, Any]]  # a row of an index, and the run it is of
_CONTENTLESS = (GONE, NOT_STORED)


class Archive(Mapping[str, "Entry"]):
    """A read-only mapping from path to Entry: the newest run that stored a path wins.

    A path that is gone from the source stays: the archive may be the only copy. Its entry says so.

    Iteration is in path order and holds a few thousand rows of the index at a time.
    """

    def __init__(self, storage: Storage, tools: Toolbox | None = None) -> None:
        """Open for reading; UsageError if there is no archive."""
        self.storage = storage
        self._damage: list[Problem] = []  # of what no run holds
        self.identity = self._identify()
        self.tools = tools or Toolbox(storage)
        runs = list_runs(storage)
        self.runs = [view_run(storage, run, last=run == runs[-1]) for run in runs]
        there = {run.number for run in runs}
        lost = sorted(set(range(1, max(there, default=0))) - there)
        self._damage += [(Run(number).folder, "missing, though later runs are there") for number in lost]

    @classmethod
    def for_worker(cls, storage: Storage, tools: Toolbox) -> Archive:
        """An archive without runs, for workers that are given entries and only need to fetch and decode them."""
        archive = cls.__new__(cls)
        archive.storage, archive.tools, archive.identity, archive.runs = storage, tools, {}, []
        archive._damage = []
        return archive

    def _identify(self) -> dict[str, Any]:
        # The runs prove themselves: a few damaged bytes in archive.json must not keep anyone from them.
        try:
            return read_archive(self.storage)
        except IntegrityError as exc:
            self._damage.append((ARCHIVE_JSON, str(exc)))
            return {}

    @property
    def damage(self) -> list[Problem]:
        """Damage found on opening, and worked around."""
        return [*self._damage, *(problem for view in self.runs for problem in view.problems)]

    @property
    def notes(self) -> list[str]:
        """Runs that are not complete."""
        unfinished = [view.run.folder for view in self.runs if not view.complete]
        return [f"{folder} is not complete: only what it has committed so far is read" for folder in unfinished]

    @property
    def problems(self) -> list[str]:
        """Notes, and damage in words."""
        return [*self.notes, *(f"damaged: {name}: {problem}" for name, problem in self.damage)]

    def __getitem__(self, path: str) -> Entry:
        gone = False
        for view in reversed(self.runs):
            row = view.index.find(path)
            if row is not None and row["method"] in _CONTENTLESS:
                gone = gone or row["method"] == GONE
            elif row is not None:
                return Entry(self, view.run, stored_image(dict(row)), gone)
        raise KeyError(path)

    def __iter__(self) -> Iterator[str]:
        return (versions[-1][1]["path"] for versions in self._stored(["path", "method"]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def entries(self) -> Iterator[Entry]:
        """All entries in path order, read from the index a few thousand at a time."""
        for versions in self._stored(None):
            gone = versions[-1][1]["method"] == GONE
            view, row = next(version for version in reversed(versions) if _has_content(version))
            yield Entry(self, view.run, stored_image(row), gone)

    def entry(self, view: RunView, row: dict[str, Any]) -> Entry:
        """A handle on one version of an image."""
        return Entry(self, view.run, stored_image(row))

    def histories(self, columns: list[str] | None = None) -> Iterator[list[Version]]:
        """For each path, in path order, the rows of all runs that mention it, oldest first."""
        walks = [self._walk(view, columns) for view in self.runs]
        merged = heapq.merge(*walks, key=lambda version: (version[1]["path"].encode(), version[0].run.number))
        for _, versions in groupby(merged, key=lambda version: version[1]["path"]):
            yield list(versions)

    def _stored(self, columns: list[str] | None) -> Iterator[list[Version]]:
        return (versions for versions in self.histories(columns) if any(map(_has_content, versions)))

    @staticmethod
    def _walk(view: RunView, columns: list[str] | None) -> Iterator[Version]:
        return ((view, row) for row in view.index.walk(columns))


def _has_content(version: Version) -> bool:
    return version[1]["method"] not in _CONTENTLESS


@dataclass(frozen=True)
class Entry:
    """A handle on one stored image. Methods raise IntegrityError rather than return what is not as stored."""

    archive: Archive
    run: Run
    stored: StoredImage
    gone: bool = False  # the source no longer had it when a later run was planned
    source: SourceEntry | None = None  # where it is compared with one: its file there

    @property
    def path(self) -> str:
        """Name within the archive."""
        return self.stored.facts.path

    @property
    def part(self) -> str:
        """Name of the part that holds it."""
        return self.run.part(self.stored.part)

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Byte ranges of the part."""
        storage = self.archive.storage
        try:
            return storage.read_ranges(self.part, list(ranges))
        except MissingError as exc:
            raise IntegrityError(f"{storage.url}/{self.part} is missing") from exc
        except TransientStorageError:
            raise
        except StorageError as exc:
            size = storage.size(self.part)
            if all(0 <= offset <= offset + length <= size for offset, length in ranges):
                raise
            raise IntegrityError(f"{storage.url}/{self.part} ends before the bytes that its index names") from exc

    def write(self, out: BinaryIO) -> Outcome:
        """Write the whole file to a readable, seekable `out`, proven right."""
        return write_file(self.stored, self.fetch, self.archive.tools, out)

    def bytes(self) -> bytes:
        """The whole file."""
        out = io.BytesIO()
        self.write(out)
        return out.getvalue()

    def array(self, region: tuple[int, int, int, int] | None = None, preview: bool = False) -> np.ndarray:
        """Pixels (height, width, channels), uint8 or uint16, of all or of `region` (x, y, width, height).

        Only the tiles of the region are fetched. `preview` gives the lossy picture of the latents, without residual.
        """
        if self.stored.facts.method != TILES:
            return self._array_of_file(region)
        area = self._area(region, self.stored.facts.width, self.stored.facts.height)
        bands = list(read_bands(self.stored, self.fetch, self.archive.tools, area, preview=preview))
        return np.concatenate(bands)

    def image(self) -> Image:
        """The file as Pillow opens it."""
        from PIL import Image

        return Image.open(io.BytesIO(self.bytes()))

    def _array_of_file(self, region: tuple[int, int, int, int] | None) -> np.ndarray:
        picture = read_picture(self.bytes(), Limits(), name=self.path)
        pixels = np.concatenate(list(picture.read_bands(512)))
        area = self._area(region, picture.width, picture.height)
        return pixels[area.y : area.y + area.h, area.x : area.x + area.w]

    def _area(self, region: tuple[int, int, int, int] | None, width: int, height: int) -> Box:
        whole = Box(0, 0, width, height)
        if region is None:
            return whole
        area = whole.intersect(Box(*region))
        if area is None:
            raise UsageError(f"region {region} lies outside {self.path}, which is {width} x {height} pixels")
        return area


def view_run(storage: Storage, run: Run, *, last: bool = True) -> RunView:
    """A run through its index, or through its parts where the index is damaged or not written yet.

    `last`: no run was begun after it. Only that one may be without a manifest.
    """
    problems: list[Problem] = []
    manifest = None
    complete = is_complete(storage, run)
    try:
        if complete:
            manifest = read_manifest(storage, run)
            index = Index(storage.read(run.index), run.index, manifest.index_seal)
            return RunView(run, True, manifest, index, problems)
        if not last or storage.exists(run.index):
            problems.append((run.manifest, "missing; repeat the command of this run, if it is the last, to write it"))
    except (IntegrityError, MissingError) as exc:
        name = run.index if manifest else run.manifest
        problems.append((name, f"{exc}; the rows of the parts are used instead"))
    return RunView(run, complete, manifest, derive_index(storage, run, manifest, problems), problems)


def derive_index(storage: Storage, run: Run, manifest: Manifest | None, problems: list[Problem]) -> DerivedIndex:
    """Index rows from the parts and the plan; what cannot be read becomes a problem."""
    tables: list[pa.Table] = []
    shards = {part.shard for part in manifest.parts} if manifest else set()
    for shard in sorted(shards | list_parts(storage, run).keys()):
        name = run.part(shard)
        try:
            with RangeFile(storage, name) as file:
                tables.append(part_index(file, name, shard))
        except (IntegrityError, StorageError) as exc:
            problems.append((name, str(exc)))
    try:
        plan = plan_from_bytes(storage.read(run.plan), run.plan)
        tables += [gone_rows(shard) for shard in plan.shards() if shard.gone]
    except (IntegrityError, MissingError) as exc:
        problems.append((run.plan, str(exc)))
    return DerivedIndex(tables)


def open_archive(url: str, *, threads: int = 1) -> Archive:
    """Open an archive at a local path or any fsspec URL for reading: `tilepress.open`."""
    storage = open_storage(url)
    return Archive(storage, Toolbox(storage, threads=threads))
