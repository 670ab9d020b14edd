"""How much memory a shard is declared to need, and how much this machine lends out at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

BASE_BYTES = 600 << 20  # interpreter, libraries, two windows of tiles, a part under construction
_SHARE = 0.7  # of the machine, for shards that run side by side
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Sized(Protocol):
    """Something that declares its size."""

    @property
    def bytes(self) -> int:
        """Bytes it reads."""


def declared_bytes(task: Sized) -> int:
    """Memory that a task is admitted for: the file and its pixels, which are seldom much larger than twice that."""
    return BASE_BYTES + 2 * task.bytes


def budget() -> int:
    """Return bytes that this machine, or the container that this process is in, lends to shards."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for name in _CGROUP_LIMITS:
        try:
            limits.append(int(Path(name).read_text()))
        except (OSError, ValueError):  # no cgroups here, or "max"
            continue
    return int(_SHARE * min(limits))
