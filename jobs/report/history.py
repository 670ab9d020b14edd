"""Runs and audits of an archive as sections."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tilepress.jobs.pages.sections import Column, Section, Table
from tilepress.jobs.report.breakdowns import saved_of, shares_of
from tilepress.jobs.report.figures import Tally

if TYPE_CHECKING:
    from tilepress.jobs.report.contents import Contents

_SHOWN = 30  # slices that are overdue


def runs(told: Contents) -> Iterator[Section]:
    """Yield what each run holds today, and how it was made."""
    columns = [
        Column("run", "count"),
        Column("planned"),
        Column("state"),
        Column("by"),
        Column("source"),
        Column("codec"),
        Column("rows", "count", help="what the run says of files"),
        Column("files", "count", help="whose content the run has"),
        Column("before", "bytes"),
        Column("stored", "bytes"),
        Column("saved", "percent"),
    ]
    rows = [_run_row(run, told.figures.runs.tallies.get(str(run["run"]), Tally())) for run in reversed(told.runs)]
    command = f"tilepress info {shlex.quote(told.archive)}"
    if len(told.runs) > 1:
        dates = {str(run["run"]): f"run {run['run']}, {str(run['date'])[:10]}" for run in told.runs}
        lead = "Files by the run that has their content."
        yield shares_of("By run", "run", told.figures.runs, told.command, lead, dates)
    lead = "The newest first; of each, the files whose content it has today."
    yield Table(title="Runs", lead=lead, columns=columns, rows=rows, command=command)


def _run_row(run: dict[str, object], tally: Tally) -> tuple[str | int | float | None, ...]:
    settings = run["settings"] if isinstance(run["settings"], dict) else {}
    verb = str(settings.get("verb", "compress" if "source" in settings else ""))
    made = verb, *(str(settings.get(name, "")) for name in ("source", "codec"))
    date = str(run["date"]).replace("T", " ").replace("Z", " UTC")
    number, count = (int(str(run[name])) for name in ("run", "images"))
    return number, date, str(run["state"]), *made, count, *vars(tally).values(), saved_of(tally)


def audits(told: Contents) -> Iterator[Section]:
    """Yield what the archive remembers of its audits; nothing where there was none."""
    if not told.audits:
        return
    columns = [
        Column("day"),
        Column("slice", "count"),
        Column("of", "count"),
        Column("images", "count"),
        Column("damaged", "count"),
        Column("findings", "count"),
        Column("exit code", "count"),
    ]
    rows = [tuple(vars(each).values()) for each in told.audits]
    lead = "Slices of the archive that were decoded and looked at, the newest first."
    if told.overdue:
        slices = ", ".join(map(str, told.overdue[:_SHOWN]))
        lead += f" Overdue of {told.audits[0].parts}: {len(told.overdue)}, among them {slices}."
    command = f"tilepress audit {shlex.quote(told.archive)}"
    yield Table(title="Audits", lead=lead, columns=columns, rows=rows, command=command)
