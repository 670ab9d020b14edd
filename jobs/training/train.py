"""`tilepress train`: a recipe and a data set become a model folder that `compress --codec MODEL` takes."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from tilepress.codecs.errors import CodecError
from tilepress.codecs.model import Model
from tilepress.codecs.registry import load_codec
from tilepress.jobs.claim import Request, is_first, recorded_in, require_same
from tilepress.jobs.codec_choice import chosen_codec
from tilepress.jobs.recipes.recipe import TrainingPlan, load_plan
from tilepress.jobs.training import records
from tilepress.jobs.training.checkpoints import PLAN, TrainingState, latest, remove_all, save
from tilepress.jobs.training.device import fast_convolutions
from tilepress.jobs.training.display import TrainMeter
from tilepress.jobs.training.feeding import Feed, batches, export_tiles, initial_crops, validation_batches
from tilepress.jobs.training.figures import Row
from tilepress.jobs.training.learner import Learner
from tilepress.jobs.training.loop import Hooks, psnr, run
from tilepress.jobs.training.model_folder import finished, versions, write_model
from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.errors import EngineError, TilepressError, UsageError
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.sources.crops import split
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.base import Storage, absolute, is_url, open_storage
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

_EXPORT_ONLY = ("licence", "export_tiles")  # may be set right after a training that could not be exported
_HOW = ("feed", "compile")  # of a training that is the same: may change from sitting to sitting
_EXPORT_COUNTS_BELOW = 10.0  # minutes
_MAX_PIXELS = 1 << 28  # an image is held whole


@dataclass(frozen=True)
class TrainConfig:
    """What `tilepress.train` was asked for; its signature describes every field."""

    recipe: str
    data: str
    out: str
    overrides: Sequence[str] = ()
    start: str | None = None
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    preview: bool = False
    engine: EngineConfig = field(default_factory=EngineConfig)
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass
class TrainReport:
    """What came of it. `figures` are of the held-out images, before quantisation and entropy coding."""

    out: str
    codec: str
    sha256: str = ""
    model_bytes: int = 0
    trained: bool = False  # False where the model was there already
    resumed_at: int = 0  # step
    steps: int = 0
    seconds: float = 0.0
    stopped_by: str = ""
    engine: str = ""
    workers: int = 1
    images: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    unusable: list[tuple[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: there is a model."""
        return 0


def run_train(config: TrainConfig) -> TrainReport:
    """Begin a training, go on from its last checkpoint, or find it done; return its report."""
    began = time.time()
    plan = _plan(config)
    with TrainMeter(plan.name, plan.options, quiet=config.quiet) as meter:
        return _train(config, plan, meter, began)


def _plan(config: TrainConfig) -> TrainingPlan:
    """The recipe, and the model to begin with; UsageError if they do not go together."""
    plan = load_plan(config.recipe, config.overrides)
    if config.start is None:
        return plan
    with chosen_codec(config.start, config.storage_options) as chosen:
        if chosen.model_folder is None:
            raise UsageError(f"{config.start} has no weights to begin with: name a model")
        model = Model.load(chosen.model_folder)
    plan.recipe().require_start(model)
    return replace(plan, start=model)


def _train(config: TrainConfig, plan: TrainingPlan, meter: TrainMeter, began: float) -> TrainReport:
    meter.doing("choosing images")
    feed = _feed(config, plan)
    report = TrainReport(config.out, plan.family, images=len(feed.split.train), engine=_engine(config.engine))
    report.unusable = list(feed.split.unusable)
    request = {key: value for key, value in plan.to_json().items() if key not in _HOW}
    request["data"] = feed.split.fingerprint
    storage = open_storage(config.out, config.storage_options)
    if _finished(storage, request, report):
        return report
    work = open_storage(absolute(config.out.rstrip("/") + ".training"), config.storage_options)
    _claim(work, request)
    state, learner = _trained(config, plan, feed, work, report, meter, began)
    meter.doing("exporting")
    model = _export(learner, feed, _record(plan, feed, state, report))
    records.write_log(work, state.rows)
    records.write_curves(work, state.rows, f"{plan.name}, {plan.family}")
    write_model(storage, model)  # last: it says that all is done
    remove_all(work)
    return _reported(report, state, model)


def _engine(config: EngineConfig) -> str:
    """`auto`: Ray where several workers or a cluster are asked for, else this process."""
    config.resolve(1, 0)
    if config.kind != "auto":
        return config.kind
    return "ray" if config.ray_address or (config.workers or 1) > 1 else "local"


def _feed(config: TrainConfig, plan: TrainingPlan) -> Feed:
    limits, options = Limits(_MAX_PIXELS), StorageOptions(config.storage_options)
    source = Source(config.data, config.include, config.exclude, config.preview, limits, options).absolute()
    divided = split(source.open(), plan.options.validation, plan.options.images)
    return Feed(source, divided, plan.options, plan.recipe().channels)


def _finished(storage: Storage, request: Request, report: TrainReport) -> bool:
    """Whether the model is there already; UsageError if it is another one."""
    model = finished(storage, request)
    if model is None:
        return False
    report.sha256 = model.name
    report.figures = dict(model.training.get("final", {}))
    return True


