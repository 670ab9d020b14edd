"""Find the images that crash a worker, and with which codec, so that the rest of their task can be measured."""

from __future__ import annotations

from dataclasses import replace

from tilepress.jobs.evaluation.images import EvaluateTask, task_rows
from tilepress.pipeline.coding.codec_pool import Toolbox
from tilepress.pipeline.engine.engine import Survives
from tilepress.pipeline.storage.base import Storage


def find_suspects(task: EvaluateTask, survives: Survives) -> EvaluateTask:
    """The task with every image marked that no worker survives, each tried alone, with one codec at a time."""
    found = set(task.suspects)
    for item in task.items:
        alone = replace(task, items=(item,))
        if survives(measure_only, alone):
            continue
        for point in task.options.points:
            if not survives(measure_only, replace(alone, options=replace(task.options, points=(point,)))):
                found.add((item.name, point))
    return replace(task, suspects=frozenset(found))


def measure_only(task: EvaluateTask, storage: Storage, tools: Toolbox) -> None:
    """The stage without its commit."""
    task_rows(task, tools)
