"""Find the images that crash a worker, and with which codec, so that the rest of their task can be measured."""

from __future__ import annotations

from dataclasses import replace

from tilepress.jobs.evaluation.images import EvaluateTask, task_rows
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.engine.engine import RunsAlone
from tilepress.pipeline.storage.base import Storage


def find_crashing_files(task: EvaluateTask, runs_alone: RunsAlone) -> EvaluateTask:
    """Return the task with every image marked that no worker survives, each tried alone, with one codec at a time."""
    found = set(task.crashing)
    for item in task.items:
        alone = replace(task, items=(item,))
        if runs_alone(measure_only, alone):
            continue
        for point in task.options.points:
            if not runs_alone(measure_only, replace(alone, options=replace(task.options, points=(point,)))):
                found.add((item.name, point))
    return replace(task, crashing=frozenset(found))


def measure_only(task: EvaluateTask, storage: Storage, pool: CodecPool) -> None:
    """Measure the images of a task (a stage), and commit nothing."""
    task_rows(task, pool)
