"""Read an archive: a mapping from path to a handle that gives bytes, pixels, regions and previews."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tilepress.codecs.extras import require_extra
from tilepress.pipeline.archive.index_row import index_row_or_damage
from tilepress.pipeline.archive.layout import ARCHIVE_JSON, Run, list_runs, read_archive
from tilepress.pipeline.archive.schema import CONTENTLESS, DAMAGED, GONE, LIMIT, UNSUPPORTED
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.reading.entry_table import Current, EntryTable
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.run_view import Problem, RunView, runs_until, view_run
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.globs import Selection
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    import torch

    from tilepress.pipeline.reading.torch_dataset import ArchiveDataset

_NO_PIXELS = frozenset({UNSUPPORTED, LIMIT, DAMAGED})
Version = tuple[RunView, dict[str, Any]]  # a row of an index, and the run it is of


class Archive(Mapping[str, Entry]):
    """A read-only mapping from path to Entry: the newest run that stored a path wins.

    It has what the source had when the last run was planned, or the run that is asked for. The archive also keeps the
    paths that were gone by then, since it may be the only copy: see `include_deleted`. Their entries say so.

    Iteration is in path order and holds a few thousand rows of the index at a time. Archives pickle by their URL.
    """

    def __init__(
        self,
        storage: Storage,
        pool: CodecPool | None = None,
        *,
        run: int | None = None,
        as_of: str | None = None,
        include_deleted: bool = False,
    ) -> None:
        """Open for reading; see `open_archive`. UsageError if there is no archive."""
        self.storage = storage
        self._include_deleted = include_deleted
        self._damage: list[Problem] = []  # of what no run holds
        self.identity = self._identify()
        self.pool = pool or CodecPool(storage)
        runs = list_runs(storage)
        views = [view_run(storage, each, last=each == runs[-1]) for each in runs]
        self.runs = runs_until(views, run, as_of)
        self._until = self.runs[-1].run.number if len(self.runs) < len(views) else None
        there = {view.run.number for view in self.runs}
        lost = sorted(set(range(1, max(there, default=0))) - there)
        self._damage += [(Run(number).folder, "missing, though later runs are there") for number in lost]

    def _identify(self) -> dict[str, Any]:
        # The runs prove themselves: a few damaged bytes in archive.json must not keep anyone from them.
        try:
            return read_archive(self.storage)
        except IntegrityError as exc:
            self._damage.append((ARCHIVE_JSON, str(exc)))
            return {}

    def __repr__(self) -> str:
        problems = f", {len(self.problems)} problems" if self.problems else ""
        return f"<Archive {self.storage.url!r}: {len(self.runs)} runs{problems}>"

    def __reduce__(self) -> tuple[Any, ...]:
        place = self.storage.location.absolute()
        again = partial(open_archive, run=self._until, include_deleted=self._include_deleted)
        return partial(again, threads=self.pool.threads, storage_options=place.options), (place.url,)

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
        newest = None
        for view in reversed(self.runs):
            row = view.index.find(path)
            newest = newest or row
            if newest is not None and newest["method"] == GONE and not self._include_deleted:
                break
            if row is not None and newest is not None and row["method"] not in CONTENTLESS:
                return self.entry(view, row, gone=newest["method"] == GONE)
        raise KeyError(path)

    def __iter__(self) -> Iterator[str]:
        return (versions[-1][1]["path"] for versions in self._stored(["path", "method"]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def entries(self) -> Iterator[Entry]:
        """Return all entries in path order, read from the index a few thousand at a time."""
        return (self.entry(view, row, gone=gone) for view, row, gone in self._current())

    def images(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> EntryTable:
        """Return the entries with pixels that match the patterns as one sequence, which other processes can read.

        Left out: files that tilepress cannot read as images, or that are damaged.
        """
        selection = Selection(include, exclude)

        def wanted(row: Mapping[str, Any]) -> bool:
            return bool(row["mode"]) and row["reason_code"] not in _NO_PIXELS and row["path"] in selection

        return EntryTable.of(self.storage.location, self._current(), wanted)

    def dataset(
        self,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        *,
        preview: bool = False,
        transform: Callable[[torch.Tensor], Any] | None = None,
    ) -> ArchiveDataset:
        """Return the images as a map-style data set of PyTorch: items {"path": str, "image": tensor}.

        Tensors are uint8 or uint16, (channels, height, width); `transform` is applied to them. `preview` gives the
        lossy pictures of the latents. Workers of a DataLoader may be spawned or forked. MissingExtra without torch.

            import tilepress
            from torch.utils.data import DataLoader
            from torchvision.transforms import v2

            archive = tilepress.open("s3://bucket/photos.tp")
            images = archive.dataset(include=["2024/**"], transform=v2.RandomCrop(256))
            for batch in DataLoader(images, batch_size=32, shuffle=True, num_workers=8):
                train(batch["image"])  # uint8 (32, channels, 256, 256)
        """
        require_extra("learned", "Archive.dataset")
        from tilepress.pipeline.reading.torch_dataset import ArchiveDataset

        return ArchiveDataset(self.images(include, exclude), preview, transform)

    def entry(self, view: RunView, row: Mapping[str, Any], *, gone: bool = False) -> Entry:
        """Return a handle on one version of an image, from its index row. Reading it tells if the row is damaged."""
        return Entry(self.storage, self.pool, view.run, index_row_or_damage(row), gone)

    def histories(self, columns: list[str] | None = None) -> Iterator[list[Version]]:
        """Yield, for each path in order, the rows of all runs that mention it, oldest first."""
        walks = [self._walk(view, columns) for view in self.runs]
        merged = heapq.merge(*walks, key=lambda version: (version[1]["path"].encode(), version[0].run.number))
        for _, versions in groupby(merged, key=lambda version: version[1]["path"]):
            yield list(versions)

    def _current(self) -> Iterator[Current]:
        for versions in self._stored(None):
            yield *next(version for version in reversed(versions) if _has_content(version)), _is_gone(versions)

    def _stored(self, columns: list[str] | None) -> Iterator[list[Version]]:
        wanted = (versions for versions in self.histories(columns) if self._include_deleted or not _is_gone(versions))
        return (versions for versions in wanted if any(map(_has_content, versions)))

    @staticmethod
    def _walk(view: RunView, columns: list[str] | None) -> Iterator[Version]:
        return ((view, row) for row in view.index.walk(columns))


def _has_content(version: Version) -> bool:
    return version[1]["method"] not in CONTENTLESS


def _is_gone(versions: Sequence[Version]) -> bool:
    return bool(versions[-1][1]["method"] == GONE)


def open_archive(
    url: Place,
    *,
    run: int | None = None,
    as_of: str | None = None,
    include_deleted: bool = False,
    threads: int = 1,
    storage_options: Mapping[str, Any] | None = None,
) -> Archive:
    """Open an archive at a local path or any fsspec URL for reading: `tilepress.open`.

    Args:
        url: Its place.
        run: What this run saw: it and the runs before it are read. UsageError if there is no such run.
        as_of: What the newest run saw that was planned by then: "2026-11-27" (the end of that day), or a time of ISO
            8601, UTC unless it has an offset. UsageError if there was none yet.
        include_deleted: Also the files that the source no longer had then.
        threads: Decode on so many.
        storage_options: How its place is reached, as fsspec takes it ({"profile": "work"}); see StorageOptions.
    """
    storage = open_storage(place_text(url), storage_options)
    pool = CodecPool(storage, threads=threads)
    return Archive(storage, pool, run=run, as_of=as_of, include_deleted=include_deleted)
