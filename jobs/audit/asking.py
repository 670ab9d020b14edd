"""What an audit was asked for, as values: which images, which figures, which limits; what makes no sense is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tilepress.jobs.audit import unlike
from tilepress.jobs.audit.drift import require_earlier
from tilepress.jobs.audit.grouping import DEFAULT_GROUPINGS, require_groupings
from tilepress.jobs.audit.items import AuditOptions, Chosen, audit_items
from tilepress.jobs.audit.readers import LIMITS
from tilepress.jobs.audit.rows import METRICS
from tilepress.jobs.audit.thresholds import OVER, UNDER, Limit, read_limits, require_measured
from tilepress.jobs.claim import request_text
from tilepress.jobs.page_file import require_page_name
from tilepress.pipeline.archive.audits import part_of_day, today
from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.findings.finding import KINDS
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.sources.subset import rank_of_count, rank_of_share
from tilepress.pipeline.storage.base import true_place
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

FINDING_KINDS: Mapping[str, str] = {**KINDS, **unlike.KINDS}
DEFAULT_METRICS = ("psnr", "ssim", "ms_ssim", "max_error")  # all but the slow one


@dataclass(frozen=True)
class AuditConfig:
    """What `tilepress.audit` was asked for; its signature describes every field."""

    source: str
    against: str | None = None
    out: str | None = None
    report: str | None = None
    metrics: Sequence[str] = DEFAULT_METRICS
    group_by: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    slice: tuple[int, int] | None = None
    sample: float | None = None  # below 1: a share
    rotate: int | None = None
    since: str | None = None
    fail_under: Sequence[str] = ()
    fail_over: Sequence[str] = ()
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass(frozen=True)
class Asked:
    """A request that makes sense. `day` and `slice`: of a rotation, today and its part."""

    config: AuditConfig
    options: AuditOptions
    limits: tuple[Limit, ...]
    day: str = ""
    slice: tuple[int, int] | None = None

    def chosen(self) -> Chosen:
        """Return which images are looked at. Of a sample of a number of images their names are read once."""
        config = self.config
        all_of_it = Chosen(tuple(config.include), tuple(config.exclude), self.slice)
        if config.sample is None:
            return all_of_it
        if config.sample < 1:
            below = rank_of_share(config.sample)
        else:
            below = rank_of_count((item.name for item in audit_items(self.options, all_of_it)), int(config.sample))
        return Chosen(all_of_it.include, all_of_it.exclude, self.slice, below)

    def request(self, files: int, fingerprint: str) -> dict[str, Any]:
        """Return what audit.json records: whoever goes on must ask for the same."""
        config, options = self.config, self.options
        return {
            "source": request_text(config.source),
            "against": request_text(config.against) if config.against else None,
            "metrics": sorted(options.metrics),
            "group_by": list(map(request_text, options.groupings)),
            "include": list(map(request_text, config.include)),
            "exclude": list(map(request_text, config.exclude)),
            "slice": list(self.slice) if self.slice else None,
            "sample": config.sample,
            "files": files,
            "images": fingerprint,
        }


def asked(config: AuditConfig) -> Asked:
    """Return the request; UsageError where it makes no sense."""
    options = _options(config)
    limits = (
        *read_limits(config.fail_under, UNDER, list(FINDING_KINDS)),
        *read_limits(config.fail_over, OVER, list(FINDING_KINDS)),
    )
    require_measured(limits, options.metrics, options.archive, config.against is not None)
    if config.since is not None:
        require_earlier(config.since, StorageOptions(config.storage_options))
    config.engine.resolve(1, 0)  # a wrong engine option must not leave a folder behind
    _require_outside(config)
    require_page_name("report", config.report)
    if config.rotate is None:
        return Asked(config, options, limits, slice=config.slice)
    _require_whole(config, options)
    day = today()
    part, parts = config.slice or (part_of_day(day, config.rotate), config.rotate)
    if parts != config.rotate:
        raise UsageError(f"`slice` {part}/{parts} is none of `rotate` {config.rotate}")
    return Asked(config, options, limits, day, (part, parts))


def _require_outside(config: AuditConfig) -> None:
    """UsageError if what is written would become part of what is audited."""
    for name, written in (("out", config.out), ("report", config.report)):
        for place in filter(None, (config.source, config.against) if written else ()):
            if f"{true_place(str(written))}/".startswith(f"{true_place(place)}/"):
                raise UsageError(f"`{name}` {written} lies within {place} and would become part of it: choose another")


def _options(config: AuditConfig) -> AuditOptions:
    wrong = [name for name in config.metrics if name not in METRICS]
    if wrong or not config.metrics:
        raise UsageError(f"`metrics` {', '.join(wrong) or 'are none'}: there are {', '.join(METRICS)}")
    if "ssimulacra2" in config.metrics and config.against is None:
        raise UsageError("`metrics` ssimulacra2 takes a source to compare with: give `against`")
    if config.sample is not None and (not config.sample > 0 or (config.sample > 1 and config.sample % 1)):
        raise UsageError(f"`sample` {config.sample:g} is neither a number of images nor a share of them, below 1")
    if config.slice is not None and not 1 <= config.slice[0] <= config.slice[1]:
        raise UsageError(f"`slice` {config.slice[0]}/{config.slice[1]} is no part: of N there are 1/N to N/N")
    groupings = tuple(config.group_by) or DEFAULT_GROUPINGS
    require_groupings(groupings)
    source = _source(config, config.source)
    against = None if config.against is None else _source(config, config.against)
    archive = source.is_archive or source.has_runs  # one that lost its archive.json is damaged, and no folder of files
    return AuditOptions(source, against, archive, frozenset(config.metrics), groupings)


def _source(config: AuditConfig, url: str) -> Source:
    options = StorageOptions(config.storage_options)
    return Source(url, config.include, config.exclude, limits=LIMITS, storage_options=options).absolute()


def _require_whole(config: AuditConfig, options: AuditOptions) -> None:
    """A rotation goes over all of an archive: what leaves some of it out is refused."""
    if not options.archive:
        raise UsageError(f"`rotate` is for archives, which remember it, and {config.source} is none")
    if config.include or config.exclude or config.sample is not None:
        raise UsageError("`rotate` goes over everything in turn: leave out `include`, `exclude` and `sample`")
    assert config.rotate is not None
    if not 2 <= config.rotate <= 9999:
        raise UsageError(f"`rotate` {config.rotate} is not within 2 to 9999")
