"""The loop that every training worker runs, in this process or on Ray: learn, log, validate, save, stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from tilepress.jobs.recipes.options import Options
from tilepress.jobs.training.checkpoints import TrainingState
from tilepress.jobs.training.figures import Figures, Row
from tilepress.jobs.training.learner import Learner, learning_rate
from tilepress.pipeline.errors import UsageError

_LOG_EVERY = 20  # steps
_VALIDATION_SHARE = 0.5  # time of a crop when validating, of what it takes when learning
_LEAST_GAIN = 1e-3  # of the validation loss, for a validation to count as better


@dataclass
class Hooks:
    """What the loop needs of the world around it. `agree`: rank 0's values, at every rank.

    `began`: the time (time.time()) at which a command that had done nothing before would have begun, so that `minutes`
    counts all of it; None: the loop's own time. `reserve_s`: seconds that the command takes after the loop.
    `validation` gives the held-out crops anew at every call; `post` and `save` are only called at rank 0.
    """

    validation: Callable[[], Iterator[torch.Tensor]]
    post: Callable[[Row], None]
    save: Callable[[TrainingState], None]
    agree: Callable[[list[float]], list[float]] = lambda values: values
    rank: int = 0
    world: int = 1
    began: float | None = None
    reserve_s: float = 0.0


def run(
    learner: Learner, state: TrainingState, batches: Iterator[torch.Tensor], epoch_pixels: float, hooks: Hooks
) -> TrainingState:
    """Train until something stops it, and return the state then.

    Args:
        learner: The network and its optimiser.
        state: Where to begin: of a new training, or of a checkpoint.
        batches: Crops (n, side, side, c) uint8, without end.
        epoch_pixels: Pixels of the data set, which make an epoch.
        hooks: Validation data, and who hears of rows and checkpoints.
    """
    options = learner.options
    clock = _Clock(state.seconds if hooks.began is None else max(state.seconds, time.time() - hooks.began))
    recent = Figures(learner.device)
    while not state.stopped_by:
        stop = float(_stop_code(options, state, clock, hooks))
        share, over = hooks.agree([_share(options, state, clock, hooks), stop])
        if over:
            state.stopped_by = STOPS[int(over)]
            break
        crops = next(batches, None)
        if crops is None:
            raise UsageError("the data set has no more images to train on")
        figures = learner.learn(crops, state.step, share, hooks.rank)
        state.step += 1
        clock.steps += 1
        recent.add(state.step, figures)
        if _looks_up(options, state.step):
            recent.fetch()
        if state.step % _log_every(options) == 0:
            row = _row(recent.taken(), state, clock, options, share)
            row["images_per_s"] *= hooks.world
            row["epoch"] = state.step * hooks.world * options.batch_size * options.crop**2 / epoch_pixels
            _log(hooks, state, row)
        _validate_and_save(learner, state, hooks, clock)
    recent.fetch()
    if hooks.rank == 0:
        _finish(learner, state, hooks, clock)
    return state


STOPS = ("", "steps", "minutes", "plateau", "mse")


def _stop_code(options: Options, state: TrainingState, clock: _Clock, hooks: Hooks) -> int:
    if state.step >= options.steps:
        return 1
    if options.minutes and state.step and clock.seconds + _after_s(options, clock, hooks) >= 60 * options.minutes:
        return 2
    if options.patience and state.stale >= options.patience:
        return 3
    return 4 if state.figures.get("mse", math.inf) < options.stop_mse else 0


def _after_s(options: Options, clock: _Clock, hooks: Hooks) -> float:
    """Seconds of the command after the last step: a validation, estimated by steps until there was one, and export."""
    if hooks.rank:  # rank 0 decides
        return 0.0
    validation_s = clock.validation_s
    if validation_s is None:
        steps = sum(map(len, hooks.validation())) / options.batch_size
        validation_s = _VALIDATION_SHARE * steps * clock.step_s
    return validation_s + hooks.reserve_s


def _share(options: Options, state: TrainingState, clock: _Clock, hooks: Hooks) -> float:
    by_time = 0.0
    if options.minutes:
        by_time = clock.seconds / max(1e-9, 60 * options.minutes - _after_s(options, clock, hooks))
    return min(1.0, max(by_time, state.step / max(1, options.steps)))


def _validate_and_save(learner: Learner, state: TrainingState, hooks: Hooks, clock: _Clock) -> None:
    if hooks.rank:
        return
    options = learner.options
    if state.step % options.validate_every == 0:
        _validate(learner, state, hooks, clock)
    if state.step % options.checkpoint_every == 0 and state.step < options.steps:
        state.seconds = clock.seconds
        hooks.save(state)


def _validate(learner: Learner, state: TrainingState, hooks: Hooks, clock: _Clock) -> None:
    began = time.monotonic()
    state.figures = learner.validate(hooks.validation())
    clock.validation_s = time.monotonic() - began
    better = state.figures["loss"] < state.best * (1 - math.copysign(_LEAST_GAIN, state.best))
    state.stale = 0 if better or math.isinf(state.best) else state.stale + 1
    state.best = min(state.best, state.figures["loss"])
    row = {"step": float(state.step), **{f"val_{name}": value for name, value in state.figures.items()}}
    row["val_psnr"] = psnr(state.figures["mse"])
    _log(hooks, state, row)


def _finish(learner: Learner, state: TrainingState, hooks: Hooks, clock: _Clock) -> None:
    if not any(row["step"] == state.step and "val_mse" in row for row in state.rows):
        _validate(learner, state, hooks, clock)
    state.seconds = clock.seconds
    hooks.save(state)


def _log(hooks: Hooks, state: TrainingState, row: Row) -> None:
    if hooks.rank == 0:
        state.rows.append(row)
        hooks.post(row)


def _row(recent: list[Row], state: TrainingState, clock: _Clock, options: Options, share: float) -> Row:
    row = {name: sum(figures[name] for figures in recent) / len(recent) for name in recent[0]}
    lap = clock.lap()
    return {
        "step": float(state.step),
        "seconds": clock.seconds,
        **row,
        "psnr": psnr(row["mse"]),
        "lr": learning_rate(options, state.step, share),
        "images_per_s": len(recent) * options.batch_size / max(lap, 1e-9),
    }


def psnr(mse: float) -> float:
    """Return dB of a mean squared error at full scale 1."""
    return -10 * math.log10(max(mse, 1e-12))


def _log_every(options: Options) -> int:
    return max(1, min(_LOG_EVERY, options.steps // 20))


def _looks_up(options: Options, step: int) -> bool:
    """Whether figures are looked at after a step: for the log, and before anything is validated or saved."""
    return any(step % every == 0 for every in (_log_every(options), options.validate_every, options.checkpoint_every))


class _Clock:
    """Seconds of training, those before a restart included."""

    def __init__(self, before: float) -> None:
        self._before = before
        self.steps = 0  # of this loop
        self.validation_s: float | None = None  # how long the last one took
        self._started = self._lap = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._started

    @property
    def step_s(self) -> float:
        """Seconds a step, of this loop."""
        return (time.monotonic() - self._started) / max(1, self.steps)

    def lap(self) -> float:
        """Return seconds since the last lap."""
        last, self._lap = self._lap, time.monotonic()
        return self._lap - last
