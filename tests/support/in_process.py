"""What tests of commands and displays in this process share: a command that is run, and a clock that stands still."""

from __future__ import annotations

import pytest


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command; none may show a traceback."""
    from tilepress.jobs.cli import app

    code = app._run([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


class StandingClock:
    """Stands in for the module `time`: `monotonic` tells `now`, in seconds, until a test sets it."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now
