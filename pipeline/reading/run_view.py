"""One run as a reader sees it: through its index, or through its parts where that is damaged or not written yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from tilepress.pipeline.archive import dates
from tilepress.pipeline.archive.index import DerivedIndex, Index, mark_rows, unread_rows
from tilepress.pipeline.archive.layout import Run, is_complete, list_parts
from tilepress.pipeline.archive.manifest import Manifest, read_manifest
from tilepress.pipeline.archive.part_index import part_index
from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.plan import Plan, plan_from_bytes
from tilepress.pipeline.errors import IntegrityError, MissingError, StorageError, UsageError
from tilepress.pipeline.reading.run_index import LargeIndex, open_index
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile

Problem = tuple[str, str]  # file of the archive, what is wrong with it


@dataclass
class RunView:
    """One run as a reader sees it; `problems` say what is damaged and had to be worked around."""

    run: Run
    complete: bool
    manifest: Manifest | None
    index: Index | LargeIndex | DerivedIndex
    problems: list[Problem]
    date: str = ""  # when it was planned; empty where nothing says so
    replaces: tuple[Place, ...] = ()  # parts of earlier runs that it stands for
    found: frozenset[int] = frozenset()  # the shards that have a part, where no manifest says so

    @property
    def shards(self) -> frozenset[int]:
        """The shards that have a part: as the manifest says, or else the plan, or what is there."""
        return frozenset(part.shard for part in self.manifest.parts) if self.manifest else self.found

    @property
    def abandoned(self) -> bool:
        """Whether it was given up: it holds nothing."""
        return self.manifest is not None and self.manifest.abandoned

    @property
    def moves(self) -> bool:
        """Whether it only says where content of earlier runs is now."""
        return bool(self.replaces)


def view_run(storage: Storage, run: Run, *, last: bool = True, checked: bool = False) -> RunView:
    """Return a run through its index, or through its parts where the index is damaged or not written yet.

    `last`: no run was begun after it. Only that one may be without a manifest. `checked`: a large index is checked
    whole now, and not where it is read.
    """
    problems: list[Problem] = []
    manifest = None
    complete = is_complete(storage, run)
    begun = False
    try:
        if complete:
            manifest = read_manifest(storage, run)
            if manifest.abandoned:
                return RunView(run, True, manifest, DerivedIndex([]), problems)
            derive = partial(_derive_later, storage, run, manifest, problems)
            index = open_index(storage, run, manifest, derive, checked=checked)
            return RunView(run, True, manifest, index, problems, manifest.date, manifest.replaces)
        begun = last and not storage.exists(run.index)
        if not begun:
            problems.append((run.manifest, "missing; `tilepress repair` writes it, if all parts are there"))
    except (IntegrityError, MissingError) as exc:
        name = run.index if manifest else run.manifest
        problems.append((name, _instead(exc)))
    plan = _plan(storage, run, problems)
    told = manifest or plan  # both say the same
    date, replaces = (told.date, told.replaces) if told else ("", ())
    if begun and replaces:  # what it moves is where it was, until it is complete
        return RunView(run, False, None, DerivedIndex([]), problems, date)
    shards = frozenset(list_parts(storage, run)).union(_promised(manifest, None if begun else plan))
    rows = _derive_index(storage, run, shards, plan, problems, begun=begun)
    return RunView(run, complete, manifest, rows, problems, date, replaces, shards)


def _derive_later(storage: Storage, run: Run, manifest: Manifest, problems: list[Problem], damage: str) -> DerivedIndex:
    """The rows of the parts of a run whose index turned out to be damaged when it was read."""
    problems.append((run.index, _instead(damage)))
    plan = _plan(storage, run, problems)
    shards = frozenset(list_parts(storage, run)).union(_promised(manifest, plan))
    return _derive_index(storage, run, shards, plan, problems, begun=False)


def _instead(damage: object) -> str:
    return f"{damage}; the rows of the parts are used instead"


def _promised(manifest: Manifest | None, plan: Plan | None) -> set[int]:
    """The shards of which a part must be there."""
    if manifest:
        return {part.shard for part in manifest.parts}
    return {shard.number for shard in plan.shards() if shard.additions} if plan else set()


def _plan(storage: Storage, run: Run, problems: list[Problem]) -> Plan | None:
    try:
        return plan_from_bytes(storage.read(run.plan), run.plan)
    except (IntegrityError, MissingError) as exc:
        problems.append((run.plan, str(exc)))
        return None


def _derive_index(
    storage: Storage, run: Run, shards: frozenset[int], plan: Plan | None, problems: list[Problem], *, begun: bool
) -> DerivedIndex:
    """Index rows from the parts and the plan; what cannot be read becomes a problem.

    The files of a part that cannot be read have rows nevertheless, unless the run has only `begun`: they would be
    missing without a word.
    """
    tables, unread = list[pa.Table](), set[int]()
    for shard in sorted(shards):
        name = run.part(shard)
        try:
            with RangeFile(storage, name) as file:
                tables.append(part_index(file, name, shard))
        except (IntegrityError, StorageError) as exc:
            problems.append((name, str(exc)))
            unread.add(shard)
    for planned in plan.shards() if plan else ():
        tables += [mark_rows(planned)] if planned.marks else []
        tables += [unread_rows(planned)] if planned.number in unread and not begun else []
    return DerivedIndex(tables)


def runs_until(views: Sequence[RunView], run: int | None, as_of: str | None) -> list[RunView]:
    """Return the runs up to number `run`, or up to the newest one that was planned by `as_of`; all without either.

    A run without a date counts as older than every date. UsageError where there is no such run, or for both at once.
    """
    if run is not None and as_of is not None:
        raise UsageError("`run` and `as_of` both say which run is meant: give one of them")
    if run is not None:
        if all(view.run.number != run for view in views):
            numbers = ", ".join(str(view.run.number) for view in views)
            raise UsageError(f"`run` {run}: the archive has no such run, but {numbers or 'none at all'}")
        return _whole(views, run, f"`run` {run}")
    if as_of is None:
        return list(views)
    until = dates.text_of(dates.moment(as_of, "`as_of`"))
    newest = max((view.run.number for view in views if view.date <= until), default=0)
    if not newest:
        first = views[0].date if views else "never"
        raise UsageError(f"`as_of` {as_of}: the archive's first run was planned later ({first})")
    return _whole(views, newest, f"`as_of` {as_of}")


def _whole(views: Sequence[RunView], number: int, wanted: str) -> list[RunView]:
    """The runs up to a number, and those right behind that only moved content; UsageError where content was dropped."""
    behind = [view for view in views if view.run.number > number]
    while behind and (behind[0].moves or behind[0].abandoned):
        number = behind.pop(0).run.number
    replaced = {run for view in behind for run, _ in view.replaces}
    if any(run <= number for run in replaced):
        raise UsageError(
            f"{wanted}: older versions were given up when content was moved by run "
            f"{max(view.run.number for view in behind if view.moves)}; that run and later ones can be read"
        )
    return [view for view in views if view.run.number <= number]
