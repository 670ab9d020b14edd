"""The run that `compress` works on: an unfinished one, or one planned anew and claimed for its settings.

A plan records the request (jobs/claim.py) of its run: whoever goes on with the run must ask for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import tilepress
from tilepress.jobs.claim import Request, is_first, require_empty, require_same
from tilepress.jobs.run_report.recorder import note_run
from tilepress.pipeline.archive import dates
from tilepress.pipeline.archive.layout import (
    ARCHIVE_JSON,
    Run,
    create_archive,
    is_complete,
    is_create_only,
    list_runs,
    write_summary,
)
from tilepress.pipeline.archive.models import store_model
from tilepress.pipeline.archive.packages import PACKAGES, Packages
from tilepress.pipeline.archive.plan import LeftOut, Plan, plan_from_bytes
from tilepress.pipeline.archive.plan_writer import write_plan
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.compress.changes import planned_files
from tilepress.pipeline.engine.machine import this_machine
from tilepress.pipeline.errors import (
    IntegrityError,
    MissingError,
    StorageError,
    UsageError,
)
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import Storage, true_place
from tilepress.pipeline.storage.listing_rules import FOLLOW, KEEP

WRITTEN_BY = "written_by"  # in run.json: the machine that claimed the run; hashes, see `this_machine`


def unfinished_run(storage: Storage, request: Request) -> tuple[Run, Plan] | None:
    """Return the last run and its plan if that run is not complete; ResumeError if it was begun by another request."""
    runs = list_runs(storage)
    if not runs or is_complete(storage, runs[-1]):
        return None
    return runs[-1], _resumed_plan(storage, runs[-1], request)


def require_place(storage: Storage, source: str, *, allow_other_files: bool) -> None:
    """Raise UsageError where an archive would be made of the source itself, or of a folder that holds other files."""
    if storage.exists(ARCHIVE_JSON) or list_runs(storage):
        return
    if true_place(storage.url) == true_place(source):
        raise UsageError(f"`archive` {storage.url} is the source itself: name another place")
    if not allow_other_files:
        require_empty(storage, "name a new place for the archive, or say `allow_other_files`")


def new_run(
    storage: Storage, collection: Collection, request: Request, left_out: Sequence[LeftOut]
) -> tuple[Run, Plan]:
    """Return a run of what is new or changed in a collection, planned in local scratch space: nothing is written yet.

    Args:
        storage: The archive's.
        collection: Tells whoever fills `left_out` while it is listed. Files of the archive that it covers and lacks are
            gone from the source, unless they may be among what could not be read.
        request: What was asked for.
        left_out: Goes into the plan, as it is at the end of the listing.
    """
    existing = Archive(storage) if list_runs(storage) else None
    files = planned_files(
        collection.entries(),
        existing,
        EncodeSettings.from_json(request["press"]).wanted,
        is_gone=lambda name: collection.covers(name) and not _may_hide(left_out, name),
        again=request.get("again", ()),
    )
    last = existing.runs[-1] if existing is not None else None
    parent = last.manifest.seal if last and last.manifest else ""
    plan = write_plan(files, request, request["shard_bytes"], parent, left_out, dates.now())
    return Run(last.run.number + 1 if last else 1), plan


def other_source(storage: Storage, run: Run, request: Request) -> str:
    """Return the source of the newest run before `run` that was of a source, if that was another one; else ""."""
    for earlier in reversed([each for each in list_runs(storage) if each.number < run.number]):
        with suppress(StorageError, IntegrityError):
            before = plan_from_bytes(storage.read(earlier.plan), earlier.plan).settings.get("source")
            if before:
                return str(before) if before != request["source"] else ""
    return ""


def links_of(storage: Storage) -> str:
    """Return what links became in the newest run of a source: see ListingRules. KEEP where no plan can say."""
    for run in reversed(list_runs(storage)):
        with suppress(StorageError, IntegrityError):
            links = plan_from_bytes(storage.read(run.plan), run.plan).settings.get("links")
            if links in (KEEP, FOLLOW):
                return str(links)
    return KEEP


def _may_hide(left_out: Sequence[LeftOut], name: str) -> bool:
    """Whether a file of this name may be in the source, where this process cannot see it."""
    return any(
        name == each.name.rstrip("/") or (each.name.endswith("/") and name.startswith(each.name))
        for each in left_out
        if each.unreadable
    )


def claim_run(
    storage: Storage, run: Run, plan: Plan, request: Request, models: Iterable[Path], packages: Packages
) -> Plan:
    """Store the models and the plan; return the plan that counts.

    Where another driver was first with the same request, that is the other's plan. ResumeError where its request was
    another one.

    Args:
        storage: The archive's, which becomes an archive here if it is none.
        run: The run that the plan is of.
        plan: The plan, not written yet or that of the unfinished run.
        request: What was asked for.
        models: Folders of the models that parts of the run will name.
        packages: What reading them takes besides tilepress.
    """
    note_run(run.number)
    create_archive(storage)
    if not is_create_only(storage):
        raise UsageError(
            f"{storage.url} does not refuse to overwrite existing objects, so two writers could lose data: "
            "use a local disk or an S3 store with conditional writes"
        )
    with suppress(StorageError):  # housekeeping: a store may not permit it
        for prefix in (".", f"{run.folder}/"):
            storage.remove_stale_temporaries(prefix)
    for folder in models:
        store_model(storage, folder)
    plan.file.seek(0)
    if not is_first(storage, run.plan, plan.file.read()):
        plan = _resumed_plan(storage, run, request)
    summary = {"run": run.number, "date": plan.date, "software": f"tilepress {tilepress.__version__}"}
    asked = {"plan": plan.seal, "settings": plan.settings, "totals": asdict(plan.totals)}
    write_summary(storage, run, summary | asked | {PACKAGES: packages, WRITTEN_BY: this_machine()})
    return plan


def _resumed_plan(storage: Storage, run: Run, request: Request) -> Plan:
    plan = _load_plan(storage, run)
    require_same(
        _flat(plan.settings),
        _flat(request),
        holds=f"{storage.url} holds an unfinished run ({run.folder}) with other settings",
        advice="Finish it first with the same source and options as before; or give it up: "
        f"`tilepress abandon {storage.url}`",
    )
    return plan


def _load_plan(storage: Storage, run: Run) -> Plan:
    name = f"{storage.url}/{run.plan}"
    try:
        return plan_from_bytes(storage.read(run.plan), name)
    except MissingError as exc:
        raise IntegrityError(
            f"{name} is missing, so that run cannot be finished: give it up (`tilepress abandon {storage.url}`)"
        ) from exc


def _flat(request: Request) -> Request:
    """What was asked for, the settings of encoding beside the others; the codec is there by name and with its model.

    How `auto` looks at tiles is nothing that was asked for: a run goes on as its own plan says.
    """
    encoding = dict(request.get("press", {}))  # the word of the plan's format
    for name in ("sparse", "quick"):
        encoding.pop(name, None)
    by_name = {name: value for name, value in request.items() if name != "press"}
    return {"codec and model": encoding.pop("codec", None), **encoding, **by_name}
