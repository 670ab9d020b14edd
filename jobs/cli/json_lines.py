"""A log of JSON, one object a line, for machines (`--log-format json`): docs/operate.md names the members."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from tilepress.jobs.run_report.redaction import redacted
from tilepress.pipeline.monitoring.lines import LOGGER, Line
from tilepress.pipeline.monitoring.scope import COMMAND, Command


class JsonLines(logging.StreamHandler[TextIO]):
    """Writes records as JSON without secrets, to a file or to standard error, as long as it is open."""

    def __init__(self, path: Path | None = None) -> None:
        """Append to a file; None: standard error. OSError. Events of the package are heard from now on."""
        super().__init__(sys.stderr if path is None else path.open("a", encoding="utf-8"))
        self.setLevel(logging.INFO)
        self._own = path is not None
        self._command = Command()
        self._level_before = LOGGER.level
        LOGGER.addHandler(self)
        LOGGER.setLevel(logging.INFO)

    def format(self, record: logging.LogRecord) -> str:
        """Return one line. Threads without a command of their own speak for the latest."""
        self._command = COMMAND.get() or self._command
        return json_line(Line.of(record), self._command)

    def close(self) -> None:
        """Hear no more."""
        LOGGER.removeHandler(self)
        LOGGER.setLevel(self._level_before)
        if self._own:
            self.stream.close()
        super().close()


def json_line(line: Line, command: Command) -> str:
    """Return a line of a command as the text of one JSON object, in ASCII, without secrets."""
    time = datetime.fromtimestamp(line.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    members = {
        "time": time,
        "level": line.level,
        "event": line.event,
        "message": line.message,
        "verb": command.verb,
        "archive": command.archive,
        "run": command.run,
        "shard": line.shard,
        "attempt": line.attempt,
        "node": line.node,
    }
    return redacted(
        json.dumps(members | {name: value for name, value in line.facts.items() if name not in members}, default=str)
    )
