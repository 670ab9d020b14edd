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
from tilepress.pipeline.archive.schema import DAMAGED, LIMIT, UNSUPPORTED
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.reading.contents import content_of
from tilepress.pipeline.reading.entry_table import Current, EntryTable
from tilepress.pipeline.reading.history import COLUMNS, History, Version, history, replaced_parts
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.run_view import Problem, RunView, runs_until, view_run
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.globs import Selection
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    import torch

    from tilepress.pipeline.reading.torch_dataset import ArchiveDataset

_NO_PIXELS = frozenset({UNSUPPORTED, LIMIT, DAMAGED})


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
        checked: bool = False,
    ) -> None:
        """Open for reading; see `open_archive`. UsageError if there is no archive."""
        self.storage = storage
        self._include_deleted = include_deleted
        self._damage: list[Problem] = []  # of what no run holds
        self.identity = self._identify()
        self.pool = pool or CodecPool(storage)
        runs = list_runs(storage)
        views = [view_run(storage, each, last=each == runs[-1], checked=checked) for each in runs]
        self.runs = runs_until(views, run, as_of)
        self._until = self.runs[-1].run.number if len(self.runs) < len(views) else None
        self._views = {view.run.number: view for view in self.runs}
        self.replaced = replaced_parts(self.runs)
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
        """Damage found on opening, and worked around; replaced parts may well be missing."""
        replaced = {Run(number).part(shard) for number, shard in self.replaced}
        found = (problem for view in self.runs for problem in view.problems if problem[0] not in replaced)
        return [*self._damage, *found]

    @property
    def complete(self) -> bool:
        """Whether some run is complete that was not given up: else not all that was planned may be there."""
        return any(view.complete and not view.abandoned for view in self.runs)

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
        rows = ((view, view.index.find(path)) for view in self.runs)
        versions = [(view, dict(row)) for view, row in rows if row is not None]
        found = history(versions, self.replaced) if versions else None
        if found is None or found.content is None or (found.gone and not self._include_deleted):
            raise KeyError(path)
        return self.entry(*found.content, gone=found.gone)

    def __iter__(self) -> Iterator[str]:
        return (found.path for found in self._stored([]))

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
            path = (row.get("named") or row)["path"]
            return bool(row["mode"]) and row["reason_code"] not in _NO_PIXELS and path in selection

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
        lossy pictures of the latents; of JPEGs, an eighth of the sides. Workers of a DataLoader may be spawned or
        forked. MissingExtra without torch.

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

    def entry(self, view: RunView, row: dict[str, Any], *, gone: bool = False) -> Entry:
        """Return a handle on one version of an image, from its index row. Reading it tells if the row is damaged."""
        held, content = self.content((view, row))
        return Entry(self.storage, self.pool, held.run, index_row_or_damage(content), gone)

    def content(self, version: Version) -> Version:
        """Return the row with the content of a version of an image: see `content_of`."""
        return content_of(self._views, version)

    def histories(self, columns: Sequence[str] | None = None) -> Iterator[History]:
        """Yield, for each path in order, the rows of all runs that mention it: all their columns, or at least these."""
        wanted = None if columns is None else list(dict.fromkeys([*COLUMNS, *columns]))
        walks = [self._walk(view, wanted) for view in self.runs]
        merged = heapq.merge(*walks, key=lambda version: (version[1]["path"].encode(), version[0].run.number))
        for _, versions in groupby(merged, key=lambda version: version[1]["path"]):
            yield history(list(versions), self.replaced)

    def _current(self) -> Iterator[Current]:
        for found in self._stored(None):
            if found.content is not None:
                yield *self.content(found.content), found.gone

    def _stored(self, columns: Sequence[str] | None) -> Iterator[History]:
        wanted = (found for found in self.histories(columns) if self._include_deleted or not found.gone)
        return (found for found in wanted if found.content is not None)

    @staticmethod
    def _walk(view: RunView, columns: list[str] | None) -> Iterator[Version]:
        return ((view, row) for row in view.index.walk(columns))


def open_archive(
    url: Place,
    *,
    run: int | None = None,
    as_of: str | None = None,
    include_deleted: bool = False,
    threads: int = 1,
    checked: bool = False,
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
        checked: Check every index whole on opening. Otherwise one of over 16 MB is checked where it is read.
        storage_options: How its place is reached, as fsspec takes it ({"profile": "work"}); see StorageOptions.
    """
    storage = open_storage(place_text(url), storage_options)
    pool = CodecPool(storage, threads=threads)
    return Archive(storage, pool, run=run, as_of=as_of, include_deleted=include_deleted, checked=checked)
