"""`tilepress delete-source`: originals go by a certificate alone, each compared with it just before."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tilepress.jobs.archives.only_copies import remember
from tilepress.jobs.certification.certificate import Certificate
from tilepress.jobs.certification.check import checked_certificate
from tilepress.jobs.certification.state import live_parts, part_seals, require_models
from tilepress.jobs.claim import request_text
from tilepress.jobs.cli.meter import Meter
from tilepress.jobs.deletion.candidates import LINKS, Accept, Candidate, candidates
from tilepress.jobs.deletion.removing import LOG, RemoveOptions, remove_files, remove_tasks
from tilepress.pipeline.archive import dates
from tilepress.pipeline.engine.engine import EngineConfig, open_engine
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.sources.collection import Collection, StoredCollection
from tilepress.pipeline.storage.base import Storage, true_place
from tilepress.pipeline.storage.creating import require_writable
from tilepress.pipeline.storage.listing_rules import KEEP
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.removal import Remover

MAX_AGE_DAYS = 30
_SHARDS = 1 << 10  # how many tasks there are is not known before
_NAMED = 1000  # files that stay and are named


@dataclass(frozen=True)
class DeleteSourceConfig:
    """What `tilepress.delete_source` was asked for; its signature describes every field."""

    archive: str
    source: str
    certificate: str
    public_key: str | None = None
    require_independent: bool = False
    accept: Accept = "same-file"
    max_age: int = MAX_AGE_DAYS
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    yes: bool = False
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass
class DeleteSourceReport:
    """What was removed, or would be (`dry_run`), and how many files stay for which reason, the first by name."""

    dry_run: bool
    removed: int = 0
    removed_bytes: int = 0
    by_what_comes_back: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    named: list[tuple[str, str]] = field(default_factory=list)  # path, why it stays
    log: str = ""  # where it is written down
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 all files of the source are (or would be) gone; 3 some stay."""
        return 3 if any(reason != LINKS for reason in self.kept) else 0

    def keep(self, path: str, reason: str, detail: str = "") -> None:
        """Count a file that stays."""
        self.kept[reason] = self.kept.get(reason, 0) + 1
        if len(self.named) < _NAMED:
            self.named.append((path, detail or reason))

    def removes(self, comes_back: str, files: int, size: int) -> None:
        """Count files that are removed, or would be; `size` in bytes."""
        self.removed += files
        self.removed_bytes += size
        self.by_what_comes_back[comes_back] = self.by_what_comes_back.get(comes_back, 0) + files


def run_delete_source(config: DeleteSourceConfig) -> DeleteSourceReport:
    """Check certificate and archive, then count what may go, or remove it with `yes`."""
    opened, certificate = checked_certificate(
        config.archive, config.certificate, config.public_key, config.storage_options
    )
    _require_fresh(certificate, config.max_age)
    if config.require_independent and not certificate.independent:
        raise UsageError(f"`require_independent`: {certificate.independence}")
    report = DeleteSourceReport(not config.yes)
    storage, listed = _source(config, opened.storage, report)
    found = candidates(certificate.rows(), opened, part_seals(opened), listed, config.accept, report.keep)
    if not certificate.independent:
        report.notes.append(f"the certificate is not independent: {certificate.independence}")
    if not certificate.signed_by:
        report.notes.append("the certificate is not signed: whoever may write beside the archive could have made it")
    if config.yes:
        _remove(config, opened, certificate, storage, found, report)
    else:
        for each in found:
            report.removes(each.comes_back, 1, each.file.size)
    return report


def _require_fresh(certificate: Certificate, max_age: int) -> None:
    """Raise UsageError for a certificate that is too old, or of a time to come."""
    begun = dates.moment(certificate.begun, "the certificate's date")
    now = dates.moment(dates.now(), "the date")
    if begun > now + timedelta(days=1):
        raise UsageError(f"the certificate is of {certificate.begun}, which is yet to come: check the clocks")
    if now - begun > timedelta(days=max_age):
        raise UsageError(
            f"the certificate is of {certificate.begun}, more than {max_age} days ago: `tilepress certify` reads the "
            "archive again, or say a larger `max_age`"
        )


def _source(config: DeleteSourceConfig, archive: Storage, report: DeleteSourceReport) -> tuple[Storage, Iterator[Any]]:
    """The storage of the originals, and their listing: links are entries, and nothing behind them is listed."""
    wanted, skipped = (config.include, config.exclude), set[str]()

    def skip(name: str, reason: str) -> None:
        skipped.add(name)
        report.keep(name, LINKS)

    collection = Collection.open(
        config.source,
        *wanted,
        on_skip=skip,
        on_unreadable=lambda name, reason: report.keep(name, "it may not be read"),
        links=KEEP,
        storage_options=config.storage_options,
    )
    if not isinstance(collection, StoredCollection):
        raise UsageError(f"`source` {config.source} is a list: name a folder, a bucket prefix or a glob")
    Remover(collection.storage)
    if f"{true_place(collection.storage.url)}/".startswith(f"{true_place(archive.url)}/"):
        raise UsageError(f"`source` {config.source} lies within the archive")
    # Links that lead out of the source are told of, and entries too.
    return collection.storage, (entry for entry in collection.wanted() if entry.name not in skipped)


def _remove(
    config: DeleteSourceConfig,
    archive: Archive,
    certificate: Certificate,
    source: Storage,
    found: Iterator[Candidate],
    report: DeleteSourceReport,
) -> None:
    require_writable(certificate.storage, f"{LOG}writable.txt")
    conditional = Remover(source).is_conditional  # asked once, for all tasks
    if not conditional:
        report.notes.append(f"{source.url} knows no conditional deletion: files are looked at once more just before")
    options = RemoveOptions(
        source.location.absolute(),
        certificate.storage.location.absolute(),
        certificate.sha256,
        f"{dates.now()[:10]}-{secrets.token_hex(6)}",
        tuple(sorted(certificate.run_seals)),
        require_models(archive.storage, certificate.models),
        conditional,
    )
    report.log = f"{certificate.storage.url}/{LOG}{options.session}-*.json"
    note = remember(archive.storage, options.session, request_text(source.url), certificate.sha256)
    report.notes += [note] if note else []
    sizes = {view.run.part(part.shard): part.bytes for view, part in live_parts(archive)}
    size = certificate.files["source_bytes"]
    with (
        open_engine(config.engine, archive.storage.location, _SHARDS, size, networks=False) as engine,
        Meter("delete", size, quiet=config.quiet) as meter,
    ):
        for done in engine.map_shards(remove_files, remove_tasks(found, sizes, options), meter):
            for comes_back, files in done.returned.items():
                report.removes(comes_back, files, 0)
            report.removed_bytes += done.bytes
            for kept in done.kept:
                report.keep(*kept)
            meter.advance(bytes_in=done.read_bytes, images=len(done.files), failures=len(done.kept))
