"""What `verify` checks of an archive's files: that each is as it was written, and of the run that it lies in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, TypeVar, cast

import pyarrow as pa

from tilepress.jobs.run_report.places import problem_of
from tilepress.pipeline.archive.audits import damaged_records
from tilepress.pipeline.archive.index import Index
from tilepress.pipeline.archive.layout import README, Run, list_parts
from tilepress.pipeline.archive.manifest import Manifest
from tilepress.pipeline.archive.models import load_model
from tilepress.pipeline.archive.part_index import part_index
from tilepress.pipeline.archive.plan import plan_from_bytes
from tilepress.pipeline.archive.readme import README_TEXT
from tilepress.pipeline.archive.sealed import check_seal, read_json
from tilepress.pipeline.archive.stack_members import COLUMNS, foreign_members
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import IntegrityError, MissingError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.run_view import Problem, RunView
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile

Content = TypeVar("Content")


@dataclass(frozen=True)
class PartTask:
    """One part to be read whole; `seal` is what the manifest says it is, None where there is no manifest."""

    number: int
    run: Run
    shard: int
    bytes: int
    seal: str | None


@dataclass
class FileCheck:
    """What the driver found, and the parts that are still to be read."""

    parts: list[PartTask] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_files(archive: Archive, models: Iterable[str]) -> FileCheck:
    """Check what is small: plans, manifests, run.json, the presence of parts, and models (by SHA-256)."""
    check = FileCheck(problems=list(archive.damage), notes=list(archive.notes))
    _check_readme(archive.storage, check)
    check.notes += damaged_records(archive.storage)
    check.notes += filter(None, [problem_of(archive.storage)])
    manifests = {view.run.number: view.manifest for view in archive.runs}
    for view in archive.runs:
        _check_run(archive, view, manifests.get(view.run.number - 1), check)
        _find_parts(archive, view, check)
    for sha256 in sorted(models):
        _checked(check, f"models/{sha256}", partial(load_model, archive.storage, sha256))
    return check


def _check_readme(storage: Storage, check: FileCheck) -> None:
    """Note, and no more, that README.txt is not this version's: no program reads it, and it has no seal."""
    with suppress(MissingError):
        if storage.read(README) == README_TEXT.encode():
            return
    check.notes.append(f"{README} is not the text that this version writes; nothing but people read it")


def verify_part(task: PartTask, archive: Storage, pool: CodecPool) -> tuple[PartTask, list[Problem]]:
    """Hash one part whole (a stage), compare it with the manifest, and read its rows; return what is wrong with it."""
    name = task.run.part(task.shard)
    try:
        with archive.open_source(name) as data:
            file = pa.BufferReader(pa.py_buffer(data))
            check_seal(cast(BinaryIO, file), name, task.seal)
            del file  # a mapping that something looks at cannot be closed
        with RangeFile(archive, name) as ranged:
            part_index(ranged, name, task.shard)
    except (IntegrityError, MissingError) as exc:
        return task, [(name, str(exc))]
    return task, []


def _check_run(archive: Archive, view: RunView, before: Manifest | None, check: FileCheck) -> None:
    """Plan and run.json prove themselves; the manifest names the plan, the plan the manifest of the run before."""
    run, manifest, storage = view.run, view.manifest, archive.storage
    if view.abandoned:  # its plan may be left over, or be removed already
        return
    plan = _checked(check, run.plan, lambda: plan_from_bytes(storage.read(run.plan), run.plan))
    if plan is None:
        return
    if view.complete or storage.exists(run.summary):
        summary = _checked(check, run.summary, lambda: read_json(storage.read(run.summary), run.summary))
        if summary is not None and summary.get("plan") != plan.seal:
            check.problems.append((run.summary, "it is of another plan than the one beside it"))
    if manifest is not None and manifest.plan_seal != plan.seal:
        check.problems.append((run.plan, "this is not the plan that the manifest names"))
    if manifest is not None and manifest.date != plan.date:
        check.problems.append((run.manifest, f"its date is {manifest.date!r}, and not that of the plan"))
    if manifest is not None and manifest.replaces != plan.replaces:
        check.problems.append((run.manifest, "it stands for other parts than were planned"))
    if manifest is not None and isinstance(view.index, Index):
        most = sum(part.images for part in manifest.parts) + plan.totals.gone
        replaced = sum(part.images for part in manifest.parts if (run.number, part.shard) in archive.replaced)
        if not most - replaced <= view.index.rows <= most:  # one that was made again may lack those
            check.problems.append((run.index, f"it has {view.index.rows} rows for {most} files"))
    strangers = _checked(check, run.index, lambda: list(foreign_members(view.index.walk(list(COLUMNS)))))
    check.problems += [(run.index, problem) for problem in strangers or ()]
    found = _checked(check, run.index, lambda: list(_disorder(view)))
    check.problems += [(run.index, problem) for problem in found or ()]
    if plan.parent and before is not None and before.seal != plan.parent:
        check.problems.append((Run(run.number - 1).manifest, f"this is not the run that {run.folder} was added to"))


def _disorder(view: RunView) -> Iterator[str]:
    """What is wrong with the order of the paths, by which readers find them."""
    last = None
    for path in (row["path"] for row in view.index.walk(["path"])):
        if path == last:
            yield f"{path!r} occurs more than once"
        elif last is not None and path.encode(errors="surrogatepass") < last.encode(errors="surrogatepass"):
            yield f"{path!r} comes behind {last!r}, out of order"
        last = path


def _find_parts(archive: Archive, view: RunView, check: FileCheck) -> None:
    """Find the parts to be read; those that later runs stand for do not matter, and may be gone."""
    run, there = view.run, list_parts(archive.storage, view.run)
    expected: dict[int, tuple[int, str | None]] = {shard: (size, None) for shard, size in there.items()}
    if view.manifest is not None:
        expected = {part.shard: (part.bytes, part.seal) for part in view.manifest.parts}
    for shard, (size, seal) in expected.items():
        if (run.number, shard) in archive.replaced:
            continue
        if shard in there:
            check.parts.append(PartTask(len(check.parts), run, shard, size, seal))
        else:
            check.problems.append((run.part(shard), "the part is missing"))
    unlisted = sorted(there.keys() - expected.keys())
    check.notes += [f"{run.part(shard)} is not in the manifest and is ignored" for shard in unlisted]


def _checked(check: FileCheck, name: str, read: Callable[[], Content]) -> Content | None:
    """What `read` gives; None, and a problem, if the file is missing or damaged."""
    try:
        return read()
    except (IntegrityError, MissingError) as exc:
        check.problems.append((name, str(exc)))
        return None
