"""Runs that move content, as `compact` and `repair` make them: planned, copied, indexed, completed by a manifest.

Until the manifest is there, readers find everything where it was; from then on the run stands for the parts that its
plan names, and their files may be removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from contextlib import closing

from tilepress.jobs.archives.run_plan import claim_run
from tilepress.jobs.claim import Request
from tilepress.jobs.cli.meter import Meter
from tilepress.pipeline.archive import dates
from tilepress.pipeline.archive.index import IndexSpool, create_index
from tilepress.pipeline.archive.index_row import IndexRow, index_row_or_damage
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.manifest import Manifest, abandon_run, write_manifest
from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.plan import ADD, Plan, PlannedFile
from tilepress.pipeline.archive.plan_writer import write_plan
from tilepress.pipeline.archive.schema import kind_of
from tilepress.pipeline.archive.summary import Summary
from tilepress.pipeline.compress.move import MoveTask, move_shard
from tilepress.pipeline.compress.same import Reference
from tilepress.pipeline.engine.engine import Engine
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, UsageError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.contents import Key
from tilepress.pipeline.reading.history import Version
from tilepress.pipeline.storage.base import Storage

Copied = dict[int, tuple[Run, IndexRow]]  # by the new number of each image: where its content is
Referring = dict[int, tuple[IndexRow, Reference]]


def require_sound(archive: Archive) -> None:
    """Raise UsageError for an archive with an unfinished run, IntegrityError for one with damage found on opening."""
    url = archive.storage.url
    if archive.notes:
        raise in_the_way(url)
    if archive.damage:
        name, problem = archive.damage[0]
        raise IntegrityError(f"{url}/{name} is damaged ({problem}): `tilepress repair {url}` first")


def in_the_way(url: str) -> UsageError:
    """Return the error that an unfinished run is in the way of."""
    advice = f"repeat its command to finish it, or give it up (`tilepress abandon {url}`)"
    return UsageError(f"{url} holds an unfinished run: {advice}")


def next_run(
    archive: Archive, files: Iterable[PlannedFile], request: Request, replaces: Iterable[Place] = ()
) -> tuple[Run, Plan]:
    """Return a run behind the last one, planned in local scratch space: nothing is written yet."""
    last = archive.runs[-1]
    parent = last.manifest.seal if last.manifest else ""
    plan = write_plan(files, request, parent=parent, date=dates.now(), replaces=sorted(replaces))
    return Run(last.run.number + 1), plan


def moved_file(version: Version) -> PlannedFile:
    """Return what the plan of a run that moves a row says of its file."""
    _, row = version
    known = (row[name] for name in ("source_bytes", "modified_ns", "etag", "permissions", "name"))
    return PlannedFile(0, 0, kind_of(row["method"]) or ADD, row["path"], b"", *known)


def execute_moves(
    engine: Engine,
    storage: Storage,
    run: Run,
    plan: Plan,
    request: Request,
    tasks: Iterable[MoveTask],
    *,
    quiet: bool,
) -> Summary:
    """Claim a run, copy its shards and complete it; what they hold. A copy that is not right gives the run up.

    Args:
        engine: Maps over the shards.
        storage: The archive's.
        run: The run that the plan is of.
        plan: Not written yet, or that of an unfinished run with the same request.
        request: What was asked for.
        tasks: One for each shard of the plan that stores anything.
        quiet: Show no progress.
    """
    plan = claim_run(storage, run, plan, request, (), {})
    summary, entries = Summary(), []
    with closing(IndexSpool()) as spool, Meter("move", plan.totals.bytes, quiet=quiet) as meter:
        try:
            for result in engine.map_shards(move_shard, tasks, meter):
                entries.append(result.entry)
                spool.put(result.entry.shard, result.index)
                summary.merge(result.summary)
                meter.advance(**result.summary.progress())
        except IntegrityError as exc:
            try:
                abandon_run(storage, run)
            except AlreadyExists:  # and removed what was being copied
                raise UsageError(f"{storage.url}: another process completed {run.folder} meanwhile") from exc
            raise IntegrityError(f"{exc}; nothing was changed: `tilepress repair {storage.url}` first") from exc
        seal, footer = create_index(storage, run.index, plan.shards(), spool)
        committed = Manifest(tuple(entries), plan.seal, seal, plan.date, replaces=plan.replaces, index_footer=footer)
        write_manifest(storage, run, committed)
    return summary


class Moves:
    """Tells which files of a run that moves content get that content, and which refer to it.

    Content is copied once, for the first of its files, if it lies in a part that the run stands for.
    """

    def __init__(self, run: Run, shared: Set[Key], parts: Set[Place]) -> None:
        """`shared`: the content that several files may have. `parts`: that the run stands for."""
        self._run = run
        self._shared = shared
        self._parts = parts
        self._copies: dict[Key, Reference] = {}

    def of_shard(self, files: Iterable[tuple[PlannedFile, Version]]) -> tuple[Copied, Referring]:
        """Return the content to copy, and the references, by the numbers of a shard's files.

        `files`: each with the row that has its content; IntegrityError if that is not to be had.
        """
        copied: Copied = {}
        same: Referring = {}
        for file, (view, row) in files:
            image, key = index_row_or_damage(row), (view.run.number, row["image"])
            image.require_sound()  # the run would stand for the content without having it
            if (view.run.number, row["part"]) not in self._parts:
                same[file.image] = image, Reference(view.run.number, row["part"], row["image"])
            elif key in self._copies:
                same[file.image] = image, self._copies[key]
            else:
                copied[file.image] = view.run, image
                if key in self._shared:
                    self._copies[key] = Reference(self._run.number, file.shard, file.image)
        return copied, same


def by_path(plan: Plan, versions: Iterable[Version]) -> Iterator[tuple[PlannedFile, Version]]:
    """Yield the files of a plan with the rows that it was made of; IntegrityError where they are others now."""
    for file, version in zip(plan.files(), versions, strict=True):
        if file.path != version[1]["path"]:
            raise IntegrityError(f"the plan has {file.path!r} where the archive has {version[1]['path']!r}")
        yield file, version
