"""Checkpoints of a training on any storage: tensors as safetensors, everything else as JSON, no pickle.

checkpoints/00001200.safetensors    network, moving average, optimiser
checkpoints/00001200.json           step, seconds, log, SHA-256 of the tensors; written last: it makes the other count
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field

import safetensors
import safetensors.torch
import torch

from tilepress.pipeline.errors import AlreadyExists, IntegrityError, MissingError, StorageError
from tilepress.pipeline.storage.base import Storage

PLAN = "training.json"  # what the training was begun with
FOLDER = "checkpoints/"
_KEEP = 2
_MAX_BYTES = 8 << 30
_NAME = re.compile(r"checkpoints/([0-9]{8,12})\.json")


@dataclass
class TrainingState:
    """Where a training is, besides its tensors. `rows`: the log; `stopped_by` is "" until it is over."""

    step: int = 0
    seconds: float = 0.0
    best: float = float("inf")  # validation loss
    stale: int = 0  # validations since
    stopped_by: str = ""
    figures: dict[str, float] = field(default_factory=dict)  # of the last validation
    rows: list[dict[str, float]] = field(default_factory=list)


def save(storage: Storage, state: TrainingState, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write a checkpoint; older ones than the last two are removed."""
    stem = f"{FOLDER}{state.step:08d}"
    data = safetensors.torch.save(dict(tensors))
    facts = {**asdict(state), "best": None if state.best == float("inf") else state.best}
    facts["sha256"] = hashlib.sha256(data).hexdigest()
    for name, content in ((f"{stem}.safetensors", data), (f"{stem}.json", json.dumps(facts).encode())):
        replace_object(storage, name, content)
    for step in saved_steps(storage)[:-_KEEP]:
        remove(storage, step)


def saved_steps(storage: Storage) -> list[int]:
    """Return steps of which there is a checkpoint, ascending."""
    try:
        names = [_NAME.fullmatch(entry.name) for entry in storage.list(FOLDER)]
    except MissingError:
        return []
    return sorted(int(match[1]) for match in names if match)


def latest(storage: Storage) -> tuple[TrainingState, dict[str, torch.Tensor]] | None:
    """Return the newest checkpoint that is whole; None if there is none.

    A damaged one is passed over for the one before.
    """
    for step in reversed(saved_steps(storage)):
        with suppress(IntegrityError, MissingError):
            return load(storage, step)
    return None


def load(storage: Storage, step: int) -> tuple[TrainingState, dict[str, torch.Tensor]]:
    """Return one checkpoint. MissingError, IntegrityError."""
    stem = f"{FOLDER}{step:08d}"
    try:
        facts = json.loads(storage.read(f"{stem}.json"))
        if storage.size(f"{stem}.safetensors") > _MAX_BYTES:
            raise ValueError("larger than any checkpoint")
        data = storage.read(f"{stem}.safetensors")
        if hashlib.sha256(data).hexdigest() != facts.pop("sha256"):
            raise ValueError("its tensors are not the ones that were written")
        facts["best"] = float("inf") if facts["best"] is None else facts["best"]
        return TrainingState(**facts), safetensors.torch.load(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, safetensors.SafetensorError) as exc:
        raise IntegrityError(f"{storage.url}/{stem} is a damaged checkpoint: {exc}") from exc


def remove(storage: Storage, step: int) -> None:
    """Delete one checkpoint, the file that makes it count first."""
    for suffix in (".json", ".safetensors"):
        with suppress(MissingError):
            storage.remove(f"{FOLDER}{step:08d}{suffix}")


def remove_all(storage: Storage) -> None:
    """Delete every checkpoint of a training that is over, whole or not."""
    with suppress(StorageError):
        for entry in list(storage.list(FOLDER)):
            storage.remove(entry.name)


def replace_object(storage: Storage, name: str, content: bytes) -> None:
    """Write or overwrite one object."""
    try:
        storage.create(name, content)
    except AlreadyExists:
        storage.write(name, content, overwrite=True)
