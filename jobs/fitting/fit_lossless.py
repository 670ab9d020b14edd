"""`tilepress fit-lossless`: the lossless codec fitted to archives of one kind, measured on images it did not see."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tilepress.codecs.lossless.levels import LEVELS
from tilepress.codecs.lossless.model import CODEC_ID, model_of, starts_of
from tilepress.codecs.lossless.network import WIDTHS
from tilepress.codecs.lossless.stack import StartState, plain_start
from tilepress.codecs.model import Model
from tilepress.jobs.cli.progress import LiveDisplay
from tilepress.jobs.codec_choice import chosen_codec
from tilepress.jobs.fitting.figures import Figure, figures_of
from tilepress.jobs.fitting.fit import ROWS, Fitted, fit_level, jpegxl_bytes, lossless_bytes
from tilepress.jobs.fitting.images import LEAST_HELD_OUT, Chosen, choose
from tilepress.jobs.fitting.network import Schedule
from tilepress.jobs.training.model_folder import finished, versions, write_model
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.base import open_storage
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

NONE = "none"
LEVEL_NAMES = tuple(level.name for level in LEVELS)
HIDDEN: Mapping[str, tuple[int, int] | None] = {"fast": None, "default": (32, 32), "max": (64, 32)}
Starts = dict[str, StartState]


@dataclass(frozen=True)
class FitConfig:
    """What `tilepress.fit_lossless` was asked for; its signature describes every field."""

    sources: tuple[str, ...]
    out: str
    images: int = 40
    held_out: int = 10
    levels: tuple[str, ...] = LEVEL_NAMES
    hidden: Mapping[str, tuple[int, int] | None] = field(default_factory=dict)
    epochs: float = 10.0
    minutes: float = 0.0
    start: str = CODEC_ID
    seed: int = 0
    gray_too: bool = False
    licence: str = "not stated"
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions

    def __post_init__(self) -> None:
        """UsageError for what could only fail later."""
        if not self.sources or not self.levels:
            raise UsageError("fit-lossless takes at least one source and one level")
        for name in (*self.levels, *self.hidden):
            if name not in LEVEL_NAMES:
                raise UsageError(f"there is no level {name!r}; there are: {', '.join(LEVEL_NAMES)}")
        for widths in filter(None, self.hidden.values()):
            if len(widths) != 2 or any(width not in WIDTHS for width in widths):
                raise UsageError(f"a network has two hidden layers, {WIDTHS[0]} to {WIDTHS[-1]} wide, not {widths}")
        if self.images < LEAST_HELD_OUT or self.held_out < LEAST_HELD_OUT:
            raise UsageError(f"fit-lossless fits to {LEAST_HELD_OUT} images at least and holds out as many")
        if unused := sorted(set(self.hidden) - set(self.levels)):
            raise UsageError(f"a network for level {unused[0]} would have no effect: it is not one of those to fit")
        if not (0 < self.epochs < math.inf and 0 <= self.minutes < math.inf and self.seed >= 0):
            raise UsageError("epochs must be above 0, minutes and seed at least 0, and all finite")


@dataclass
class FitReport:
    """What came of it. `kept`: levels whose starting weights were better on the held-out images, and stayed."""

    out: str
    sha256: str = ""
    model_bytes: int = 0
    written: bool = False  # False where the model was there already
    start: str = ""  # name of the starting model, or "none"
    fitted_images: int = 0
    held_out_images: int = 0
    seconds: float = 0.0
    figures: list[dict[str, Any]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: there is a model."""
        return 0


class FitMeter(LiveDisplay):
    """Which step of how many it is at."""

    def __init__(self, steps: int, *, quiet: bool) -> None:
        super().__init__("fit-lossless", quiet=quiet)
        self._step, self._steps, self._doing = -1, steps, ""

    def tell(self, doing: str) -> None:
        """A step begins."""
        self._step, self._doing = self._step + 1, doing
        self._show(self._step / self._steps)

    def _figures(self) -> dict[str, Any]:
        return {"doing": self._doing, "step": self._step, "steps": self._steps}

    def _facts(self) -> list[str]:
        return [f"{100 * self._share:.0f} %", self._doing]


def run_fit(config: FitConfig) -> FitReport:
    """Fit a model to images, measure it, write it at the end, and return the report."""
    began = time.monotonic()
    options = StorageOptions(config.storage_options)
    storage = open_storage(config.out, options)
    report = FitReport(config.out)
    report.start, priors = starting(config.start, options)
    with FitMeter(2 + 4 * len(config.levels), quiet=config.quiet) as meter:
        meter.tell("choosing images")
        sources = [
            Source(url, config.include, config.exclude, storage_options=options).absolute() for url in config.sources
        ]
        chosen = choose(sources, config.images, config.held_out, config.seed, gray_too=config.gray_too)
        report.fitted_images, report.held_out_images = _count(chosen.fitted), _count(chosen.held_out)
        report.skipped = chosen.skipped
        request = {**_request(config), "start": report.start, "data": chosen.fingerprint}
        model = finished(storage, request)
        report.written = model is None
        if model is None:
            model = _fitted_model(config, report, priors, chosen, request, meter.tell, began)
            write_model(storage, model)
    return _reported(report, model)


