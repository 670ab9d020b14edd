"""Find the files that crash a worker, so that a shard can store them verbatim and go on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from tilepress.pipeline.archive.plan import Shard
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.compress.commit import EncodeTask, build_part
from tilepress.pipeline.engine.engine import RunsAlone
from tilepress.pipeline.monitoring.lines import tell
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.tally import TALLY

logger = logging.getLogger(__name__)

_REASON = "compressing it crashed the worker process, or took too long, every time"


def find_crashing_files(
    task: EncodeTask, runs_alone: RunsAlone, on_found: Callable[[str, str], None] = lambda name, reason: None
) -> EncodeTask:
    """Return the task with every file marked that no worker survives compressing, each tried alone.

    `on_found` is told the name of each, and the reason with which it is stored verbatim.
    """
    crashing = {
        file.image: _REASON
        for file in task.shard.additions
        if file.image not in task.quarantined
        and not runs_alone(encode_alone, replace(task, shard=Shard(task.number, (file,))))
    }
    TALLY.add(quarantined=len(crashing))
    names = [file.entry.name for file in task.shard.additions if file.image in crashing]
    told = f"shard {task.number}: {len(names)} files crash workers, and are stored verbatim"
    tell(logger, "files_quarantined", told, severity="error", files=names)
    for name in names:
        on_found(name, _REASON)
    return replace(task, quarantined={**task.quarantined, **crashing})


def encode_alone(task: EncodeTask, archive: Storage, pool: CodecPool) -> None:
    """Do all the work on a shard (a stage), from reading to the check before commit, and store nothing."""
    part, _ = build_part(task, archive, pool)
    part.close()
