"""`tilepress compress`: a collection becomes a run of an archive, every image proven before it is committed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import tilepress
from tilepress.jobs.codec_choice import AUTO, ChosenCodec, check_settings, chosen_codec
from tilepress.jobs.progress import Meter
from tilepress.pipeline.archive import (
    Run,
    create_archive,
    is_complete,
    is_create_only,
    list_parts,
    list_runs,
    store_model,
    write_manifest,
    write_summary,
)
from tilepress.pipeline.changes import planned_files
from tilepress.pipeline.collection import Collection
from tilepress.pipeline.commit import PressTask, press_shard
from tilepress.pipeline.engine import Engine, EngineConfig, open_engine
from tilepress.pipeline.errors import (
    AlreadyExists,
    IntegrityError,
    MissingError,
    ResumeError,
    StorageError,
    UsageError,
)
from tilepress.pipeline.index import IndexSpool, write_index
from tilepress.pipeline.plan import Plan, plan_from_bytes, write_plan
from tilepress.pipeline.reader import Archive
from tilepress.pipeline.rows import FAILURES
from tilepress.pipeline.settings import PressSettings
from tilepress.pipeline.storage import Storage, open_storage
from tilepress.pipeline.summary import Summary
from tilepress.pipeline.suspects import find_suspects

DEFAULT_TILE = 512


@dataclass(frozen=True)
class CompressConfig:
    """Everything a person can say to `compress`."""

    source: str
    archive: str
    codec: str = AUTO
    quality: int | None = None
    effort: int | None = None
    fidelity: str = "pixels"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    dry_run: bool = False
    tile: int = DEFAULT_TILE
    shard_bytes: int | None = None
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True


@dataclass
class CompressReport:
    """What a run did. `run` is None where there was nothing to do, or for a dry run."""

    run: int | None = None
    planned_files: int = 0
    planned_bytes: int = 0
    gone: int = 0
    shards: int = 0
    resumed_shards: int = 0
    engine: str = ""
    seconds: float = 0.0  # from the first shard to the manifest
    summary: Summary = field(default_factory=Summary)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # in the source, but nothing that can be read
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 complete; 3 complete, with files kept only as damaged bytes, or that changed or vanished under way."""
        return 3 if sum(self.summary.failures[reason] for reason in FAILURES) else 0


def compress(source: str, archive: str, **options: Any) -> CompressReport:
    """Compress `source` into `archive`; options as the fields of CompressConfig. Run again, it adds what is new."""
    return run_compress(CompressConfig(source, archive, **options))


def run_compress(config: CompressConfig) -> CompressReport:
    """One run: resumed if one is unfinished, else planned anew."""
    if config.tile < 16 or config.tile > 1 << 14:
        raise UsageError(f"--tile {config.tile} is not within 16 to 16384")
    config.engine.resolve(1, 0)  # a wrong engine option must not leave an unfinished run behind
    report = CompressReport()
    with chosen_codec(config.codec) as choice:
        settings = _settings(config, choice)
        check_settings(config.codec, choice.codec, settings)
        storage = open_storage(config.archive)
        run, plan = _unfinished(storage, config, settings) or _new_plan(storage, config, settings, report)
        report.planned_files, report.planned_bytes = plan.totals.files, plan.totals.bytes
        report.gone, report.shards = plan.totals.gone, plan.totals.shards
        if config.dry_run or not plan.totals.shards:
            return report
        run, plan = _claim(storage, run, plan, config, settings, choice)
        report.run = run.number
        _execute(storage, config, settings, run, plan, report, networks=choice.codec.networks)
    return report


