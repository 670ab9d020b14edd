"""Fixtures that all tests share: a real S3 server, a Ray cluster, and roots on every kind of storage."""

from __future__ import annotations

import gc
import importlib.util
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

from tests.support.faults import figures as counted
from tilepress.pipeline.errors import AlreadyExists
from tilepress.pipeline.storage.base import Storage, open_storage

REPOSITORY = Path(__file__).parent.parent
PLUGIN = REPOSITORY / "tests/plugin"
os.environ["TILEPRESS_DATE"] = "2026-11-27T10:00:00Z"  # of all runs: archives are compared byte for byte
os.environ["RAY_AUTH_MODE"] = "disabled"  # before Ray is imported: no token file in the home folder
# Before torch is imported: as workers have it. Tests of other numbers of threads say which, and small tensors on more
# threads than there are processors take four times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # second threads that spin take the processor of the other test
SERVERS = re.compile(r"\b(ray_cluster|s3_server|s3_url|storage_root)\b|^def test_\w+\([^)]*\bstorage\b", re.MULTILINE)

settings.register_profile("tilepress", deadline=None)  # a slow machine is no failure: benchmarks measure
settings.load_profile("tilepress")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as the background of a shell has it, and children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _load(path: Path) -> ModuleType:
    """A module that belongs to no package."""
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[path.stem])
    return sys.modules[path.stem]


@cache
def scope_of(file: str) -> str:
    """What pytest-xdist runs in one process: a file of tests, or all files that ask for Ray or S3: each starts once."""
    return "servers" if SERVERS.search((REPOSITORY / file).read_text()) else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what needs servers, which takes longest."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        items.sort(key=lambda item: scope_of(item.nodeid.partition("::")[0]) != "servers")


def pytest_collection() -> None:
    """Collect no garbage while modules and tests are loaded: two million objects, and all of them stay."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage from now on, and never walk through what was loaded."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Divide tests by `scope_of`; `--dist loadgroup` of pytest-xdist 3.8 finds no groups under pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class ByServers(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid.partition("::")[0])

    return ByServers(config, log)


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Image files are read in this process, where a test puts its own functions in place of a decoder's."""
    monkeypatch.setenv("TILEPRESS_READ_APART", "0")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have counted."""
    counted.summarise(terminalreporter)


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> dict[str, object]:
    """Numbers that a test puts here are shown at the end."""
    found: dict[str, object] = {}
    record_property(counted.PROPERTY, found)
    return found


@pytest.fixture(scope="session")
def server_class() -> type:
    """S3Server of infra/bench/s3_server.py, for tests that need a server of their own."""
    found: type = _load(REPOSITORY / "infra/bench/s3_server.py").S3Server
    return found


@pytest.fixture(scope="session")
def s3_server(server_class) -> Iterator[object]:
    """A running S3Server; the AWS variables point to it, for child processes too."""
    with server_class() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="session")
def plugin() -> Iterator[Path]:
    """The folder of tests/plugin, a package with codecs of its own, as if it were installed; for children too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGIN))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(PLUGIN), os.environ.get("PYTHONPATH")])))
        yield PLUGIN


@pytest.fixture(scope="session")
def ray_cluster(plugin) -> Iterator[object]:
    """Ray with 4 processors and 2 pretended GPUs, shared because starting takes long; gives the module `ray`.

    Actors for GPUs compute on processors here, on machines with GPUs too.
    """
    import ray

    from tilepress.pipeline.engine import ray_cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_cluster, "_GPU_DEVICE", "cpu")
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
        ray.init(address="local", num_cpus=4, num_gpus=2, object_store_memory=300 << 20, **quiet)
        yield ray
        ray.shutdown()


@pytest.fixture
def s3_url(s3_server) -> str:
    """URL of an empty S3 prefix."""
    return s3_server.new_prefix()


@pytest.fixture(params=["local", "s3"])
def storage_root(request: pytest.FixtureRequest) -> str:
    """URL of an empty place: a local folder that does not exist yet, and an S3 prefix."""
    if request.param == "s3":
        return request.getfixturevalue("s3_url")
    return str(request.getfixturevalue("tmp_path") / "root")


@pytest.fixture(params=["local", "s3", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty storage of every kind."""
    if request.param == "memory":
        return open_storage(f"memory://{tmp_path.name}-{time.monotonic_ns()}/root")
    return open_storage(request.getfixturevalue("s3_url") if request.param == "s3" else str(tmp_path / "root"))


@pytest.fixture
def create_at_once() -> Callable[[Storage, str, Sequence[bytes]], list[int]]:
    """Creates one name with several contents, all at the same time; gives the numbers of those that succeeded."""

    def race(storage: Storage, name: str, contents: Sequence[bytes]) -> list[int]:
        def create(content: bytes) -> bool:
            try:
                storage.create(name, content)
            except AlreadyExists:
                return False
            return True

        with ThreadPoolExecutor(len(contents)) as threads:
            return [number for number, won in enumerate(threads.map(create, contents)) if won]

    return race
