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
        self._handler: logging.Handler | None = None
        self._logger = logging.Logger("tilepress", logging.INFO)  # no one else's: libraries' messages stay out

    def begin(self, *, as_json: bool = False) -> None:
        """Begin a command: speak in JSON events or in lines; the log of the one before is closed."""
        self.as_json = as_json
        if self._handler is not None:
            self._logger.removeHandler(self._handler)
            self._handler.close()
            self._handler = None

    def open_log(self, path: Path) -> None:
        """Append all that this command says from now on to a file. UsageError if it cannot be written."""
        self._handler = _handler(path)
        self._logger.addHandler(self._handler)

    @contextmanager
    def logging_output(self) -> Iterator[None]:
        """Open a context in which the lines of standard output go into the log too, if there is one."""
        if self._handler is None:
            yield
            return
        copied = _Copied(sys.stdout, self.log)
        with redirect_stdout(cast(TextIO, copied)):
            yield

    def say(self, text: str, event: str = "message", **facts: Any) -> None:
        """Say a line; as JSON it is an event of that kind, with the facts beside the text."""
        self.show(json.dumps({"event": event, "message": text, **facts}) if self.as_json else plain(text))
        self.log(text)

    def error(self, text: str, exit_code: int, kind: str) -> None:
        """Say why a command ends; `kind` is the class of the error."""
        event = {"event": "error", "message": text, "kind": kind, "exit_code": exit_code}
        self.show(json.dumps(event) if self.as_json else f"tilepress: {plain(text)}")
        self.log(text, logging.ERROR)

    def event(self, name: str, **facts: Any) -> None:
        """Tell a program, if one listens."""
        if self.as_json:
            self.show(json.dumps({"event": name, **facts}))

    def log(self, text: str, level: int = logging.INFO) -> None:
        """Write a line into the log only, if there is one."""
        if self._handler is not None:
            self._logger.log(level, "%s", text)

    def show(self, line: str) -> None:
        """Print a line on standard error only."""
        print(line, file=sys.stderr, flush=True)


def _handler(path: Path) -> logging.Handler:
    try:
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as exc:
        raise UsageError(f"`log` {path} cannot be written: {exc.strerror}") from exc
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
