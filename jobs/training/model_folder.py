"""A trained model's folder on any storage: what is there already, and how a finished one is written."""

from __future__ import annotations

import platform
import re

import numpy as np
import torch

import tilepress
from tilepress.codecs.model import Model
from tilepress.jobs.claim import Request, require_empty, require_same
from tilepress.pipeline.archive.models import MODEL_FILES
from tilepress.pipeline.errors import AlreadyExists
from tilepress.pipeline.storage.base import Storage


def finished(storage: Storage, request: Request) -> Model | None:
    """Return the model that is there already, if it was made by the same request; None if nothing is there.

    ResumeError where the model is another one, UsageError where other files are there. Weights may be left of an
    attempt that ended before the description.
    """
    if not storage.exists(MODEL_FILES[0]):
        require_empty(storage, "name a new folder for the model", but=MODEL_FILES)
        return None
    model = Model.from_bytes(storage.read(MODEL_FILES[0]), storage.read(MODEL_FILES[1]))
    require_same(
        {key: model.training.get(key) for key in request},
        request,
        holds=f"{storage.url} holds another model",
        advice="Models are immutable: choose a new folder",
    )
    return model


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
    """Return the versions that a training ran on, for its record."""
    return {
        "tilepress": tilepress.__version__,
        "torch": re.split(r"[+]", torch.__version__)[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }
