"""One run as a reader sees it: through its index, or through its parts where that is damaged or not written yet."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from tilepress.pipeline.archive.index import DerivedIndex, Index, gone_rows
from tilepress.pipeline.archive.layout import Manifest, Run, is_complete, list_parts, read_manifest
from tilepress.pipeline.archive.part import part_index
from tilepress.pipeline.archive.plan import plan_from_bytes
from tilepress.pipeline.errors import IntegrityError, MissingError, StorageError
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile

Problem = tuple[str, str]  # file of the archive, what is wrong with it


@dataclass
class RunView:
    """One run as a reader sees it; `problems` say what is damaged and had to be worked around."""

    run: Run
    complete: bool
    manifest: Manifest | None
    index: Index | DerivedIndex
    problems: list[Problem]


def view_run(storage: Storage, run: Run, *, last: bool = True) -> RunView:
    """Return a run through its index, or through its parts where the index is damaged or not written yet.

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
    return RunView(run, complete, manifest, _derive_index(storage, run, manifest, problems), problems)


def _derive_index(storage: Storage, run: Run, manifest: Manifest | None, problems: list[Problem]) -> DerivedIndex:
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
