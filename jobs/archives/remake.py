"""Files of an archive that follow from others, made again where they are damaged or lost.

An index follows from the parts and the plan, a plan from manifest and index, a manifest from all of them, run.json from
the plan, a shipped model from tilepress, archive.json from nothing: it gets another id.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from itertools import zip_longest
from typing import Any

import tilepress
from tilepress.codecs.model import Model
from tilepress.codecs.registry import RESIDUALS, load_residual, needed_packages, shipped_models
from tilepress.jobs.archives.abandon import has_all_parts, plan_of
from tilepress.pipeline.archive.index import Index, IndexSpool, unread_rows, write_index
from tilepress.pipeline.archive.layout import (
    ARCHIVE_JSON,
    README,
    Run,
    create_archive,
    new_identity,
    write_summary,
)
from tilepress.pipeline.archive.manifest import Manifest, PartEntry, manifest_bytes
from tilepress.pipeline.archive.models import model_files
from tilepress.pipeline.archive.packages import PACKAGES
from tilepress.pipeline.archive.part_index import part_index
from tilepress.pipeline.archive.plan import Plan, Shard, plan_from_bytes
from tilepress.pipeline.archive.plan_writer import plan_again
from tilepress.pipeline.archive.sealed import check_seal, footer_hash, read_json, seal_json
from tilepress.pipeline.compress.commit import ShardTask, accept_part, to_ipc
from tilepress.pipeline.errors import IntegrityError, MissingError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.run_view import RunView
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile


def remake(archive: Archive, models: frozenset[str]) -> Iterator[str]:
    """Make again what is damaged and follows from what is not; yield the names of the files.

    `models`: SHA-256 of those that are damaged.
    """
    storage = archive.storage
    if not archive.identity:
        storage.write(ARCHIVE_JSON, new_identity(), overwrite=True)
        yield ARCHIVE_JSON
    if not storage.exists(README):
        create_archive(storage)
        yield README
    for folder in filter(lambda folder: Model.load(folder).name in models, _shipped()):
        yield from _remake_model(storage, folder)
    seals = {view.run.number: view.manifest.seal for view in archive.runs if view.manifest}
    for view, behind in zip_longest(archive.runs, archive.runs[1:]):
        if view.manifest is None:
            yield from _remake_manifest(archive, view, behind)
        elif not view.abandoned:
            yield from _remake_run(archive, view, seals.get(view.run.number - 1, ""))
    storage.flush()


def finish_run(archive: Archive) -> bool:
    """Write what the last run lacks, if it has all its parts: run.json, index, manifest. Return whether it has.

    So it is where a run was killed in the last moment, and where its manifest got lost. In the second case, to give it
    up would lose what it has: the parts that it stands for, or the files of the source, may be gone.
    """
    storage, last = archive.storage, archive.runs[-1]
    plan = plan_of(storage, last.run)
    if last.complete or plan is None or not has_all_parts(storage, last.run, plan):
        return False
    write_summary(storage, last.run, _summary(last, plan))
    finished = bool(list(_remake_manifest(archive, last, None)))
    storage.flush()
    return finished


def _shipped() -> list[str]:
    coders = (load_residual(name).model_folder for name in RESIDUALS)
    return [str(folder) for folder in (*shipped_models().values(), *coders) if folder is not None]


def _remake_model(storage: Storage, folder: str) -> Iterator[str]:
    model = Model.load(folder)
    for name, content in model_files(model).items():
        storage.write(name, content, overwrite=True)
    yield f"models/{model.name}"


def _remake_manifest(archive: Archive, view: RunView, behind: RunView | None) -> Iterator[str]:
    """Manifest and index of a run that has all its parts, but those that later runs stand for.

    Nothing if the run behind it was added to something else. Without a replaced part the manifest cannot be the lost
    one, and says that it stands for that.
    """
    storage, run = archive.storage, view.run
    try:
        plan = plan_from_bytes(storage.read(run.plan), run.plan)
        with closing(IndexSpool()) as spool:
            shards = [shard for shard in plan.shards() if shard.additions]
            entries = [_part_entry(archive, run, plan, shard, spool) for shard in shards]
            out, index_seal = write_index(plan.shards(), spool)
        manifest = Manifest(tuple(entries), plan.seal, index_seal, plan.date, replaces=plan.replaces)
        manifest = replace(manifest, index_footer=footer_hash(out))
        named = plan_from_bytes(storage.read(behind.run.plan), "").parent if behind else ""
    except (IntegrityError, MissingError):
        return
    data = manifest_bytes(run, manifest)
    if named and named != check_seal(io.BytesIO(data), ""):
        if all(entry.seal for entry in entries):
            return
        data = manifest_bytes(run, manifest, named)
    out.seek(0)
    storage.write(run.index, out.read(), overwrite=True)
    storage.write(run.manifest, data, overwrite=True)
    yield run.manifest


def _part_entry(archive: Archive, run: Run, plan: Plan, shard: Shard, spool: IndexSpool) -> PartEntry:
    """What a manifest says of a part, whose rows go to the spool; next to nothing of a replaced one that is damaged."""
    try:
        part = accept_part(ShardTask(shard, run, plan.seal), archive.storage)
    except (IntegrityError, MissingError):
        if (run.number, shard.number) not in archive.replaced:
            raise
        spool.put(shard.number, to_ipc(unread_rows(shard)))
        return PartEntry(shard.number, len(shard.additions), 0, 0, "")
    spool.put(shard.number, part.index)
    return part.entry


def _remake_run(archive: Archive, view: RunView, parent: str) -> Iterator[str]:
    """Plan, index and run.json of a run; nothing without the first two. `parent`: the seal of the manifest before."""
    storage, run = archive.storage, view.run
    plan = _sound_plan(storage, view)
    if plan is None and isinstance(view.index, Index):
        assert view.manifest is not None
        plan = plan_again(view.manifest, view.index, _settings(storage, view), parent)
        plan.file.seek(0)
        storage.write(run.plan, plan.file.read(), overwrite=True)
        yield run.plan
    if plan is None:
        return
    if not isinstance(view.index, Index) and _remade_index(archive, view, plan):
        yield run.index
    if not _is_right(lambda: read_json(storage.read(run.summary), run.summary).get("plan") == plan.seal):
        storage.write(run.summary, seal_json(_summary(view, plan)), overwrite=True)
        yield run.summary


def _sound_plan(storage: Storage, view: RunView) -> Plan | None:
    """The plan that the manifest names, if it is there and whole."""
    try:
        plan = plan_from_bytes(storage.read(view.run.plan), view.run.plan)
    except (IntegrityError, MissingError):
        return None
    return plan if view.manifest and plan.seal == view.manifest.plan_seal else None


def _settings(storage: Storage, view: RunView) -> dict[str, Any]:
    """What a run was asked for, if its run.json still says so."""
    try:
        summary = read_json(storage.read(view.run.summary), view.run.summary)
    except (IntegrityError, MissingError):
        return {}
    named = view.manifest and summary.get("plan") == view.manifest.plan_seal
    return dict(summary.get("settings", {})) if named else {}


def _is_right(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except (IntegrityError, MissingError):
        return False


def _remade_index(archive: Archive, view: RunView, plan: Plan) -> bool:
    """Write the index of a run again; False if a part that it needs cannot be read.

    It is the same file, byte for byte, unless another version of a library writes it: then it names the seal that it
    stands for.
    """
    assert view.manifest is not None
    with closing(IndexSpool()) as spool:
        for shard in (shard for shard in plan.shards() if shard.additions):
            name = view.run.part(shard.number)
            try:
                with RangeFile(archive.storage, name) as file:
                    rows = part_index(file, name, shard.number)
            except (IntegrityError, MissingError):
                if (view.run.number, shard.number) not in archive.replaced:
                    return False
                rows = unread_rows(shard)
            spool.put(shard.number, to_ipc(rows))
        out, seal = write_index(plan.shards(), spool)
        if seal != view.manifest.index_seal:
            out, _ = write_index(plan.shards(), spool, view.manifest.index_seal)
    out.seek(0)
    archive.storage.write(view.run.index, out.read(), overwrite=True)
    return True


def _summary(view: RunView, plan: Plan) -> dict[str, object]:
    codecs = {tile["codec"].partition("@")[0] for row in view.index.walk(["tiles"]) for tile in row["tiles"] or ()}
    packages = {codec: needed_packages(codec) for codec in sorted(codecs)}
    return {
        "run": view.run.number,
        "date": plan.date,
        "software": f"tilepress {tilepress.__version__}",
        "plan": plan.seal,
        "settings": plan.settings,
        "totals": asdict(plan.totals),
        PACKAGES: {codec: needed for codec, needed in packages.items() if needed},
    }