def _settings(config: CompressConfig, choice: ChosenCodec) -> PressSettings:
    granule = choice.codec.granule
    return PressSettings(
        codec=choice.reference,
        fidelity=config.fidelity,
        quality=config.quality,
        effort=config.effort,
        tile=max(granule, config.tile // granule * granule),
    )


def _plan_settings(config: CompressConfig, settings: PressSettings) -> dict[str, Any]:
    return {
        "source": _text(config.source),
        "include": list(map(_text, config.include)),
        "exclude": list(map(_text, config.exclude)),
        "codec": _text(config.codec),
        "shard_bytes": config.shard_bytes,
        "press": settings.to_json(),
    }


def _text(argument: str) -> str:
    """Valid Unicode for files of the archive: bytes of an argument that are not UTF-8 become \\udcNN."""
    return argument.encode(errors="backslashreplace").decode()


def _unfinished(storage: Storage, config: CompressConfig, settings: PressSettings) -> tuple[Run, Plan] | None:
    runs = list_runs(storage)
    if not runs or is_complete(storage, runs[-1]):
        return None
    plan = _load_plan(storage, runs[-1])
    asked = _plan_settings(config, settings)
    if plan.settings != asked:
        raise ResumeError(_other_settings(storage, runs[-1], plan, asked))
    return runs[-1], plan


def _other_settings(storage: Storage, run: Run, plan: Plan, asked: dict[str, Any]) -> str:
    before, now = _flat(plan.settings), _flat(asked)
    names = [name for name in before | now if before.get(name) != now.get(name)]
    differ = ", ".join(f"{name} was {before.get(name)!r}, now {now.get(name)!r}" for name in names)
    return (
        f"{storage.url} holds an unfinished run ({run.folder}) with other settings: {differ}. Finish it first with the "
        "same source and options as before"
    )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    press = settings.get("press", {})
    return {name: value for name, value in settings.items() if name != "press"} | {
        f"press.{name}": value for name, value in press.items()
    }


def _new_plan(
    storage: Storage, config: CompressConfig, settings: PressSettings, report: CompressReport
) -> tuple[Run, Plan]:
    collection = _collection(config, report.skipped)
    existing = Archive(storage) if list_runs(storage) else None
    filtered = bool(config.include or config.exclude)
    files = planned_files(collection.entries(), existing, mark_gone=not filtered)
    newest = existing.runs[-1].manifest if existing and existing.runs else None
    parent = newest.seal if newest else ""
    plan = write_plan(files, _plan_settings(config, settings), config.shard_bytes, parent)
    number = existing.runs[-1].run.number + 1 if existing and existing.runs else 1
    return Run(number), plan


def _collection(config: CompressConfig, skipped: list[tuple[str, str]] | None = None) -> Collection:
    return Collection.open(
        config.source,
        config.include,
        config.exclude,
        on_skip=None if skipped is None else lambda name, reason: skipped.append((name, reason)),
    )


def _claim(
    storage: Storage, run: Run, plan: Plan, config: CompressConfig, settings: PressSettings, choice: ChosenCodec
) -> tuple[Run, Plan]:
    """Store model and plan. If another driver was first with the same settings, its plan becomes ours."""
    create_archive(storage)
    if not is_create_only(storage):
        raise UsageError(
            f"{storage.url} does not refuse to overwrite existing objects, so two writers could lose data: "
            "use a local disk or an S3 store with conditional writes"
        )
    with suppress(StorageError):  # housekeeping: a store may not permit it
        for prefix in (".", f"{run.folder}/"):
            storage.remove_stale_temporaries(prefix)
    if choice.model_folder is not None:
        store_model(storage, choice.model_folder)
    try:
        plan.file.seek(0)
        storage.create(run.plan, plan.file.read())
    except AlreadyExists:
        plan = _load_plan(storage, run)
        asked = _plan_settings(config, settings)
        if plan.settings != asked:
            raise ResumeError(_other_settings(storage, run, plan, asked)) from None
    summary = {"run": run.number, "plan": plan.seal, "software": f"tilepress {tilepress.__version__}"}
    write_summary(storage, run, {**summary, "settings": plan.settings, "totals": asdict(plan.totals)})
    return run, plan


def _load_plan(storage: Storage, run: Run) -> Plan:
    name = f"{storage.url}/{run.plan}"
    try:
        return plan_from_bytes(storage.read(run.plan), name)
    except MissingError as exc:
        raise IntegrityError(
            f"{name} is missing, so that run cannot be finished: move its folder out of the archive and try again"
        ) from exc


def _execute(
    storage: Storage,
    config: CompressConfig,
    settings: PressSettings,
    run: Run,
    plan: Plan,
    report: CompressReport,
    *,
    networks: bool,
) -> None:
    """Map over the shards that are not committed yet, then index and complete the run."""
    engine_config = config.engine.resolve(plan.totals.shards, plan.totals.bytes)
    report.engine = engine_config.kind
    spool, entries = IndexSpool(), []
    started = time.monotonic()
    with closing(spool), _engine(engine_config, config.archive, plan, networks=networks) as engine:
        with Meter("compress", plan.totals.bytes, quiet=config.quiet) as meter:
            tasks = _tasks(plan, run, settings, config.source, set(list_parts(storage, run)))
            for result in engine.map_shards(press_shard, tasks):
                entries.append(result.entry)
                spool.put(result.entry.shard, result.index)
                report.summary.merge(result.summary)
                report.resumed_shards += result.resumed
                meter.advance(**result.summary.progress())
        file, seal = write_index(plan.shards(), spool)
        file.seek(0)
        _create_index(storage, run, file.read(), seal)
        write_manifest(storage, run, entries, plan.seal, seal)
        report.seconds = round(time.monotonic() - started, 3)


def _engine(config: EngineConfig, archive: str, plan: Plan, *, networks: bool) -> Engine:
    totals = plan.totals
    return open_engine(config, archive, totals.shards, totals.bytes, networks=networks, recover=find_suspects)


def _tasks(plan: Plan, run: Run, settings: PressSettings, source: str, committed: set[int]) -> Iterator[PressTask]:
    return (
        PressTask(shard, run, plan.seal, settings, source, shard.number in committed)
        for shard in plan.shards()
        if shard.additions
    )


def _create_index(storage: Storage, run: Run, data: bytes, seal: str) -> None:
    try:
        storage.create(run.index, data)
    except AlreadyExists:
        # Another driver, or this one before it was killed. An index of other bytes would fail the manifest's seal.
        from tilepress.pipeline.index import Index

        Index(storage.read(run.index), f"{storage.url}/{run.index}", seal)