def starting(name: str, storage_options: Mapping[str, Any] | None = None) -> tuple[str, Starts]:
    """Return the SHA-256 of the model to go on from, and its priors by level; ("none", plain ones) for "none"."""
    if name == NONE:
        return NONE, dict.fromkeys(LEVEL_NAMES, plain_start())
    with chosen_codec(name, storage_options) as choice:
        if choice.codec.codec_id != CODEC_ID or choice.model_folder is None:
            raise UsageError(f"`start` {name}: not a model of codec {CODEC_ID}, but of {choice.codec.codec_id}")
        model = Model.load(choice.model_folder)
        priors = starts_of(model)
    return model.name, {level.name: priors[level.code] for level in LEVELS}


def _fitted_model(
    config: FitConfig,
    report: FitReport,
    start: Starts,
    chosen: Chosen,
    request: Mapping[str, Any],
    tell: Callable[[str], None],
    began: float,
) -> Model:
    """Fit and measure level by level; a level that did not gain keeps its start."""
    tell("JPEG XL")
    jpegxl = jpegxl_bytes(chosen.held_out)
    schedule = _schedule(config, start)
    priors, learned, figures = dict(start), {}, []
    for level in (level for level in LEVELS if level.name in config.levels):
        fitted = fit_level(level, _hidden(config, level.name, start), start[level.name], chosen.fitted, schedule, tell)
        tell(f"{level.name}: measuring on {len(chosen.held_out)} held-out images")
        before = lossless_bytes(chosen.held_out, level, start)
        after = lossless_bytes(chosen.held_out, level, {**start, level.name: fitted.prior})
        figures += figures_of(level.name, chosen.held_out, jpegxl, before, after)
        if sum(after) < sum(before):
            priors[level.name] = fitted.prior
        learned[level.name] = _learned(fitted, kept=sum(after) >= sum(before))
    record = _record(report, request, learned, figures, time.monotonic() - began)
    return model_of(priors, record, config.licence)


def _hidden(config: FitConfig, level: str, start: Starts) -> tuple[int, int] | None:
    network = start[level].network
    usual = (network.layers[1].size, network.layers[3].size) if network else HIDDEN[level]
    return config.hidden.get(level, usual)


def _schedule(config: FitConfig, start: Starts) -> Schedule:
    """The levels with a network share the time."""
    trained = sum(_hidden(config, name, start) is not None for name in config.levels)
    return Schedule(config.epochs, 60 * config.minutes / max(1, trained), config.seed)


def _request(config: FitConfig) -> dict[str, Any]:
    """What decides the model, but the data; as JSON gives it back."""
    return {
        "command": "fit-lossless",
        "images": config.images,
        "held_out": config.held_out,
        "levels": list(config.levels),
        "hidden": {name: list(widths) if widths else [] for name, widths in config.hidden.items()},
        "epochs": config.epochs,
        "minutes": config.minutes,
        "seed": config.seed,
        "gray_too": config.gray_too,
        "rows": ROWS,
    }


def _learned(fitted: Fitted, *, kept: bool) -> dict[str, Any]:
    return {"rows": fitted.rows, "mixing": "learned" if fitted.mixing else "as before", "kept_start": kept}


def _record(
    report: FitReport,
    request: Mapping[str, Any],
    learned: Mapping[str, Any],
    figures: list[Figure],
    seconds: float,
) -> dict[str, Any]:
    """What model.json says of the fitting; no name or path of the source."""
    return {
        **request,
        "fitted_images": report.fitted_images,
        "held_out_images": report.held_out_images,
        "skipped_files": len(report.skipped),
        "learned": dict(learned),
        "figures": [figure.to_json() for figure in figures],
        "seconds": round(seconds, 1),
        "versions": versions(),
    }


def _count(windows: list[Any]) -> int:
    return sum(not window.gray for window in windows)


def _reported(report: FitReport, model: Model) -> FitReport:
    report.sha256, report.model_bytes = model.name, sum(map(len, model.to_bytes()))
    report.figures = list(model.training["figures"])
    report.kept = [name for name, facts in model.training["learned"].items() if facts["kept_start"]]
    report.seconds = model.training["seconds"]
    return report
