"""How long kernels compile is known, and counted once however many threads do it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tilepress
from tests.support.in_process import StandingClock
from tilepress.codecs.kernels import compile_clock
from tilepress.codecs.kernels.compile_clock import CompileClock

PACKAGE = Path(tilepress.__file__).parent
KERNEL = """
from tilepress.codecs.kernels.kernel import kernel

@kernel
def double(x):
    return x * 2
"""
CALL = """
import json, sys, threading, time
from tilepress.codecs.kernels.compile_clock import COMPILE_CLOCK as clock
heard = []
with clock.heard_by(lambda: heard.append(clock.running)):
    from plug import double
    began = time.monotonic()
    threads = [threading.Thread(target=double, args=(x,)) for x in (1, 1.5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
print(json.dumps([clock.signatures, heard, clock.lasting, 0 < clock.seconds <= took, clock.running]))
"""


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> StandingClock:
    time = StandingClock()
    monkeypatch.setattr(compile_clock, "time", time)
    return time


def test_seconds_of_threads_that_compile_at_once_count_once(at: StandingClock) -> None:
    clock = CompileClock()
    assert (clock.seconds, clock.running, clock.working_time()) == (0.0, False, 100.0)
    clock.start(lasting=True)
    at.now = 103.0
    clock.start(lasting=True)
    at.now = 104.0
    clock.count()
    clock.stop()
    assert (clock.seconds, clock.running, clock.signatures, clock.working_time()) == (4.0, True, 1, 100.0)
    at.now = 110.0
    clock.stop()
    at.now = 115.0
    assert (clock.seconds, clock.running, clock.working_time()) == (10.0, False, 105.0)


def test_listeners_hear_every_event_while_they_listen(at: StandingClock) -> None:
    clock, heard = CompileClock(), []
    clock.start(lasting=True)
    with clock.heard_by(lambda: heard.append((clock.running, clock.signatures))):
        clock.count()
        clock.stop()
    clock.start(lasting=False)
    assert heard == [(True, 1), (False, 1)] and not clock.lasting


def call(folder: Path, **changes: str) -> list[object]:
    (folder / "plug.py").write_text(KERNEL)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    paths = os.pathsep.join([str(folder), str(PACKAGE.parent)])
    environment = clean | {"PYTHONPATH": paths, "TILEPRESS_KERNEL_CACHE": str(folder / "kernels")} | changes
    command = [sys.executable, "-c", CALL]
    return list(json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout))


def test_the_clock_runs_while_numba_compiles_and_only_then(tmp_path: Path) -> None:
    signatures, heard, lasting, plausible, running = call(tmp_path)
    assert (signatures, lasting, plausible, running) == (2, True, True, False)
    assert isinstance(heard, list) and heard[0] is True and heard[-1] is False
    assert call(tmp_path) == [0, [], True, False, False]


def test_where_there_is_no_folder_for_code_the_clock_says_that_nothing_lasts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for _ in range(2):
        signatures, _, lasting, plausible, _ = call(tmp_path, TILEPRESS_KERNEL_CACHE=str(tmp_path / "file/kernels"))
        assert (signatures, lasting, plausible) == (2, False, True)
