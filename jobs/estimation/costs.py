"""What a projected run needs of a machine, and what it costs and saves."""

from __future__ import annotations

import math

from tilepress.jobs.estimation.projection import Interval
from tilepress.jobs.estimation.report import Payback
from tilepress.pipeline.engine.memory import BASE_BYTES

_SPOOLED_FROM = 64 << 20  # bytes of a shard's payloads and part, which lie in memory up to there
_FETCHED_FROM = 256 << 20  # bytes of an object, which is read by way of a local file from there on
_TB = 1e12


def memory_bytes(workers: int, shard_bytes: int) -> int:
    """Return what so many shards at a time are admitted for (pipeline/engine/memory.py); fewer are where there is less.

    Args:
        workers: Shards at a time.
        shard_bytes: Of source files, of the largest shard.
    """
    return workers * (BASE_BYTES + 2 * shard_bytes)


def scratch_bytes(workers: int, shard_bytes: int, largest: int, *, remote: bool) -> int:
    """Return bytes of temporary files that so many shards make at most, if nothing shrinks.

    Args:
        workers: Shards at a time.
        shard_bytes: Of source files, of the largest shard.
        largest: Bytes of the largest file.
        remote: The source is no local folder.
    """
    spool = 2 * shard_bytes if shard_bytes > _SPOOLED_FROM else 0  # payloads, and the part made of them
    fetched = largest if remote and largest >= _FETCHED_FROM else 0
    return workers * (spool + fetched)


def payback(
    source_bytes: int, archive_bytes: Interval, core_hours: Interval, price_storage: float, price_core_hour: float
) -> Payback:
    """Return what compressing costs, what storage it saves a month, and when it has paid for itself.

    Args:
        source_bytes: Of all files, which go when the archive is there.
        archive_bytes: Projected.
        core_hours: Projected.
        price_storage: Of a terabyte (10^12 bytes) and month.
        price_core_hour: Of an hour of a core.
    """
    price = price_storage / _TB
    gains = [source_bytes - each for each in (archive_bytes.value, archive_bytes.high, archive_bytes.low)]
    saved = Interval(*(price * gain for gain in gains))
    cost = core_hours.scaled(price_core_hour)
    return Payback(cost, saved, _month(cost.value, saved.value), _month(cost.high, saved.low))


def _month(cost: float, saved_a_month: float) -> int | None:
    return max(1, math.ceil(round(cost / saved_a_month, 6))) if saved_a_month > 0 else None
