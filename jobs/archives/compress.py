"""`tilepress compress`: a collection becomes a run of an archive, every image proven before it is committed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK
from tilepress.codecs.registry import QUICK
from tilepress.jobs.archives.encode_tasks import Tasks, known_content
from tilepress.jobs.archives.run_plan import claim_run, new_run, other_source, require_place, unfinished_run
from tilepress.jobs.claim import Request, request_text
from tilepress.jobs.cli.messages import MESSAGES
from tilepress.jobs.cli.meter import Meter
from tilepress.jobs.cli.progress import counted
from tilepress.jobs.codec_choice import AUTO, ChosenCodec, chosen_codec, encode_settings
from tilepress.jobs.estimation.asking import EstimateConfig
from tilepress.jobs.estimation.estimate import estimate_entries
from tilepress.jobs.estimation.report import EstimateReport
from tilepress.jobs.protection.making import ParityReport
from tilepress.pipeline.archive.index import IndexSpool, create_index
from tilepress.pipeline.archive.index_row import MAX_TILE
from tilepress.pipeline.archive.layout import ARCHIVE_JSON, Run, create_archive
from tilepress.pipeline.archive.manifest import Manifest, write_manifest
from tilepress.pipeline.archive.plan import STORED, LeftOut, Plan
from tilepress.pipeline.archive.schema import FAILURES
from tilepress.pipeline.archive.summary import Summary
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.compress.commit import encode_shard
from tilepress.pipeline.compress.committed import CommittedContent
from tilepress.pipeline.compress.crash_search import find_crashing_files
from tilepress.pipeline.compress.known import KnownContent
from tilepress.pipeline.compress.lease import IfBusy, Lease
from tilepress.pipeline.compress.sharing import SharedShards
from tilepress.pipeline.engine.engine import Engine, EngineConfig, open_engine
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.listing_rules import KEEP
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

if TYPE_CHECKING:
    from tilepress.jobs.deletion.delete_source import DeleteSourceReport

DEFAULT_TILE = 512
_DRY_RUN_MINUTES = 0.5  # in which a sample of the files is measured


@dataclass(frozen=True)
class CompressConfig:
    """What `tilepress.compress` was asked for; its signature describes every field."""

    source: str
    archive: str
    codec: str = AUTO
    quality: int | None = None
    effort: int | None = None
    fidelity: str = "pixels"
    max_error: int | None = None
    residual: str = QUICK
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    links: str = KEEP
    dry_run: bool = False
    allow_other_files: bool = False
    if_busy: IfBusy = "share"
    parity: float | None = None  # made when the run is complete: see jobs/protection/
    delete_source: Literal["never", "after-certificate"] = "never"  # and then only what might go is counted
    tile: int = DEFAULT_TILE
    shard_bytes: int | None = None
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass
class CompressReport:
    """What a run did. `run` is None where there was nothing to do, or for a dry run."""

    run: int | None = None
    planned_files: int = 0
    planned_bytes: int = 0
    gone: int = 0
    shards: int = 0
    resumed_shards: int = 0  # that an earlier attempt committed
    others_shards: list[int] = field(default_factory=list)  # that other drivers committed while this one worked
    coded_pixels: int = 0  # of the shards that this command committed
    engine: str = ""
    seconds: float = 0.0  # from the first shard to the manifest
    compiling_seconds: float = 0.0  # of these, spent by this process on kernels that were in no cache
    summary: Summary = field(default_factory=Summary)
    notes: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)  # of the source, and not stored
    packages: dict[str, list[str]] = field(default_factory=dict)  # besides tilepress, to read tiles of these codecs
    busy: str = ""  # who was at work on the archive, which this command left alone
    deletable: DeleteSourceReport | None = None  # what originals might go by a certificate, where that was asked
    parity: ParityReport | None = None  # where it was asked for
    estimate: EstimateReport | None = None  # of a dry run: what these files would take, from a sample of them

    @property
    def first_problem(self) -> str:
        """What there is to look at, one of it: for the run report."""
        failed = (f"{counted(count, 'file')}: {reason}" for reason, count in self.summary.failures.items())
        unread = (f"{each.name}: {each.reason}" for each in self.left_out if each.unreadable)
        return next(chain(failed, unread), "")

    @property
    def exit_code(self) -> int:
        """0 complete; 3 complete, but some files are damaged, changed, vanished or could not be read."""
        failed = sum(self.summary.failures[reason] for reason in FAILURES)
        return 3 if failed or any(each.unreadable for each in self.left_out) else 0


def run_compress(config: CompressConfig, again: Sequence[str] = ()) -> CompressReport:
    """Do one run, resumed if one is unfinished, else planned anew, and return its report.

    With reason codes in `again`, of those files alone of which the archive has one of these to say.
    """
    if not 16 <= config.tile <= MAX_TILE:
        raise UsageError(f"`tile` {config.tile} is not within 16 to {MAX_TILE}")
    config.engine.resolve(1, 0)  # a wrong engine option must not leave an unfinished run behind
    report = CompressReport()
    storage = open_storage(config.archive, config.storage_options)
    with (
        chosen_codec(config.codec, config.storage_options) as choice,
        Lease(storage, "retry" if again else "compress", config.if_busy) as lease,
    ):
        require_place(storage, config.source, allow_other_files=config.allow_other_files)
        if not config.dry_run and storage.exists(ARCHIVE_JSON) and _is_busy(lease, report):
            return report
        settings = _settings(config, choice)
        request = _request(config, settings) | ({"again": [*again]} if again else {})
        run, plan = _planned(storage, config, request, report)
        report.packages = choice.packages()
        if config.dry_run and plan.totals.files and not again:
            report.estimate = _estimate(config, plan)
        if config.dry_run or not plan.totals.shards:
            return report
        with _engine(storage, config, plan, report, networks=choice.codec.networks) as engine:
            create_archive(storage)
            if _is_busy(lease, report):
                return report
            report.engine = config.engine.resolve(plan.totals.shards, plan.totals.bytes).kind
            plan = claim_run(storage, run, plan, request, choice.models(settings), report.packages)
            report.run = run.number
            planned = EncodeSettings.from_json(plan.settings["press"])  # of an earlier release, maybe
            _execute(engine, storage, config, planned, run, plan, report)
    return report


def _is_busy(lease: Lease, report: CompressReport) -> bool:
    """Whether the archive is to be left alone, which the report then says."""
    holder = lease.begin()
    report.busy = "" if holder is None else str(holder)
    return holder is not None


def _planned(storage: Storage, config: CompressConfig, request: Request, report: CompressReport) -> tuple[Run, Plan]:
    """The run that is unfinished, or a new one, and what the report says of it."""
    run, plan = unfinished_run(storage, request) or _new_run(storage, config, request, report)
    report.left_out = report.left_out or list(plan.left_out)  # a run that goes on does not list the source again
    report.planned_files, report.planned_bytes = plan.totals.files, plan.totals.bytes
    report.gone, report.shards = plan.totals.gone, plan.totals.shards
    if report.gone and (before := other_source(storage, run, request)):
        report.notes.append(
            f"the run before was of {before}, and names are relative to their source: what {config.source} does "
            "not have under the same name counts as gone from it"
        )
    return run, plan


def _estimate(config: CompressConfig, plan: Plan) -> EstimateReport:
    """What the additions of a plan would take, from a sample of them."""
    asked = EstimateConfig(
        source=config.source,
        codecs=(config.codec,),
        quality=config.quality,
        effort=config.effort,
        fidelity=config.fidelity,
        max_error=config.max_error,
        residual=config.residual,
        minutes=_DRY_RUN_MINUTES,
        tile=config.tile,
        shard_bytes=config.shard_bytes,
        engine=replace(config.engine, kind="local", ray_address=None),
        quiet=config.quiet,
        storage_options=config.storage_options,
    )
    additions = (file.entry for file in plan.files() if file.state in STORED)
    return estimate_entries(additions, asked, EstimateReport(config.source))


def _engine(storage: Storage, config: CompressConfig, plan: Plan, report: CompressReport, *, networks: bool) -> Engine:
    """The engine of a run, opened before the run is claimed: an unreachable cluster leaves nothing behind."""

    def note(name: str, reason: str) -> None:
        report.notes.append(f"{name}: stored verbatim, since {reason}")

    return open_engine(
        config.engine,
        storage.location,
        plan.totals.shards,
        plan.totals.bytes,
        networks=networks,
        on_crash=partial(find_crashing_files, on_found=note),
    )


def _settings(config: CompressConfig, choice: ChosenCodec) -> EncodeSettings:
    return encode_settings(
        choice,
        config.codec,
        fidelity=config.fidelity,
        quality=config.quality,
        effort=config.effort,
        max_error=config.max_error,
        residual=config.residual,
        tile=config.tile,
    )


def _request(config: CompressConfig, settings: EncodeSettings) -> dict[str, Any]:
    """What the plan records: a resumed run must be asked for the same."""
    return {
        "source": request_text(config.source),
        "include": list(map(request_text, config.include)),
        "exclude": list(map(request_text, config.exclude)),
        "links": config.links,
        "codec": request_text(config.codec),
        "shard_bytes": config.shard_bytes,
        "press": settings.to_json(),
    }


def _new_run(storage: Storage, config: CompressConfig, request: Request, report: CompressReport) -> tuple[Run, Plan]:
    def leave_out(name: str, reason: str, *, unreadable: bool = False) -> None:
        report.left_out.append(LeftOut(name, reason, unreadable))

    collection = Collection.open(
        config.source,
        config.include,
        config.exclude,
        on_skip=leave_out,
        on_unreadable=partial(leave_out, unreadable=True),
        links=config.links,
        storage_options=config.storage_options,
    )
    return new_run(storage, collection, request, report.left_out)


def _execute(
    engine: Engine,
    storage: Storage,
    config: CompressConfig,
    settings: EncodeSettings,
    run: Run,
    plan: Plan,
    report: CompressReport,
) -> None:
    """Map over the shards that are not committed yet, then index and complete the run."""
    spool, entries = IndexSpool(), []
    started, compiling = time.monotonic(), COMPILE_CLOCK.seconds
    with closing(spool):
        with (
            Meter("compress", plan.totals.bytes, checked=True, quiet=config.quiet) as meter,
            SharedShards(storage, run, plan, None if config.quiet else _say_waiting) as shared,
        ):
            committed = CommittedContent(run, plan, spool)
            places: list[KnownContent | CommittedContent] = [committed, *known_content(storage, run, plan, settings)]
            tasks = Tasks(plan, run, settings, config.source, StorageOptions(config.storage_options), places)
            rounds = (tasks.mapped(engine, encode_shard, each, meter, quiet=config.quiet) for each in shared.rounds())
            for result in chain.from_iterable(rounds):
                entries.append(result.entry)
                spool.put(result.entry.shard, result.index)
                committed.add(result.entry.shard)
                report.summary.merge(result.summary)
                was_there = shared.finish(result.entry.shard)
                report.resumed_shards += was_there
                if result.resumed and not was_there:
                    report.others_shards.append(result.entry.shard)
                report.coded_pixels += 0 if result.resumed else result.summary.pixels
                meter.advance(**result.summary.progress(), found=result.resumed)
        report.others_shards.sort()
        seal, footer = create_index(storage, run.index, plan.shards(), spool)
        write_manifest(storage, run, Manifest(tuple(entries), plan.seal, seal, plan.date, index_footer=footer))
        report.seconds = round(time.monotonic() - started, 3)
        report.compiling_seconds = round(COMPILE_CLOCK.seconds - compiling, 3)


def _say_waiting(shards: int) -> None:
    MESSAGES.say(f"compress: waiting for {counted(shards, 'shard')} of other drivers", "waiting")
