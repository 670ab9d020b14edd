"""What outlives a local Ray cluster whose driver was killed: two agents of its node, which nobody needs any more.

The kernel ends Ray's servers with the driver. Their agents notice, but first try for a minute to tell the cluster.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_PROCESSES = Path("/proc")
_AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
_SERVER = "raylet"  # whose children they are


def end_orphaned_agents() -> list[int]:
    """End this user's agents whose server is gone, and return their numbers; none where the system shows none."""
    ended = []
    for process in _own_processes():
        with contextlib.suppress(OSError, IndexError):  # it may end under our eyes
            if _is_agent(process) and _name(_parent(process)) != _SERVER:
                os.kill(int(process.name), signal.SIGKILL)
                ended.append(int(process.name))
    return ended


def _own_processes() -> Iterator[Path]:
    for folder in _PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid():
                yield folder


def _is_agent(process: Path) -> bool:
    return (process / "cmdline").read_text(errors="replace").startswith(_AGENTS)


def _parent(process: Path) -> Path:
    behind_the_name = (process / "stat").read_text(errors="replace").rpartition(")")[2]  # state, parent, ...
    return _PROCESSES / behind_the_name.split()[1]


def _name(process: Path) -> str:
    return (process / "comm").read_text(errors="replace").strip()
