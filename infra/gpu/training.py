"""The trainings of trainings.yaml, one after another, in slices: `tilepress train` is stopped and goes on later."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tilepress.codecs.model import JSON_NAME

MODELS, LOGS = "models", "logs"
_LEAST_S = 20.0  # of a slice: starting takes some of it
_END_S = 30.0  # that a training has to end in, once asked
_TAIL = 1500


@dataclass(frozen=True)
class Training:
    """A model to be: `name`, the recipe it comes from and what is changed in it."""

    name: str
    recipe: str
    overrides: tuple[str, ...] = field(default=())


def read_list(path: Path, more: Sequence[str] = ()) -> list[Training]:
    """The trainings of a YAML, a list of name, recipe, overrides, each with `more`. ValueError if it is none."""
    try:
        entries = yaml.safe_load(path.read_text())
        found = [Training(each["name"], each["recipe"], (*each.get("overrides", ()), *more)) for each in entries]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"{path} is not a list of trainings with name, recipe and overrides: {exc}") from exc
    if len({training.name for training in found}) != len(found):
        raise ValueError(f"{path} names a training twice")
    return found


def slice_of(
    trainings: list[Training], photos: Path, work: Path, licence: str, device: str, deadline: float
) -> dict[str, dict[str, Any]]:
    """Train until `deadline` (time.monotonic); what became of each: finished, stopped, failed or waiting."""
    outcomes = {}
    for training in trainings:
        model = work / MODELS / training.name
        if (model / JSON_NAME).is_file():
            outcomes[training.name] = {"state": "finished", **_figures(model)}
        elif deadline - time.monotonic() < _LEAST_S:
            outcomes[training.name] = {"state": "waiting", **_reached(model)}
        else:
            outcomes[training.name] = _train(training, photos, model, work, licence, device, deadline)
    return outcomes


def _train(
    training: Training, photos: Path, model: Path, work: Path, licence: str, device: str, deadline: float
) -> dict[str, Any]:
    log = work / LOGS / f"{training.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tilepress", "train", training.recipe, *training.overrides]
    command += [f"licence={json.dumps(licence)}", "--data", str(photos), "--out", str(model), "--engine", "local"]
    command += [] if device == "cuda" else ["--gpus-per-actor", "0"]
    started = time.monotonic()
    with log.open("ab") as out:
        code = run_until(command, out, deadline, work)
    facts = {"seconds": round(time.monotonic() - started, 1), "log": _tail(log)}
    if (model / JSON_NAME).is_file():
        return {"state": "finished", **facts, **_figures(model)}
    state = "stopped" if code in (143, -signal.SIGTERM, -signal.SIGKILL) else f"failed ({code})"
    return {"state": state, **facts, **_reached(model)}


def run_until(command: list[str], out: Any, deadline: float, folder: Path) -> int:
    """Exit code of a command that is asked to end at the deadline, and made to if it does not.

    It runs in `folder`: in the repository's, its folder `codecs` would be found where Python's own module is meant.
    """
    process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=folder)
    try:
        return process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        return process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _figures(model: Path) -> dict[str, Any]:
    record = json.loads((model / JSON_NAME).read_text())
    training = record["training"]
    kept = ("trained_steps", "trained_minutes", "stopped_by", "final")
    return {"sha256": record["sha256"], **{name: training.get(name) for name in kept}}


def _reached(model: Path) -> dict[str, Any]:
    steps = sorted(path.stem for path in Path(f"{model}.training", "checkpoints").glob("*.json"))
    return {"step": int(steps[-1]) if steps else 0}


def _tail(log: Path) -> str:
    return log.read_bytes()[-_TAIL:].decode(errors="replace")
