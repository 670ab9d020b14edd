"""Find the files that crash a worker, so that a shard can keep them as bytes and go on."""

from __future__ import annotations

from dataclasses import replace

from tilepress.pipeline.archive.plan import Shard
from tilepress.pipeline.coding.codec_pool import Toolbox
from tilepress.pipeline.compress.commit import PressTask, build_part
from tilepress.pipeline.engine.engine import Survives
from tilepress.pipeline.storage.base import Storage

_REASON = "compressing it crashed the worker process, or took too long, every time"


def find_suspects(task: PressTask, survives: Survives) -> PressTask:
    """The task with every file marked that no worker survives compressing, each tried alone."""
    suspects = {
        file.image: _REASON
        for file in task.shard.additions
        if file.image not in task.undecodable
        and not survives(press_alone, replace(task, shard=Shard(task.number, (file,))))
    }
    return replace(task, undecodable={**task.undecodable, **suspects})


def press_alone(task: PressTask, archive: Storage, tools: Toolbox) -> None:
    """The stage: all the work on a shard, from reading to the check before commit, and nothing stored."""
    part, _ = build_part(task, tools)
    part.close()
