"""`tilepress certify`: everything is read back and hashed, and a certificate says so, by which originals may go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tilepress.jobs.archives.verify_files import FileCheck, check_files, verify_part
from tilepress.jobs.certification.asking import CertifyConfig, CertifyReport
from tilepress.jobs.certification.certificate import CERTIFICATE, TASKS, read_certificate, write_certificate
from tilepress.jobs.certification.check import run_check
from tilepress.jobs.certification.decoder import decoder_facts, independence, writers
from tilepress.jobs.certification.images import CertifyOptions, PartSeals, certify_entries, certify_tasks, fingerprint
from tilepress.jobs.certification.place import default_place
from tilepress.jobs.certification.signature import key_text, private_key, row_secret
from tilepress.jobs.certification.state import part_seals, require_finished, require_runs, run_facts
from tilepress.jobs.certification.table import write_table
from tilepress.jobs.cli.meter import Meter
from tilepress.jobs.protection.needed_models import needed_models, residual_models
from tilepress.jobs.task_folder import finished_tasks
from tilepress.pipeline.engine.engine import Engine, open_engine
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.reading.batches import EntryTask
from tilepress.pipeline.storage.base import Storage, open_storage


def run_certify(config: CertifyConfig) -> CertifyReport:
    """Read everything that no earlier attempt has, and write the certificate, unless it is there or something is wrong.

    Or check one: see `run_check`.

    UsageError where a run is unfinished, or the certificate would not be as independent as was asked for; ResumeError
    where the folder holds another one.
    """
    if config.check is not None:
        return run_check(config)
    if config.public_key is not None:
        raise UsageError("`public_key` has no effect without `check`")
    key = private_key(config.key) if config.key is not None else None
    archive = open_archive(config.archive, include_deleted=True, checked=True, storage_options=config.storage_options)
    require_finished(archive)
    if config.engine.kind != "ray" and not config.engine.ray_address:  # on Ray the driver decodes nothing
        _require_independent(config, *independence(writers(archive), [decoder_facts()]))
    signed_by = key_text(key.public_key()) if key is not None else ""
    request = {"archive_id": archive.identity["archive_id"], "runs": run_facts(archive), "signed_by": signed_by}
    storage = open_storage(config.out or default_place(archive, signed_by), config.storage_options)
    options = CertifyOptions(
        TASKS.claim(storage, request), storage.location.absolute(), row_secret(key) if key is not None else b""
    )
    report = CertifyReport()
    if not storage.exists(CERTIFICATE):
        made = _read_all(config, archive, storage, options, report)
        if made is None:
            return report
        _require_independent(config, made["independent"], made["independence"])
        require_runs(archive.storage, [view.run.number for view in archive.runs])
        write_certificate(storage, {**request, **made}, key)
        report.written = True
    certificate = read_certificate(storage, signed_by or None)
    certificate.require_files()
    report.fill(certificate)
    _require_independent(config, certificate.independent, certificate.independence)
    return report


def _require_independent(config: CertifyConfig, independent: bool, why: str) -> None:
    if config.require_independent and not independent:
        raise UsageError(f"`require_independent`: {why}. Certify on another machine")


def _read_all(
    config: CertifyConfig, archive: Archive, storage: Storage, options: CertifyOptions, report: CertifyReport
) -> dict[str, Any] | None:
    """Read the archive's files and images, as `verify` does; what the certificate says, None if something is wrong."""
    models, coders = needed_models(archive)
    models |= residual_models(coders)
    files = check_files(archive, models)
    report.problems += [(name, "", problem) for name, problem in files.problems]
    report.notes += files.notes
    seals = part_seals(archive)
    prints, size = list[str](), 0
    for task in _tasks(archive, options, seals):
        prints.append(fingerprint(task))
        size += task.source_bytes
    with open_engine(
        config.engine, archive.storage.location, max(len(prints), len(files.parts)), size, networks=bool(models)
    ) as engine:
        _check_parts(engine, files, config, report)
        with Meter("certify", size, quiet=config.quiet) as meter:
            _check_images(engine, _tasks(archive, options, seals), storage, meter, report)
    report.problems = sorted(set(report.problems))
    if report.problems or report.unchecked:
        return None
    report.parts = len(files.parts)
    found = write_table(storage, options, prints)
    independent, why = independence(writers(archive), found["decoders"])
    made = {"parts": len(files.parts), "models": sorted(models), "independent": independent, "independence": why}
    return {**found, **made}


def _tasks(archive: Archive, options: CertifyOptions, seals: PartSeals) -> Iterator[EntryTask]:
    return certify_tasks(archive.entries(), options, seals)


def _check_parts(engine: Engine, files: FileCheck, config: CertifyConfig, report: CertifyReport) -> None:
    with Meter("certify files", sum(part.bytes for part in files.parts), quiet=config.quiet) as meter:
        for part, problems in engine.map_shards(verify_part, files.parts, meter):
            report.problems += [(name, "", problem) for name, problem in problems]
            meter.advance(bytes_in=part.bytes, images=0, failures=len(problems))


def _check_images(
    engine: Engine, tasks: Iterator[EntryTask], storage: Storage, meter: Meter, report: CertifyReport
) -> None:
    """Map over the tasks that no earlier attempt has finished."""
    finished = finished_tasks(storage)

    def unfinished() -> Iterator[EntryTask]:
        for task in tasks:
            if task.number in finished:
                report.resumed_tasks += 1
                meter.advance(bytes_in=task.source_bytes, images=len(task.images), found=True)
            else:
                yield task

    for result in engine.map_shards(certify_entries, unfinished(), meter):
        report.problems += result.problems
        report.unchecked += result.unchecked
        meter.advance(bytes_in=result.source_bytes, images=result.images, failures=len(result.problems))
