"""`tilepress protect`: parity, by which damage is repaired without the source, and retention in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tilepress.jobs.protection.coverage import all_parity, coverage
from tilepress.jobs.protection.keeping import require_spare, require_undamaged
from tilepress.jobs.protection.making import ParityReport, make_missing, remove_parity
from tilepress.jobs.protection.retention import retain, retaining
from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.storage.options import NO_OPTIONS

Mode = Literal["governance", "compliance"]


@dataclass(frozen=True)
class ProtectConfig:
    """What `tilepress.protect` was asked for; its signature describes every field."""

    archive: str
    parity: float | None = None  # percent
    days: int | None = None
    mode: Mode = "governance"
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # see StorageOptions


@dataclass
class ProtectReport:
    """What was done; `parity` and `until` are None where only the other was asked for."""

    parity: ParityReport | None = None
    until: str | None = None  # the moment up to which objects are retained, ISO 8601
    retained: int = 0  # objects whose retention this command set
    longer: int = 0  # objects that were retained for at least as long already

    @property
    def exit_code(self) -> int:
        """0: done."""
        return 0


def run_protect(config: ProtectConfig) -> ProtectReport:
    """Make or remove parity, then retain what is there."""
    if config.parity is None and config.days is None:
        raise UsageError("nothing to do: `parity` 3% makes parity, `days` 365 retains what a bucket holds")
    archive = open_archive(config.archive, include_deleted=True, storage_options=config.storage_options)
    until = None if config.days is None else datetime.now(UTC).replace(microsecond=0) + timedelta(days=config.days)
    if until is not None:
        retaining(archive.storage)  # before long work
    report = ProtectReport()
    if config.parity is not None:
        report.parity = _parity(archive, config, config.parity)
    if until is not None:
        report.until = until.isoformat()
        report.retained, report.longer = retain(archive, until, config.mode, quiet=config.quiet)
    return report


def _parity(archive: Archive, config: ProtectConfig, percent: float) -> ParityReport:
    if percent:
        return make_missing(archive, percent, config.engine, quiet=config.quiet)
    require_undamaged(archive)
    require_spare(archive, coverage(archive), config.engine, quiet=config.quiet)
    found = [each for _, each in all_parity(archive.storage, (view.run for view in archive.runs))]
    return ParityReport(removed=remove_parity(archive.storage, found))
