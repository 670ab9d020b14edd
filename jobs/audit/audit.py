"""`tilepress audit`: everything decoded and proven, looked at and measured, and what is unlike the rest named."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pyarrow as pa

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK
from tilepress.jobs.archives.verify_files import check_files
from tilepress.jobs.audit.asking import Asked, AuditConfig, asked
from tilepress.jobs.audit.drift import drift
from tilepress.jobs.audit.examples import Examples
from tilepress.jobs.audit.folder import AUDIT, IMAGES, PAGE, SUMMARY
from tilepress.jobs.audit.images import audit_images, find_crashing_images
from tilepress.jobs.audit.items import AuditTask, Chosen, Survey, audit_items, audit_tasks, opened_archive
from tilepress.jobs.audit.page import page
from tilepress.jobs.audit.report import AuditReport, Rotation
from tilepress.jobs.audit.summary import summary
from tilepress.jobs.audit.tables import read_images, write_tables
from tilepress.jobs.audit.totals import Totals
from tilepress.jobs.cli.meter import Meter
from tilepress.jobs.page_file import page_file, require_page_place
from tilepress.jobs.task_folder import create_part, finished_tasks
from tilepress.pipeline.archive.audits import (
    AuditRecord,
    last_audits,
    overdue,
    remember,
    remembered,
    require_memory,
)
from tilepress.pipeline.engine.engine import open_engine
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.globs import CASE
from tilepress.pipeline.storage.options import StorageOptions


def run_audit(config: AuditConfig) -> AuditReport:
    """Look at what was not looked at yet, then make tables and a page of all of it."""
    started, compiling = time.monotonic(), COMPILE_CLOCK.seconds
    request = asked(config)
    report = AuditReport(config.source, config.against, config.out, slice=request.slice)
    report.archive = request.options.archive
    if request.day and _was_audited(request, report):
        return report
    _require_places(request)
    if report.archive:
        checked = check_files(opened_archive(request.options), models=())
        report.damaged_files, report.notes = checked.problems, checked.notes
    with ExitStack() as stack:
        storage = _folder(config, stack)
        totals = _audited(request, storage, report)
        report.fill(totals, request.limits)
        if config.since is not None:
            report.drift = drift(storage, config.since, StorageOptions(config.storage_options))
        _write_pages(request, storage, totals, report)
    if request.day:
        _remember(request, report)
    report.seconds = round(time.monotonic() - started, 3)
    report.compiling_seconds = round(COMPILE_CLOCK.seconds - compiling, 3)
    return report


def _require_places(request: Asked) -> None:
    """What is written at the end can be, or nothing is begun."""
    require_page_place("report", request.config.report, request.config.storage_options)
    if request.day:
        require_memory(_archive(request))


def _folder(config: AuditConfig, stack: ExitStack) -> Storage:
    """The folder of the audit; a temporary one where none was named."""
    if config.out is None:
        return open_storage(stack.enter_context(tempfile.TemporaryDirectory(prefix="tilepress-audit-")))
    return open_storage(config.out, config.storage_options)


def _audited(request: Asked, storage: Storage, report: AuditReport) -> Totals:
    """All rows, counted: of a finished audit as they are, else once all tasks are done."""
    chosen, found = request.chosen(), Survey()
    for item in audit_items(request.options, chosen):
        found.add(item)
    if not found.files and (request.config.include or request.config.exclude):
        raise UsageError(f"{request.config.source} holds nothing that `include` and `exclude` let pass{CASE}")
    seal = AUDIT.claim(storage, request.request(found.files, found.fingerprint))
    totals = Totals(request.options.groupings)
    if storage.exists(IMAGES):
        totals.add_all(read_images(storage, seal))
        return totals
    request = replace(request, options=replace(request.options, seal=seal))
    started = time.monotonic()
    fingerprints = _measure(request, chosen, storage, found, report)

    def parts() -> Iterator[pa.Table]:
        return (AUDIT.read_part(storage, seal, number, images) for number, images in enumerate(fingerprints))

    write_tables(storage, seal, parts, totals)
    report.written.append(IMAGES)
    report.measuring_s = round(time.monotonic() - started, 3)
    return totals


def _measure(request: Asked, chosen: Chosen, storage: Storage, found: Survey, report: AuditReport) -> list[str]:
    """Map over the tasks that are not done yet; the fingerprints of all."""
    config = request.config.engine.resolve(found.tasks, found.size)
    report.engine = config.kind
    finished, fingerprints = finished_tasks(storage), list[str]()
    place = _archive(request) if request.options.archive else storage
    size = found.tasks, found.size

    def unfinished() -> Iterator[AuditTask]:
        for task in audit_tasks(request.options, chosen, found):
            fingerprints.append(task.fingerprint)
            if task.number in finished:
                report.resumed_tasks += 1
                meter.advance(bytes_in=task.source_bytes, images=len(task.items), found=True)
            else:
                yield task

    with (
        open_engine(config, place.location, *size, networks=found.networks, on_crash=find_crashing_images) as engine,
        Meter("audit", found.size, quiet=request.config.quiet) as meter,
    ):
        for result in engine.map_shards(audit_images, unfinished(), meter):
            create_part(storage, result.number, result.part)
            meter.advance(**vars(result.progress))
    report.tasks = len(fingerprints)
    return fingerprints


def _write_pages(request: Asked, storage: Storage, totals: Totals, report: AuditReport) -> None:
    """The page and that of text, in place of ones that say something else.

    By the text whoever comes next sees whether the page is of now, so it is written last.
    """
    text = summary(report).encode()
    stale = not storage.exists(SUMMARY) or storage.read(SUMMARY) != text
    if stale:
        report.written.append(SUMMARY)
    if request.config.out is not None or request.config.report is not None:
        _write_page(request, storage, totals, report)
    if stale:
        storage.write(SUMMARY, text, overwrite=True)


def _write_page(request: Asked, storage: Storage, totals: Totals, report: AuditReport) -> None:
    """The page: into the folder unless it is there, and wherever else it is wanted."""
    config, places = request.config, list[tuple[Storage, str]]()
    if config.out is not None and (report.written or not storage.exists(PAGE)):
        places.append((storage, PAGE))
        report.written.append(PAGE)
    if config.report is not None:
        places.append(page_file(config.report, config.storage_options))
        report.page = config.report
    if places:
        made = page(request, report, totals, Examples(request.options, request.chosen(), _archive(request), totals))
        for place, name in places:
            place.write(name, made, overwrite=True)


def _archive(request: Asked) -> Storage:
    return open_storage(request.options.source.url, request.options.source.storage_options)


def _was_audited(request: Asked, report: AuditReport) -> bool:
    """Whether the slice was looked at today already, and nothing was damaged; the report has what is known then.

    What was damaged may be repaired by now, and is looked at again.
    """
    assert request.slice is not None
    part, parts = request.slice
    storage = _archive(request)
    record = remembered(storage, request.day, part, parts)
    sound = record is not None and not record.damaged
    report.rotation = Rotation(request.day, part, parts, repeated=sound)
    if record is None or not sound:
        return False
    report.rotation.overdue = overdue(last_audits(storage), parts, request.day)
    report.images, report.repeated_exit_code = record.images, record.exit_code
    return True


def _remember(request: Asked, report: AuditReport) -> None:
    assert report.rotation is not None
    storage, day, part, parts = _archive(request), request.day, report.rotation.part, report.rotation.parts
    damaged, findings = report.counts["damaged"] + len(report.damaged_files), report.counts["findings"]
    remember(storage, AuditRecord(day, part, parts, report.images, damaged, findings, report.exit_code))
    report.rotation.overdue = overdue(last_audits(storage), parts, day)
