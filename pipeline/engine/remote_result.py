"""What comes of a stage in another process: its result or error, and what was counted and told on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tilepress.pipeline.engine.remote_error import RemoteError
from tilepress.pipeline.monitoring.lines import Line, gathered
from tilepress.pipeline.tally import TALLY


@dataclass(frozen=True)
class Done:
    """What came of a shard: a stage's result, or the RemoteError that it raised; what the worker counted and told."""

    result: Any
    counts: Counter[str]
    lines: tuple[Line, ...] = ()


def done(work: Callable[[], Any], *, heard: bool) -> Done:
    """Do the work on a shard and return what came of it. `heard`: whether the driver wants its lines."""
    before = TALLY.now()
    with gathered(wanted=heard) as lines:
        try:
            result = work()
        except Exception as exc:  # noqa: BLE001 - raised again by the driver
            result = RemoteError.of(exc)
    return Done(result, TALLY.since(before), tuple(lines))
