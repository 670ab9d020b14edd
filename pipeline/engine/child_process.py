"""Processes of this one that may crash: how they are started, how they limit themselves, and how they ended."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tilepress.pipeline.errors import EngineError

_START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {} import main; main(*map(int, sys.argv[2:]))"
_VMSTAT = Path("/proc/vmstat")


class WorkerDiedError(Exception):
    """The process ended while it worked; the message says how. `killed`: by somebody else, and of no fault of its own.

    A machine that has no memory left kills too, and says so: that is the process's own fault.
    """

    def __init__(self, how: str, *, killed: bool) -> None:
        super().__init__(how)
        self.killed = killed


def start_child(module: str, channel: socket.socket, memory: int, what: str) -> subprocess.Popen[bytes]:
    """Start `main(descriptor, memory)` of a module, with one end of a socket; return the process.

    EngineError, which calls the process `what`, if it cannot be started.
    """
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    paths = json.dumps([path for path in sys.path if path])
    command = [sys.executable, "-c", _START.format(module), paths, str(channel.fileno()), str(memory)]
    try:
        return subprocess.Popen(command, pass_fds=(channel.fileno(),), env=environment, **quiet)
    except OSError as exc:
        raise EngineError(f"{what} did not start: {exc}") from exc


def limit_child(memory: int) -> None:
    """Let this process, a child, have at most `memory` bytes of data, die first of want of it, and leave no core."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # a lower hard limit is the machine's own
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with contextlib.suppress(OSError):  # not on Linux
        Path("/proc/self/oom_score_adj").write_text("1000")  # whoever has to die, let it be this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the owner decides


def ending(status: int) -> str:
    """Return how a process with this exit status crashed, for people: "SIGSEGV", "exit code 1"."""
    return signal.Signals(-status).name if status < 0 else f"exit code {status}"


def memory_kills() -> int:
    """Return how many processes this machine has killed for want of memory since it started; 0 where nothing tells."""
    with contextlib.suppress(OSError, ValueError):
        lines = map(str.split, _VMSTAT.read_text().splitlines())
        return next((int(line[1]) for line in lines if line[0] == "oom_kill"), 0)
    return 0
