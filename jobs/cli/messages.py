"""What a command says besides its report: lines on standard error, or JSON events there, and a log with timestamps."""

from __future__ import annotations

import json
import logging
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TextIO, cast

from tilepress.jobs.cli.json_lines import JsonLines
from tilepress.jobs.cli.log_choice import LogFormat
from tilepress.pipeline.errors import UsageError

_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Messages:
    """The one place through which a command speaks; what it speaks as is set while the command runs.

    Nothing of it is standard output: that is the report's, or the file's that a command writes there.
    """

    def __init__(self) -> None:
        """Speak in lines, and keep no log."""
        self.as_json = False
        self.as_log = False  # lines of a JSON log take the place of all others
        self._format: LogFormat = "text"
        self._handler: logging.Handler | None = None
        self._logger = logging.Logger("tilepress", logging.INFO)  # no one else's: libraries' messages stay out

    def begin(self, *, as_json: bool = False, log_format: LogFormat = "text", to_file: bool = False) -> None:
        """Begin a command: speak in JSON events or in lines; the log of the one before is closed.

        A log in JSON is on standard error from now on, and nothing else is, unless one `to_file` is to be opened.
        """
        if self._handler is not None:
            self._logger.removeHandler(self._handler)
            self._handler.close()
            self._handler = None
        self.as_json, self._format = as_json, log_format
        self.as_log = log_format == "json" and not to_file
        if self.as_log:
            self._listen(JsonLines())

    def open_log(self, path: Path) -> None:
        """Append all that this command says from now on to a file. UsageError if it cannot be written."""
        try:
            self._listen(JsonLines(path) if self._format == "json" else _text_handler(path))
        except OSError as exc:
            raise UsageError(f"`log` {path} cannot be written: {exc.strerror}") from exc

    def _listen(self, handler: logging.Handler) -> None:
        self._handler = handler
        self._logger.addHandler(handler)

    @contextmanager
    def logging_output(self) -> Iterator[None]:
        """Open a context in which the lines of standard output go into the log too, if that is a text."""
        if self._handler is None or self._format == "json":
            yield
            return
        copied = _Copied(sys.stdout, self.log)
        with redirect_stdout(cast(TextIO, copied)):
            yield

    def say(self, text: str, event: str = "message", **facts: Any) -> None:
        """Say a line; as JSON it is an event of that kind, with the facts beside the text."""
        self.show(json.dumps({"event": event, "message": text, **facts}) if self.as_json else plain(text))
        self.log(text, event=event, **facts)

    def error(self, text: str, exit_code: int, kind: str) -> None:
        """Say why a command ends; `kind` is the class of the error."""
        facts = {"kind": kind, "exit_code": exit_code}
        event = {"event": "error", "message": text, **facts}
        self.show(json.dumps(event) if self.as_json else f"tilepress: {plain(text)}")
        self.log(text, logging.ERROR, event="error", **facts)

    def event(self, name: str, **facts: Any) -> None:
        """Tell a program, if one listens."""
        if self.as_json:
            self.show(json.dumps({"event": name, **facts}))

    def log(self, text: str, level: int = logging.INFO, *, event: str = "message", **facts: Any) -> None:
        """Write a line into the log only, if there is one; the event and facts are told where that is in JSON."""
        if self._handler is not None:
            self._logger.log(level, "%s", text, extra={"event": event, "facts": facts})

    def show(self, line: str) -> None:
        """Print a line on standard error only, unless a log is there."""
        if not self.as_log:
            print(line, file=sys.stderr, flush=True)


def _text_handler(path: Path) -> logging.Handler:
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    formatter = logging.Formatter(_FORMAT, _TIME_FORMAT)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    return handler


class _Copied:
    """A text stream, of whose lines each goes to `log` as well."""

    def __init__(self, stream: TextIO, log: Callable[[str], None]) -> None:
        self._stream, self._log = stream, log
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in filter(str.strip, lines):
            self._log(line.rstrip())
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


MESSAGES = Messages()


def plain(text: str) -> str:
    """Return a text whose control characters (of a name, say) cannot reach a terminal: they are written `\\xNN`."""
    return "".join(f"\\x{ord(each):02x}" if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in text)
