"""The machines of tests of clusters leave nothing behind, however the process ends that made them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.cluster.machines import Lab, Loopback, Machines

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """
import os, sys, time
from pathlib import Path
from tests.support.cluster.machines import Lab

with Lab() as lab:
    machine = lab.start(["sh", "-c", "sleep 600 & sleep 600"], os.environ, Path(os.devnull))
    while len(machine.processes()) < 5:  # unshare, a shell that waits for the network, one more, and both that sleep
        time.sleep(0.05)
    print(*machine.processes(), f"tp{os.getpid()}", flush=True)
    time.sleep(600)
"""
permitted = Lab.is_permitted()


def card_of(process: int) -> Path:
    return Path(f"/sys/class/net/tp{process}")


def await_end(processes: list[int]) -> None:
    end = time.monotonic() + 20
    while any(Path(f"/proc/{each}/exe").exists() for each in processes):
        assert time.monotonic() < end, f"processes {processes} are left"
        time.sleep(0.05)


@pytest.mark.parametrize("kind", [Lab, Loopback] if permitted else [Loopback])
def test_a_machine_that_is_killed_has_no_processes_left(kind: type[Machines], tmp_path: Path) -> None:
    with kind() as machines:
        words = ["sh", "-c", "echo at {address}; sleep 600 & sleep 600"]
        machine = machines.start(words, os.environ, tmp_path / "log")
        end = time.monotonic() + 20
        while len(machine.processes()) < 3 or not machine.log.read_text():
            assert time.monotonic() < end, machine.log.read_text()
            time.sleep(0.05)
        found = machine.processes()
        assert machine.log.read_text() == f"at {machine.address}\n" and machine.runs
        assert machine.kill() == len(found) and not machine.runs
        await_end(found)
    assert not card_of(os.getpid()).exists()


if permitted:

    def test_a_lab_vanishes_with_its_process() -> None:
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        words, pipe = [sys.executable, "-c", PROGRAM], subprocess.PIPE
        with subprocess.Popen(words, stdout=pipe, text=True, env={**os.environ, "PYTHONPATH": path}) as program:
            assert program.stdout is not None
            *processes, card = program.stdout.readline().split()
            assert card_of(program.pid).name == card and card_of(program.pid).exists()
            program.send_signal(signal.SIGKILL)
        await_end([int(each) for each in processes])
        end = time.monotonic() + 20
        while card_of(program.pid).exists():
            assert time.monotonic() < end, f"the network card {card} is left"
            time.sleep(0.05)
