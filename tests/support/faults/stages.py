"""A stage that says which process is at work on which shard; it travels to Ray's workers by value."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tilepress.pipeline.compress.commit import encode_shard

AT_WORK = "at-work"  # folder beside the source, of files that are called SHARD-PROCESS


def noted(task: Any, archive: Any, pool: Any) -> Any:
    """encode_shard, with a note while it is under way."""
    note = Path(task.source).parent / AT_WORK / f"{task.number}-{os.getpid()}"
    note.touch()
    try:
        return encode_shard(task, archive, pool)
    finally:
        note.unlink()
