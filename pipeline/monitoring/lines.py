"""Lines of a log for machines: what happened (an event), to which shard, in which attempt, on which node.

Modules tell events to Python's logging, at the level INFO, so that nothing is printed where nobody listens. Workers on
Ray gather their lines, which come back with the shard's result and are told again by the driver.
"""

from __future__ import annotations

import logging
import platform
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tilepress.pipeline.monitoring.scope import ATTEMPT

LOGGER = logging.getLogger("tilepress")  # above those of all modules
_MOST = 1000  # lines of one attempt that travel


@dataclass(frozen=True)
class Line:
    """One line: `time` in seconds since 1970, `level` in small letters, `facts` as values of JSON."""

    time: float
    level: str
    event: str
    message: str
    node: str
    shard: int | None = None
    attempt: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, record: logging.LogRecord) -> Line:
        """Return the line that a record of logging is, in the thread that made it."""
        told = getattr(record, "line", None)
        if isinstance(told, Line):
            return told
        at = ATTEMPT.get()
        facts = dict(getattr(record, "facts", {}))
        if record.exc_info:
            facts["trace"] = "".join(traceback.format_exception(*record.exc_info))
        return cls(
            record.created,
            getattr(record, "severity", record.levelname.lower()),
            getattr(record, "event", "message"),
            record.getMessage(),
            platform.node(),
            at.shard if at else None,
            at.number if at else None,
            facts,
        )


def tell(logger: logging.Logger, event: str, message: str, *, severity: str = "info", **facts: Any) -> None:
    """Tell whoever listens that something happened. `severity` is the level that the line says."""
    logger.info("%s", message, extra={"event": event, "facts": facts, "severity": severity})


def is_heard() -> bool:
    """Tell whether anybody listens to events in this process."""
    return LOGGER.isEnabledFor(logging.INFO)


@contextmanager
def gathered(*, wanted: bool) -> Iterator[list[Line]]:
    """Open a context that fills the list it yields with the lines of this process, if they are `wanted`."""
    lines: list[Line] = []
    handler = _Gathering(lines)
    level = LOGGER.level
    if wanted:
        LOGGER.addHandler(handler)
        LOGGER.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        if wanted:
            LOGGER.removeHandler(handler)
            LOGGER.setLevel(level)


class _Gathering(logging.Handler):
    def __init__(self, lines: list[Line]) -> None:
        super().__init__(logging.INFO)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._lines) < _MOST:
            self._lines.append(Line.of(record))


def tell_again(lines: Iterable[Line]) -> None:
    """Tell the lines of another process as they are."""
    for line in lines:
        LOGGER.info("%s", line.message, extra={"line": line})