def _claim(work: Storage, request: Request) -> None:
    """Begin a training, or go on with one that was begun by the same request; ResumeError if by another one."""
    request = {key: value for key, value in request.items() if key not in _EXPORT_ONLY}
    record = {**request, "id": uuid.uuid4().hex}  # by which workers know this training from one that was begun anew
    if is_first(work, PLAN, json.dumps(record, indent=1, sort_keys=True).encode() + b"\n"):
        return
    require_same(
        recorded_in(work, PLAN, but=["id"]),
        request,
        holds=f"{work.url} holds an unfinished training with other settings",
        advice="Finish it with the same command as before, choose another `out`, or remove that folder",
    )


def _trained(
    config: TrainConfig,
    plan: TrainingPlan,
    feed: Feed,
    work: Storage,
    report: TrainReport,
    meter: TrainMeter,
    began: float,
) -> tuple[TrainingState, Learner]:
    """The state at the end of the training, and the network."""
    found = latest(work)
    report.resumed_at = found[0].step if found else 0
    if not (found and found[0].stopped_by):
        meter.doing("starting")
        events = records.Events(work, report.resumed_at)

        def post(row: Row) -> None:
            events.add(row)
            meter.show(row)

        try:
            for row in found[0].rows if found and is_url(work.url) else ():
                events.add(row)  # what was uploaded before is replaced
            budget = began - (found[0].seconds if found else 0.0), _export_s(plan, feed)
            _train_on(config, plan, feed, work, report, post, budget)
        finally:
            events.close()
        found = latest(work)
    if not found:
        raise EngineError(f"training ended without a checkpoint in {work.url}: do the workers see that folder?")
    learner = Learner(plan)
    learner.restore(found[1])
    return found[0], learner


def _train_on(
    config: TrainConfig,
    plan: TrainingPlan,
    feed: Feed,
    work: Storage,
    report: TrainReport,
    post: Callable[[Row], None],
    budget: tuple[float, float],
) -> None:
    """Train to the last checkpoint; `budget`: `began` and `reserve_s` of Hooks."""
    if report.engine == "ray":
        from tilepress.jobs.training.on_ray import train_on_ray

        report.workers = train_on_ray(plan, feed, work.location, report.resumed_at, config.engine, post, *budget)
        return
    learner, state = Learner(plan, _device(config.engine)), TrainingState()
    found = latest(work)
    if found:
        state, tensors = found
        learner.restore(tensors)
    else:
        learner.initialise(initial_crops(feed))
    validation = [batch.to(learner.device) for batch in validation_batches(feed)]
    began, reserve_s = budget
    hooks = Hooks(
        lambda: iter(validation),
        post,
        lambda reached: save(work, reached, learner.tensors()),
        began=began,
        reserve_s=reserve_s,
    )
    with fast_convolutions(learner.device), closing(batches(feed, state.step, learner.device)) as crops:
        run(learner, state, crops, feed.split.pixels, hooks)


def _export_s(plan: TrainingPlan, feed: Feed) -> float:
    """Seconds that an export takes, by exporting the untrained network: where `minutes` is so short that it counts.

    The time is that of a second export: the first, of a single tile, loads whatever is loaded once.
    """
    if not 0 < plan.options.minutes < _EXPORT_COUNTS_BELOW:
        return 0.0
    learner = Learner(plan)
    learner.begin_average()
    for each in (replace(feed, options=replace(feed.options, export_tiles=1)), feed):
        began = time.monotonic()
        with suppress(TilepressError, ValueError, ArithmeticError, RuntimeError):  # a refusal takes its time, too
            _export(learner, each, plan.to_json())
    return time.monotonic() - began


def _device(config: EngineConfig) -> str:
    return "cuda" if config.gpus_per_actor and torch.cuda.is_available() else "cpu"


def _record(plan: TrainingPlan, feed: Feed, state: TrainingState, report: TrainReport) -> dict[str, Any]:
    """What model.json says of the training."""
    final = {**state.figures, "psnr": psnr(state.figures["mse"])}
    return {
        **plan.to_json(),
        "data": feed.split.fingerprint,
        "trained_images": len(feed.split.train),
        "held_out_images": len(feed.split.validation),
        "preview": feed.source.preview,
        "trained_steps": state.step,
        "trained_minutes": round(state.seconds / 60, 2),
        "stopped_by": state.stopped_by,
        "engine": report.engine,
        "workers": report.workers,
        "versions": versions(),
        "final": {name: float(np.float32(value)) for name, value in final.items()},
    }


def _export(learner: Learner, feed: Feed, record: Mapping[str, Any]) -> Model:
    learner.network.cpu()
    try:
        with learner.exported() as network, torch.no_grad():
            model = learner.recipe.export(network, export_tiles(feed), record, feed.options.licence)
        load_codec(model.codec_id, model)  # proves that it decodes exactly
    except CodecError as exc:
        raise UsageError(f"the trained network cannot be exported: {exc}") from exc
    return model


def _reported(report: TrainReport, state: TrainingState, model: Model) -> TrainReport:
    report.trained, report.sha256 = True, model.name
    report.model_bytes = sum(map(len, model.to_bytes()))
    report.steps, report.seconds, report.stopped_by = state.step, round(state.seconds, 1), state.stopped_by
    report.figures = dict(model.training.get("final", {}))
    return report
