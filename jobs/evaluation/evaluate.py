"""`tilepress evaluate`: codecs compared on real images, from real bytes and decoded pixels."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from tilepress.codecs.extras import require_extra
from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK
from tilepress.jobs.claim import request_text
from tilepress.jobs.cli.meter import Meter
from tilepress.jobs.codec_choice import ChosenCodec, chosen_codec
from tilepress.jobs.evaluation import folder
from tilepress.jobs.evaluation.coding import METRICS
from tilepress.jobs.evaluation.crash_search import find_crashing_files
from tilepress.jobs.evaluation.images import EvaluateOptions, EvaluateTask, evaluate_images
from tilepress.jobs.evaluation.means import Comparison, LosslessRate, PointMeans, Rows
from tilepress.jobs.evaluation.outputs import fill, write
from tilepress.jobs.evaluation.points import LOSSY, NamedCodec, OperatingPoint, named, operating_points
from tilepress.jobs.evaluation.tasks import Survey, survey, tasks
from tilepress.pipeline.archive.models import store_model
from tilepress.pipeline.engine.engine import EngineConfig, open_engine
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.base import Storage, open_storage, true_place
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

DEFAULT_TILE = 512
_LIMITS = Limits(max_pixels=1 << 28)  # an image is held whole, twice


@dataclass(frozen=True)
class EvaluateConfig:
    """What `tilepress.evaluate` was asked for; its signature describes every field."""

    source: str
    out: str
    codecs: tuple[str, ...]
    qualities: Sequence[int] = ()
    effort: int | None = None
    max_error: int | None = None
    metrics: Sequence[str] = ()
    anchor: str | None = None
    fidelity: str = LOSSY
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    tile: int = DEFAULT_TILE
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass
class EvaluateReport:
    """What was found: `means` of every codec at every quality, `comparisons` (BD-rates) and `lossless` (bits) against
    `anchor`, `plots` by file name.

    `unreadable` and `failed` are (image, reason), `unknown` files that are no images to tilepress,
    `unsupported` counts by codec.
    `starting_s`: until the engine was there; `measuring_s`: from the first task to all rows; `seconds`: all of it.
    `written`: empty if all was there already.
    """

    out: str
    files: int = 0
    source_bytes: int = 0
    tasks: int = 0
    resumed_tasks: int = 0
    engine: str = ""
    starting_s: float = 0.0
    measuring_s: float = 0.0
    seconds: float = 0.0
    compiling_seconds: float = 0.0  # of these, spent by this process on kernels that were in no cache
    written: list[str] = field(default_factory=list)
    anchor: str = ""
    means: list[PointMeans] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    lossless: list[LosslessRate] = field(default_factory=list)
    plots: list[str] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    unsupported: dict[str, int] = field(default_factory=dict)
    jpeg_images: int = 0  # whose own losses are part of the original

    @property
    def images(self) -> int:
        """Files that were read as images."""
        return self.files - len(self.unknown) - len(self.unreadable)

    @property
    def exit_code(self) -> int:
        """0 complete; 3 complete, but images could not be read, or a codec failed on one, or there was no image."""
        return 3 if self.unreadable or self.failed or not self.images else 0


def run_evaluate(config: EvaluateConfig) -> EvaluateReport:
    """Measure what is not measured yet, then make table, summary, page, plots and crops of all of it."""
    started, compiling = time.monotonic(), COMPILE_CLOCK.seconds
    _check(config)
    report = EvaluateReport(config.out)
    with ExitStack() as stack:
        codecs = [NamedCodec.parse(text) for text in config.codecs]
        chosen = [(codec, stack.enter_context(_chosen(codec, config))) for codec in codecs]
        points = operating_points(
            chosen, config.qualities, config.effort, config.tile, config.fidelity, config.max_error
        )
        report.anchor = _anchor(config.anchor, points)
        options = StorageOptions(config.storage_options)
        source = Source(
            config.source, config.include, config.exclude, limits=_LIMITS, storage_options=options
        ).absolute()
        found = survey(source.open())
        report.files, report.source_bytes, report.tasks = found.files, found.size, found.tasks
        storage = open_storage(config.out, config.storage_options)
        seal = folder.claim(storage, _request(config, points, report.anchor, found))
        table = folder.read_results(storage, seal, config.metrics)
        if table is None:
            for model in {choice.model_folder for _, choice in chosen if choice.model_folder is not None}:
                store_model(storage, model)
            networks = any(choice.codec.networks for _, choice in chosen)
            everywhere = EvaluateOptions(source, points, config.fidelity, seal, tuple(config.metrics))
            table = _measure(storage, config, everywhere, found, report, networks=networks)
    rows = Rows(table, points)
    fill(report, table, rows)
    write(storage, seal, config, source, table, rows, report)
    report.seconds = round(time.monotonic() - started, 3)
    report.compiling_seconds = round(COMPILE_CLOCK.seconds - compiling, 3)
    return report


def _check(config: EvaluateConfig) -> None:
    if not config.codecs:
        raise UsageError("name at least one of `codecs` to evaluate; see `tilepress codecs`")
    if config.tile < 16 or config.tile > 1 << 14:
        raise UsageError(f"`tile` {config.tile} is not within 16 to 16384")
    require_extra("train", "evaluate, which draws plots,", "matplotlib")
    if unknown := sorted(set(config.metrics) - METRICS.keys()):
        raise UsageError(f"`metrics` {', '.join(unknown)}: there are only {', '.join(METRICS)} to ask for")
    if len(set(config.metrics)) < len(config.metrics):
        raise UsageError("one of `metrics` is named twice: name it once")
    config.engine.resolve(1, 0)  # a wrong engine option must not leave a folder behind
    if f"{true_place(config.out)}/".startswith(f"{true_place(config.source)}/"):
        raise UsageError(f"`out` {config.out} lies within the source and would become part of it: choose another")


def _chosen(codec: NamedCodec, config: EvaluateConfig) -> AbstractContextManager[ChosenCodec]:
    return chosen_codec(codec.name, config.storage_options, yardsticks=True)


def _anchor(asked: str | None, points: Sequence[OperatingPoint]) -> str:
    """The curve that a name means."""
    for point in points:
        if asked in (None, point.codec, point.curve):
            return point.curve
    names = dict.fromkeys(point.codec for point in points)
    raise UsageError(f"`anchor` {asked} is not among the codecs: {', '.join(names)}")


def _request(config: EvaluateConfig, points: Sequence[OperatingPoint], anchor: str, found: Survey) -> dict[str, Any]:
    """What evaluation.json records: whoever goes on must ask for the same."""
    return {
        "source": request_text(config.source),
        "include": list(map(request_text, config.include)),
        "exclude": list(map(request_text, config.exclude)),
        "codecs": list(map(request_text, named(points))),
        "models": {request_text(point.codec): point.reference for point in points if "@" in point.reference},
        "effort": config.effort,
        "anchor": request_text(anchor),
        "fidelity": config.fidelity,
        "tile": config.tile,
        "files": found.files,
        "images": found.fingerprint,
        # Folders of earlier releases know nothing of these.
        **({"max_error": config.max_error} if config.max_error else {}),
        **({"metrics": [*config.metrics]} if config.metrics else {}),
    }


def _measure(
    storage: Storage,
    config: EvaluateConfig,
    options: EvaluateOptions,
    found: Survey,
    report: EvaluateReport,
    *,
    networks: bool,
) -> pa.Table:
    """Map over the tasks that are not measured yet; the rows of all."""
    engine_config = config.engine.resolve(found.tasks, found.size)
    report.engine = engine_config.kind
    finished = folder.finished_tasks(storage)
    fingerprints: list[str] = []

    def unfinished() -> Iterator[EvaluateTask]:
        for task in tasks(options, found):
            fingerprints.append(task.fingerprint)
            if task.number in finished:
                report.resumed_tasks += 1
                meter.advance(bytes_in=task.source_bytes, images=len(task.items), found=True)
            else:
                yield task

    opened = time.monotonic()
    with (
        open_engine(
            *(engine_config, storage.location, found.tasks, found.size),
            networks=networks,
            on_crash=find_crashing_files,
        ) as engine,
        Meter("evaluate", found.size, quiet=config.quiet) as meter,
    ):
        started = time.monotonic()
        report.starting_s = round(started - opened, 3)
        for result in engine.map_shards(evaluate_images, unfinished(), meter):
            meter.advance(**vars(result))
    table = pa.concat_tables(
        folder.read_part(storage, options.seal, number, images, options.metrics)
        for number, images in enumerate(fingerprints)
    )
    report.measuring_s = round(time.monotonic() - started, 3)
    return table
