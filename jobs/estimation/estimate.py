"""`tilepress estimate`: what compressing a collection would save and take, from a sample that is really compressed."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK
from tilepress.jobs.claim import Request, request_text
from tilepress.jobs.estimation import folder
from tilepress.jobs.estimation.asking import EstimateConfig, check
from tilepress.jobs.estimation.codecs import Chosen, chosen_codecs
from tilepress.jobs.estimation.display import EstimateMeter
from tilepress.jobs.estimation.measuring import MeasureOptions
from tilepress.jobs.estimation.population import Population, Unit
from tilepress.jobs.estimation.projecting import Basis
from tilepress.jobs.estimation.repeats import Repeats
from tilepress.jobs.estimation.report import EstimateReport
from tilepress.jobs.estimation.sampling import Rows, Sampler, engine_of
from tilepress.jobs.estimation.strata import in_order, strata_of
from tilepress.jobs.estimation.timing import Budget
from tilepress.jobs.page_file import page_file
from tilepress.pipeline.archive.models import store_model
from tilepress.pipeline.sources.collection import Collection, absolute_source
from tilepress.pipeline.storage.base import ListedFile, Storage, is_url, open_storage
from tilepress.pipeline.storage.options import StorageOptions


def run_estimate(config: EstimateConfig) -> EstimateReport:
    """List, sample, measure and project."""
    report = EstimateReport(config.source, out=config.out or "")

    def unreadable(name: str, reason: str) -> None:
        report.unreadable.append((name, reason))

    def left_out(name: str, reason: str) -> None:
        report.left_out += 1

    check(config)
    collection = Collection.open(
        config.source,
        config.include,
        config.exclude,
        on_skip=left_out,
        on_unreadable=unreadable,
        links=config.links,
        storage_options=config.storage_options,
    )
    estimate_entries(collection.entries(), config, report)
    _write_page(config, report)
    return report


def estimate_entries(entries: Iterable[ListedFile], config: EstimateConfig, report: EstimateReport) -> EstimateReport:
    """Estimate what compressing entries of the source of `config` takes, and fill the report.

    Args:
        entries: What is to be compressed, in the order of names; taken until the time for it is over.
        config: What was asked; its patterns and links do not matter here.
        report: Of this source.
    """
    started, compiling = time.monotonic(), COMPILE_CLOCK.seconds
    budget = Budget(60 * config.minutes, config.sample)
    options = StorageOptions(config.storage_options)
    report.engine = engine_of(config.engine).kind
    with chosen_codecs(config.shown_codecs, config, options) as codecs, EstimateMeter(quiet=config.quiet) as meter:
        population = _listed(entries, config, budget, meter, report)
        strata = strata_of(population)
        order = list(in_order(strata))
        workers = config.engine.width
        basis = Basis(population, strata, order, workers, is_url(config.source), config.shard_bytes, config.prices)
        with _place(config) as storage:
            rows = _rows(storage, config, codecs, basis, budget, meter, report)
        _fill(report, codecs, basis, rows, config.alternatives)
    report.seconds = round(time.monotonic() - started, 3)
    report.compiling_seconds = round(COMPILE_CLOCK.seconds - compiling, 3)
    return report


def _write_page(config: EstimateConfig, report: EstimateReport) -> None:
    """The page: into `out`, and wherever else it is wanted."""
    from tilepress.jobs.estimation.page import page

    places = list[tuple[Storage, str]]()
    if config.out is not None:
        places.append((open_storage(config.out, config.storage_options), folder.PAGE))
    if config.report is not None:
        places.append(page_file(config.report, config.storage_options))
        report.page = config.report
    if places:
        made = page(config, report)
        for place, name in places:
            place.write(name, made, overwrite=True)


def _listed(
    entries: Iterable[ListedFile], config: EstimateConfig, budget: Budget, meter: EstimateMeter, report: EstimateReport
) -> Population:
    """The population: what most of the time allows to list, or all of it where `out` must find the same again."""
    population, repeats = Population(config.seed), Repeats(config.seed)
    nbytes = 0
    with _closed(entries):
        for files, entry in enumerate(entries, 1):
            population.add(entry)
            repeats.add(entry)
            nbytes += entry.size
            meter.listed(files, nbytes)
            if config.out is None and budget.listed_long_enough():
                population.complete = False
                break
    population.finish()
    report.files, report.bytes, report.empty = population.files, population.bytes, population.empty
    report.listed_all, report.repeated_bytes = population.complete, repeats.bytes
    report.listing_seconds = round(budget.begin_measuring(), 3)
    return population


@contextmanager
def _closed(entries: Iterable[ListedFile]) -> Iterator[None]:
    """Whatever lists entries stops at the end: requests of a large bucket run ahead."""
    try:
        yield
    finally:
        if isinstance(entries, Generator):
            entries.close()


@contextmanager
def _place(config: EstimateConfig) -> Iterator[Storage]:
    """Where models and rows lie: `out`, or a folder of which nothing is left."""
    if config.out is not None:
        yield open_storage(config.out, config.storage_options)
        return
    with tempfile.TemporaryDirectory(prefix="tilepress-estimate-") as scratch:
        yield open_storage(scratch)


def _request(config: EstimateConfig, codecs: Sequence[Chosen], basis: Basis) -> Request:
    """What estimate.json records: whoever goes on must ask for the same."""
    return {
        "source": request_text(config.source),
        "include": list(map(request_text, config.include)),
        "exclude": list(map(request_text, config.exclude)),
        "links": config.links,
        "codecs": {request_text(each.asked.label): each.asked.settings.to_json() for each in codecs},
        "seed": config.seed,
        "sample": config.sample,
        "shard_bytes": config.shard_bytes,
        "files": basis.population.files,
        "images": folder.fingerprint(unit for _, unit in basis.order),
    }


def _rows(
    storage: Storage,
    config: EstimateConfig,
    codecs: Sequence[Chosen],
    basis: Basis,
    budget: Budget,
    meter: EstimateMeter,
    report: EstimateReport,
) -> Rows:
    """All rows: those that are there, or what is measured now."""
    seal = folder.claim(storage, _request(config, codecs, basis))
    rows = folder.read_sample(storage, seal)
    if rows is not None:
        report.resumed_units = len({row["unit"] for row in rows})
        return rows
    for model in dict.fromkeys(path for each in codecs for path in each.choice.models(each.asked.settings)):
        store_model(storage, model)
    sampler = _sampler(storage, config, codecs, basis, seal, budget, meter)
    rows = sampler.measure(config.engine) if basis.order else []
    report.resumed_units = sampler.resumed
    report.overrun_seconds = round(budget.overrun, 3)
    report.slowest_file, report.slowest_seconds = sampler.slowest[0], round(sampler.slowest[1], 3)
    if config.out is not None:
        folder.create_sample(storage, seal, rows)
    return rows


def _sampler(
    storage: Storage,
    config: EstimateConfig,
    codecs: Sequence[Chosen],
    basis: Basis,
    seal: str,
    budget: Budget,
    meter: EstimateMeter,
) -> Sampler:
    asked = tuple(each.asked for each in codecs)
    shared = MeasureOptions(absolute_source(config.source), asked, seal, StorageOptions(config.storage_options))
    networks = frozenset(each.asked.label for each in codecs if each.choice.codec.networks)
    alternatives = frozenset(each.asked.label for each in codecs if each.name in config.alternatives)
    endings = [stratum.ending for stratum in basis.strata]
    return Sampler(storage, shared, basis.order, endings, budget, meter, networks, alternatives)


def _fill(
    report: EstimateReport, codecs: Sequence[Chosen], basis: Basis, rows: Rows, alternatives: Sequence[str]
) -> None:
    by_codec: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in rows:
        by_codec[row["codec"]][row["unit"]] = row
    units: Mapping[int, Unit] = {number: basis.order[number][1] for number in {row["unit"] for row in rows}}
    report.sampled_units = len(units)
    report.sampled_files = sum(len(unit.files) for unit in units.values())
    report.sampled_bytes = sum(unit.bytes for unit in units.values())
    shown = [each for each in codecs if each.name not in alternatives or by_codec[each.asked.label] or not rows]
    report.codecs = [basis.codec(each.asked, by_codec[each.asked.label]) for each in shown]
    seen = {basis.order[number][0] for number in units}
    report.unseen_bytes = sum(each.bytes for number, each in enumerate(basis.strata) if number not in seen)
    worst: dict[int, int] = defaultdict(int)
    for row in rows:
        worst[row["unit"]] = max(worst[row["unit"]], row["failures"])
    report.damaged_files = sum(worst.values())
