"""Programs that are ended by a signal say so, whatever was interrupted makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tilepress.jobs.run_report.places import read_at

PROGRAM = """
import ctypes, os, signal
from tilepress.jobs.cli.signals import ending_by_signal

signal.signal(signal.SIGINT, {sigint})  # where tests run in the background it is ignored

@ctypes.CFUNCTYPE(None)
def callback():  # as the compiler of kernels calls back: exceptions do not get out of it
    os.kill(os.getpid(), {number})
    for _ in range(1000): pass

with ending_by_signal():
    callback()
    {then}
"""


def ended(number: int, then: str, sigint: str = "signal.default_int_handler") -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(number=int(number), then=then, sigint=sigint)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=False)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_error_that_a_signal_caused_is_the_signal(number, code) -> None:
    done = ended(number, "raise RuntimeError('no compiled object yet')")
    assert done.returncode == code
    assert done.stderr.splitlines()[-1].endswith("run the same command again; what it had written is not made again")
    assert "no compiled object yet" not in done.stderr


def test_its_run_report_says_the_signal_too(tmp_path) -> None:
    """Ray, too, makes an error of its own of what a signal raises; `submit` takes the exit code of the report."""
    place = str(tmp_path / "run-report.json")
    recording = f"""
    from tilepress.jobs.run_report.recorder import recorded, reporting_to
    with reporting_to({place!r}), recorded("verify", {{}}):
        raise RuntimeError("no compiled object yet")"""
    assert ended(signal.SIGTERM, recording).returncode == 143
    report = read_at(place)
    assert (report.exit_code, report.error) == (143, "terminated")


def test_an_error_without_a_signal_is_an_error() -> None:
    done = ended(0, "raise RuntimeError('a mistake')")  # signal 0 is none
    assert done.returncode == 1 and "RuntimeError: a mistake" in done.stderr


def test_what_runs_in_the_background_of_a_shell_ignores_what_is_typed_to_others() -> None:
    assert ended(signal.SIGINT, "raise SystemExit(7)", "signal.SIG_IGN").returncode == 7


def test_work_that_was_done_all_the_same_is_done() -> None:
    assert ended(signal.SIGTERM, "raise SystemExit(0)").returncode == 0
