"""Find the files that crash a worker, so that a shard can keep them as bytes and go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tilepress.pipeline.collection import Collection
from tilepress.pipeline.commit import PressTask
from tilepress.pipeline.errors import TilepressError
from tilepress.pipeline.image_file import read_picture
from tilepress.pipeline.picture import Limits
from tilepress.pipeline.plan import PlannedFile

_REASON = "reading it crashed the worker process more than once"


def find_suspects(task: PressTask, survives: Callable[..., Any]) -> PressTask:
    """The task with every file marked that a worker does not survive reading; `survives(function, *args)` tries."""
    suspects = {
        file.image: _REASON
        for file in task.shard.additions
        if not survives(_read_once, task.source, file, task.settings.limits)
    }
    return replace(task, undecodable={**task.undecodable, **suspects})


def _read_once(source: str, file: PlannedFile, limits: Limits) -> None:
    try:
        with Collection.open(source).open_source(file.entry) as data:
            for _ in read_picture(data, limits, name=file.path).read_bands(512):
                pass
    except TilepressError:
        return
