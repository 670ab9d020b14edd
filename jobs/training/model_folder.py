"""A trained model's folder on any storage: what is there already, and how a finished one is written."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch

import tilepress
from tilepress.codecs.model import Model
from tilepress.pipeline.archive.layout import MODEL_FILES
from tilepress.pipeline.errors import AlreadyExists, MissingError, UsageError
from tilepress.pipeline.storage.base import Storage


def finished(storage: Storage, asked: Mapping[str, Any]) -> Model | None:
    """The model that is there already, if it was made as `asked`; UsageError if anything else is."""
    if not storage.exists(MODEL_FILES[0]):
        _require_empty(storage)
        return None
    model = Model.from_bytes(storage.read(MODEL_FILES[0]), storage.read(MODEL_FILES[1]))
    if {key: model.training.get(key) for key in asked} != asked:
        raise UsageError(f"{storage.url} holds another model; models are immutable, choose a new folder")
    return model


def _require_empty(storage: Storage) -> None:
    with suppress(MissingError):
        for entry in storage.list():
            if entry.name not in MODEL_FILES:  # weights may be left of an attempt that ended before the description
                raise UsageError(
                    f"{storage.url} holds other files, such as {entry.name}: name a new folder for the model"
                )


def write_model(storage: Storage, model: Model) -> None:
    """The description last: it makes the folder a model."""
    description, weights = model.to_bytes()
    for name, content in ((MODEL_FILES[1], weights), (MODEL_FILES[0], description)):
        try:
            storage.create(name, content)
        except AlreadyExists:  # of an attempt that ended between the two
            storage.write(name, content, overwrite=True)
    storage.flush()


def versions() -> dict[str, str]:
    """What a training ran on, for its record."""
    return {
        "tilepress": tilepress.__version__,
        "torch": re.split(r"[+]", torch.__version__)[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }
