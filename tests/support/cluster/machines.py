"""Machines for tests of clusters: a program on an address of its own, that ends as a machine does that loses power.

`Lab` makes them of Linux's namespaces, each with a network card, processes and nothing else of its own, at a switch
that this process is at, too. It leaves nothing behind, however this process ends: the kernel ends the programs, and
namespaces, the switch and its cables vanish with the last process in them. Where the kernel permits no namespaces,
`Loopback` makes do with addresses of this machine, and ends the programs when it is left.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

_PR_SET_PDEATHSIG = 1
_NETWORK = "198.18.{}.{}"  # RFC 2544: of tests of networks, and nobody's own
_DEADLINE_S = 20.0


class Machines(Protocol):
    """A context that makes machines. `address`: where they reach this process."""

    address: str
    kind: str

    def start(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> Machine:
        """Start a program on a new machine; `{address}` in its words is that of the machine."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all machines."""


class Machine:
    """A program with all the processes that it starts. `address`: its own."""

    def __init__(self, address: str, process: subprocess.Popen[bytes], log: Path) -> None:
        """`process`: its first; what it says is in `log`."""
        self.address, self.log = address, log
        self._process = process

    @property
    def runs(self) -> bool:
        """Whether its program has not ended."""
        return self._process.poll() is None

    def processes(self) -> list[int]:
        """Return the ids of its processes, the first one last."""
        return _descendants(self._process.pid)

    def kill(self) -> int:
        """End all of its processes at once, by SIGKILL; return how many there were."""
        found = self.processes()
        for process in reversed(found):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        return len(found)


class Lab:
    """Machines in namespaces: see the module's text."""

    kind = "network namespaces"

    def __init__(self) -> None:
        """Prepare; entering makes the switch."""
        self._number, self._card = os.getpid() % 250, f"tp{os.getpid()}"
        self.address = _NETWORK.format(self._number, 1)
        self._machines: list[Machine] = []
        self._switch: subprocess.Popen[bytes] | None = None

    @staticmethod
    def is_permitted() -> bool:
        """Tell whether this process may make namespaces and put network cards into them."""
        words = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "ip", "link", "add", "type", "bridge"]
        with suppress(OSError):
            return os.geteuid() == 0 and subprocess.run(words, capture_output=True, check=False).returncode == 0
        return False

    def __enter__(self) -> Self:
        self._switch = _spawn(["unshare", "--net", "sleep", "infinity"])
        _await_namespace(self._switch.pid)
        _ip("link add bridge type bridge", self._switch.pid)
        _ip("link set bridge up", self._switch.pid)
        self._plug(self._card, os.getpid(), 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for machine in self._machines:
            machine.kill()
        assert self._switch is not None
        _ip(f"link del {self._card}", os.getpid())  # at once; the kernel takes its time with what nobody is in any more
        self._switch.kill()
        self._switch.wait()

    def start(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> Machine:
        """See Machines."""
        number = len(self._machines) + 2
        address = _NETWORK.format(self._number, number)
        shell = ["sh", "-c", 'read plugged; "$@"', "sh", *(word.format(address=address) for word in words)]
        alone = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        process = _spawn([*alone, *shell], environment, log)
        machine = Machine(address, process, log)
        self._machines.append(machine)
        _await_namespace(process.pid)
        _ip("link set lo up", process.pid)
        self._plug("eth0", process.pid, number)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        return machine

    def _plug(self, card: str, process: int, number: int) -> None:
        """Put a network card into the namespace of a process, its cable into the switch."""
        assert self._switch is not None
        switch = self._switch.pid
        _ip(f"link add name port{number} type veth peer name {card} netns {process}", switch)
        _ip(f"link set port{number} master bridge up", switch)
        _ip(f"address add {_NETWORK.format(self._number, number)}/24 dev {card}", process)
        _ip(f"link set {card} up", process)


class Loopback:
    """Machines that are addresses of the loopback interface: see the module's text."""

    kind = "addresses of one machine"
    address = "127.0.0.1"

    def __init__(self) -> None:
        """Prepare."""
        self._machines: list[Machine] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for machine in self._machines:
            machine.kill()

    def start(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> Machine:
        """See Machines."""
        address = f"127.0.0.{len(self._machines) + 2}"
        process = _spawn([word.format(address=address) for word in words], environment, log)
        self._machines.append(Machine(address, process, log))
        return self._machines[-1]


def _spawn(
    words: Sequence[str], environment: Mapping[str, str] | None = None, log: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that ends when this thread does."""
    out = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        return subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=out, preexec_fn=_die_with_parent
        )
    finally:
        os.close(out)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _await_namespace(process: int) -> None:
    """Wait until `unshare` has given a process a network of its own."""
    own, end = Path("/proc/self/ns/net").readlink(), time.monotonic() + _DEADLINE_S
    while Path(f"/proc/{process}/ns/net").readlink() == own:
        assert time.monotonic() < end, "no namespace was made"
        time.sleep(0.02)


def _ip(arguments: str, process: int) -> None:
    """Run `ip` in the network of a process."""
    words = ["nsenter", f"--net=/proc/{process}/ns/net", "ip", *arguments.split()]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {arguments}: {done.stderr}"


def _descendants(process: int) -> list[int]:
    """The ids of the processes that a process has started, and they in turn, then its own."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name_and_state = stat.read_text().rpartition(")")
            children.setdefault(int(name_and_state[2].split()[1]), []).append(int(stat.parent.name))
    found, level = [process], [process]
    while level:
        level = [child for parent in level for child in children.get(parent, [])]
        found[:0] = level
    return found
