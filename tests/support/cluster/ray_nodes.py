"""A Ray cluster of several machines, started as its users do: by `ray start` on each, with a token in a file."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.cluster.machines import Machine, Machines

_PORTS = ("dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent", "metrics-export")
_DEADLINE_S = 240.0


def on_path() -> str:
    """Return PATH with the commands of this interpreter first: `ray` and `tilepress`."""
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@dataclass
class RayNodes:
    """A head that runs no tasks, and workers of one processor each. `folder`: short, since sockets lie in it."""

    machines: Machines
    folder: Path
    environment: dict[str, str]
    head: Machine = field(init=False)
    workers: list[Machine] = field(default_factory=list)
    killed: list[Machine] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Write the token, for machines and clients alike, and start the head."""
        token = self.folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "PATH": on_path()}
        self._ports = _free_ports(3 + len(_PORTS))
        self._gcs, self._dashboard, client = (self._ports.pop() for _ in range(3))
        words = ["--head", f"--port={self._gcs}", "--num-cpus=0", f"--ray-client-server-port={client}"]
        words += ["--include-dashboard=true", "--dashboard-host={address}", f"--dashboard-port={self._dashboard}"]
        self.head = self._start("head", words)
        self.await_nodes(1)

    @property
    def dashboard(self) -> str:
        """URL of the job server."""
        return f"http://{self.head.address}:{self._dashboard}"

    def add_worker(self) -> None:
        """Start a machine with one processor, which joins by itself."""
        self._ports = _free_ports(len(_PORTS))
        words = [f"--address={self.head.address}:{self._gcs}", "--num-cpus=1"]
        self.workers.append(self._start(f"worker{len(self.workers) + 1}", words))

    def ask(self, path: str) -> Any:
        """Return what the dashboard answers, as JSON."""
        token = (self.folder / "token").read_text()
        request = urllib.request.Request(self.dashboard + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def alive(self) -> int:
        """Return how many machines the cluster takes for alive."""
        nodes = self.ask("/nodes?view=summary")["data"]["summary"]
        return sum(node["raylet"].get("state") == "ALIVE" for node in nodes)

    def await_nodes(self, count: int) -> None:
        """Wait until the cluster has `count` machines."""
        end = time.monotonic() + _DEADLINE_S
        while time.monotonic() < end:
            for machine in (self.head, *self.workers):
                assert machine.runs or machine in self.killed, machine.log.read_text()
            try:
                if self.alive() == count:
                    return
            except OSError:  # it does not answer yet
                pass
            time.sleep(0.5)
        raise AssertionError(f"the cluster has not come to {count} nodes: {self.head.log.read_text()}")

    def kill_worker(self) -> int:
        """End the first worker that runs, as a loss of power does; return how many processes that were."""
        machine = next(each for each in self.workers if each.runs)
        self.killed.append(machine)
        return machine.kill()

    def ray(self, *words: str) -> str:
        """Return what Ray's own command says."""
        done = subprocess.run(
            ["ray", *words], env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _start(self, name: str, words: list[str]) -> Machine:
        common = ["--block", "--node-ip-address={address}", f"--temp-dir={self.folder / name}"]
        common += [f"--{name}-port={self._ports.pop()}" for name in _PORTS]
        common += ["--min-worker-port=0", "--max-worker-port=0", "--object-store-memory=80000000"]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start"]
        return self.machines.start(
            [*command, *words, *common, "--disable-usage-stats"], self.environment, self.folder / f"{name}.log"
        )


def _free_ports(count: int) -> list[int]:
    """Different ports that nothing listens on just now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]
