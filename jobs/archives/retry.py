"""`tilepress retry`: the files that the archive could not store as it should are read and stored again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tilepress.codecs.registry import QUICK
from tilepress.jobs.archives.compress import CompressConfig, CompressReport, run_compress
from tilepress.pipeline.archive.plan import plan_from_bytes
from tilepress.pipeline.archive.schema import FAILURES, INCOMPRESSIBLE, LIMIT, UNSUPPORTED
from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.sources.collection import require_source_of_data
from tilepress.pipeline.storage.listing_rules import KEEP
from tilepress.pipeline.storage.options import NO_OPTIONS

_VERBATIM = frozenset({UNSUPPORTED, LIMIT, INCOMPRESSIBLE})  # right as it is, unless another version can do more


@dataclass(frozen=True)
class RetryConfig:
    """What `tilepress.retry` was asked for; its signature describes every field."""

    archive: str
    source: str | None = None
    failed: bool = False
    dry_run: bool = False
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


def run_retry(config: RetryConfig) -> CompressReport:
    """Do a run of these files, with what the newest `compress` was asked for."""
    request = _newest_request(config)
    if not config.source:
        require_source_of_data(request["source"], f"a plan of {config.archive}")
    encoding = request["press"]
    again = FAILURES if config.failed else FAILURES | _VERBATIM
    asked = CompressConfig(
        source=config.source or request["source"],
        archive=config.archive,
        codec=request["codec"],
        quality=encoding["quality"],
        effort=encoding["effort"],
        fidelity=encoding["fidelity"],
        max_error=encoding.get("max_error"),
        residual=encoding.get("residual", QUICK),
        include=tuple(request["include"]),
        exclude=tuple(request["exclude"]),
        links=request.get("links", KEEP),
        tile=encoding["tile"],
        shard_bytes=request["shard_bytes"],
        dry_run=config.dry_run,
        engine=config.engine,
        quiet=config.quiet,
        storage_options=config.storage_options,
    )
    return run_compress(asked, sorted(again))


def _newest_request(config: RetryConfig) -> dict[str, Any]:
    """What the newest `compress` was asked for; UsageError if there was none."""
    archive = open_archive(config.archive, storage_options=config.storage_options)
    for view in reversed(archive.runs):
        if not view.abandoned:
            settings = plan_from_bytes(archive.storage.read(view.run.plan), view.run.plan).settings
            if "press" in settings:
                return settings
    raise UsageError(f"{config.archive} has no run of `compress`, so there is nothing to try again")
