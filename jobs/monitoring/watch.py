"""Watches a command for machines: it is named to whatever runs inside it, and its metrics are written."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tilepress
from tilepress.jobs.monitoring.metrics_file import MetricsFile
from tilepress.jobs.run_report.redaction import redacted, safe_arguments
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.monitoring.lines import tell
from tilepress.pipeline.monitoring.scope import Command, command_at_work, during
from tilepress.pipeline.tally import COUNTED, retries

logger = logging.getLogger(__name__)

METRICS_FILE = "TILEPRESS_METRICS_FILE"  # environment variable: the same as --metrics-file
_FAILED = 1
_SUCCESSES = (0, 3)  # complete, and complete with something to look at
_PLACE: ContextVar[Path | None] = ContextVar("place of metrics", default=None)


def measured_to(place: Path | None) -> AbstractContextManager[Path | None]:
    """Return a context in which verbs write their metrics to a local file; None: where the environment says."""
    return during(_PLACE, place)


@dataclass
class Watch:
    """What is known of how a command ended. `in_vain`: it did nothing, so that its end is no success of a schedule."""

    exit_code: int | None = None
    in_vain: bool = False

    @property
    def success(self) -> bool:
        """Whether the command has done what it is for."""
        return self.exit_code in _SUCCESSES and not self.in_vain


@contextmanager
def watched(verb: str, given: Mapping[str, Any]) -> Iterator[Watch]:
    """Open a context in which a verb runs with the arguments `given`; fill in the Watch before it is left.

    A verb inside a verb is a part of that. UsageError where no metrics can be written.
    """
    command = Command(verb, _archive(given))
    watch = Watch(in_vain=bool(given.get("dry_run")))
    with command_at_work(command) as outer:
        place = _PLACE.get() or os.environ.get(METRICS_FILE)
        metrics = MetricsFile(Path(place), command) if place and outer is command else None
        tell(logger, "command_started", verb, arguments=safe_arguments(given), version=tilepress.__version__)
        try:
            yield watch
        finally:
            code = _FAILED if watch.exit_code is None else watch.exit_code
            if metrics is not None:
                metrics.end(code, success=watch.success)
            _tell_end(command, code)


def _tell_end(command: Command, code: int) -> None:
    counts, seconds = command.counts, round(time.time() - command.started, 3)
    facts = {"exit_code": code, "seconds": seconds, "counts": {name: counts[name] for name in COUNTED}}
    severity = "info" if not code else "warning" if code in _SUCCESSES else "error"
    told = f"{command.verb}: exit code {code} after {seconds:.1f} s"
    tell(logger, "command_ended", told, severity=severity, **facts, retries=retries(counts))


def _archive(given: Mapping[str, Any]) -> str:
    """The archive among arguments, absolute and without credentials; "" where there is none."""
    from tilepress.pipeline.storage.base import absolute
    from tilepress.pipeline.storage.place import place_text

    place = given.get("archive")
    try:
        return redacted(absolute(place_text(place))) if place else ""
    except (TypeError, UsageError):  # the verb says so
        return ""
