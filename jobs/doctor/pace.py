"""How fast a storage answers and carries, and whether its clock is this machine's: figures, by which nothing fails."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial

from tilepress.jobs.doctor.checks import LOOK, NOT_APPLICABLE, OK, Finding
from tilepress.jobs.doctor.scratch import Scratch

_SMALL, _SMALL_OBJECTS = 4096, 20
_LARGE = 16_000_000  # bytes
_SKEW_S = 60.0  # beyond it ages of unfinished work, which are told in days, are still right; S3 refuses at 900


def pace(scratch: Scratch) -> Finding:
    """Time small objects, written and read one after the other, and a large one."""
    storage, content = scratch.storage, os.urandom(_LARGE)  # which nobody compresses on the way
    names = [scratch.new(f"pace-{number}") for number in range(_SMALL_OBJECTS)]
    writes = [_seconds(partial(storage.create, name, content[:_SMALL])) for name in names]
    reads = [_seconds(partial(storage.read, name)) for name in names]
    large = scratch.new("pace-large")
    write, read = _seconds(lambda: storage.create(large, content)), _seconds(lambda: storage.read(large))
    figures = {
        "write_ms": 1e3 * statistics.median(writes),
        "read_ms": 1e3 * statistics.median(reads),
        "write_mb_per_s": _LARGE / 1e6 / write,
        "read_mb_per_s": _LARGE / 1e6 / read,
    }
    text = (
        f"4 KiB: written in {figures['write_ms']:.1f} ms, read in {figures['read_ms']:.1f} ms (medians of "
        f"{_SMALL_OBJECTS}); 16 MB: written at {figures['write_mb_per_s']:.0f} MB/s, read at "
        f"{figures['read_mb_per_s']:.0f} MB/s"
    )
    return Finding(OK, text, figures)


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def clock(scratch: Scratch) -> Finding:
    """Compare the time that the storage gives a new object with this machine's."""
    name, began = scratch.new("clock"), time.time()
    scratch.storage.create(name, b"now")
    ended, dated = time.time(), scratch.storage.stat(name).modified_ns
    if not dated:
        return Finding(NOT_APPLICABLE, "objects have no times here")
    skew = max(0.0, began - 1 - dated / 1e9, dated / 1e9 - ended - 1)  # servers tell whole seconds
    figures = {"skew_s": skew}
    if skew > _SKEW_S:
        return Finding(LOOK, f"the storage's clock is {skew:,.0f} s off this machine's: set both by NTP", figures)
    return Finding(OK, f"the storage's clock is this machine's{f' within {skew:.0f} s' if skew >= 1 else ''}", figures)
