"""`tilepress reproduce`: a published table made again, its models trained where they are missing.

OUT/TABLE.md, OUT/TABLE-*.png      the page
OUT/TABLE.work/reproduction.json   what was asked; created once, never changed
OUT/TABLE.work/models/NAME         models that were trained, with their logs in NAME.training
OUT/TABLE.work/sets/NAME           array files as collections, where a model learned from one
OUT/TABLE.work/rows/               what was measured, by section and row
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tilepress.codecs.extras import require_extra
from tilepress.jobs.claim import is_first, recorded_in, require_same
from tilepress.jobs.cli.progress import LiveDisplay
from tilepress.jobs.recipes.recipe import load_plan
from tilepress.jobs.reproduction.catalogue import TABLES, load_table
from tilepress.jobs.reproduction.curves import made_curves
from tilepress.jobs.reproduction.data import fingerprint, located
from tilepress.jobs.reproduction.measuring import measured_section, slug
from tilepress.jobs.reproduction.models import train_missing
from tilepress.jobs.reproduction.page import MadeCurves, MadeSection, made_section, markdown
from tilepress.jobs.reproduction.pictures import samples
from tilepress.jobs.reproduction.plots import curves_plot, section_plot
from tilepress.jobs.reproduction.table import Section, Table
from tilepress.pipeline.errors import MissingError, UsageError
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.base import Storage, absolute, open_storage
from tilepress.pipeline.storage.options import NO_OPTIONS

REQUEST = "reproduction.json"


@dataclass(frozen=True)
class ReproduceConfig:
    """What `tilepress.reproduce` was asked for; its signature describes every field."""

    table: str = ""
    data: Sequence[str] = ()
    out: str = "tables"
    overrides: Sequence[str] = ()
    list_tables: bool = False
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass
class ReproduceReport:
    """What came of it. `tables`: name, title and data sets of every table, where they are only listed.

    `trained`: models that this command trained; `measured` and `found`: pictures that it measured, and that were
    measured before; `written`: files of the page that changed.
    """

    table: str = ""
    page: str = ""
    tables: list[tuple[str, str, str]] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)
    measured: int = 0
    found: int = 0
    sections: list[MadeSection] = field(default_factory=list)
    curves: list[MadeCurves] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0: the page is there."""
        return 0


class ReproduceMeter(LiveDisplay):
    """Pictures measured of all rows, and the row that it is at."""

    def __init__(self, table: str, *, quiet: bool) -> None:
        super().__init__(f"reproduce {table}", quiet=quiet)
        self._row, self._done, self._found, self._total = "", 0, 0, 1

    def begin(self, pictures: int) -> None:
        """So many pictures are to be measured, all rows together."""
        self._total = max(1, pictures)

    def tell(self, row: str, found: bool) -> None:
        """A picture of a row is there."""
        with self._lock:
            self._row, self._done, self._found = row, self._done + 1, self._found + found
            self._show(self._done / self._total, self._found / self._total)

    @property
    def counts(self) -> tuple[int, int]:
        """Pictures measured now, and before."""
        return self._done - self._found, self._found

    def _figures(self) -> dict[str, Any]:
        return {"row": self._row, "pictures": self._done, "pictures_total": self._total}

    def _facts(self) -> list[str]:
        return [f"{100 * self._share:.0f} %", self._row]


def run_reproduce(config: ReproduceConfig) -> ReproduceReport:
    """List the tables, or train and measure what is missing of one, and write its page."""
    if config.list_tables:
        return ReproduceReport(tables=[_listed(load_table(name)) for name in TABLES])
    if not config.table:
        raise UsageError(f"name a `table`: {', '.join(TABLES)}")
    return reproduce_table(load_table(config.table), config)


def _listed(table: Table) -> tuple[str, str, str]:
    return table.name, table.title, ", ".join(each.name for each in table.data)


def reproduce_table(table: Table, config: ReproduceConfig) -> ReproduceReport:
    """Make a table again, whether it is one of TABLES or not; return its report."""
    began = time.monotonic()
    require_extra("train", "reproduce, which draws plots,", "matplotlib")
    if config.overrides and not table.models:
        raise UsageError(f"`overrides` have no effect: table {table.name} trains no model")
    report = ReproduceReport(table.name, f"{config.out.rstrip('/')}/{table.name}.md", remarks=list(table.remarks))
    sources = located(table, config.data, config.storage_options)
    out = open_storage(absolute(config.out), config.storage_options)
    work = open_storage(f"{out.url}/{table.name}.work", config.storage_options)
    _claim(work, _request(table, config, sources))
    report.trained = train_missing(table, sources, work, config.overrides, config.storage_options, quiet=config.quiet)
    _measure(table, sources, work, report, quiet=config.quiet)
    for number, curves in enumerate(table.curves, 1):
        report.curves.append(made_curves(curves, work, f"{table.name}-curves-{number}.png"))
    _write(table, config, out, report)
    report.seconds = round(time.monotonic() - began, 3)
    return report


def _request(table: Table, config: ReproduceConfig, sources: Mapping[str, Source]) -> dict[str, str]:
    """What reproduction.json records: whoever goes on must ask for the same."""
    plans = {each.name: load_plan(each.recipe, (*each.overrides, *config.overrides)) for each in table.models}
    return {
        "table": table.name,
        "overrides": " ".join(config.overrides),
        **{f"images of {name}": fingerprint(source)[:16] for name, source in sources.items()},
        **{f"recipe of {name}": _digest(plan.to_json()) for name, plan in plans.items()},
    }


def _digest(plan: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


def _claim(work: Storage, request: dict[str, str]) -> None:
    """Make the folder that of this table, or find that it is. ResumeError if it is that of another request."""
    if is_first(work, REQUEST, json.dumps(request, indent=1, sort_keys=True).encode() + b"\n"):
        return
    require_same(
        recorded_in(work, REQUEST),
        request,
        holds=f"{work.url} was begun with other settings",
        advice="Go on with the same data and overrides as before, or choose another `out`",
    )


def _measure(
    table: Table, sources: Mapping[str, Source], work: Storage, report: ReproduceReport, *, quiet: bool
) -> None:
    with ReproduceMeter(table.name, quiet=quiet) as meter:
        shown = [samples(section.pictures, sources[section.pictures.data]) for section in table.sections]
        meter.begin(sum(_trips(section) * len(found) for section, found in zip(table.sections, shown, strict=True)))
        for number, (section, found) in enumerate(zip(table.sections, shown, strict=True), 1):
            results = measured_section(section, found, work, f"{number}-{slug(section.title)}", meter.tell)
            plot = f"{table.name}-{number}.png"
            report.sections.append(made_section(section, results, found, plot))
        report.measured, report.found = meter.counts


def _trips(section: Section) -> int:
    """How often each picture of a section is measured."""
    return len(section.rows) * len({column.quality for column in section.columns})


def _write(table: Table, config: ReproduceConfig, out: Storage, report: ReproduceReport) -> None:
    """The page and its plots, where they are not there as they should be."""
    command = " ".join(["tilepress reproduce", table.name, *config.overrides, "--data FOLDER"])
    files = {section.plot: section_plot(section) for section in report.sections}
    files |= {each.plot: curves_plot(each) for each in report.curves}
    files[f"{table.name}.md"] = markdown(table, command, report.sections, report.curves).encode()
    for name, content in files.items():
        with suppress(MissingError):
            if out.read(name) == content:
                continue
        out.write(name, content, overwrite=True)
        report.written.append(name)
    out.flush()
