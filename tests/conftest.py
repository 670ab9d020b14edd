"""Fixtures that all tests share: a real S3 server, and roots on every kind of storage."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).parent.parent


def _load(path: Path) -> ModuleType:
    """A module that belongs to no package."""
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[path.stem])
    return sys.modules[path.stem]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[object]:
    """A running infra/bench/s3_server.py S3Server; the AWS variables point to it, for child processes too."""
    with _load(REPOSITORY / "infra/bench/s3_server.py").S3Server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


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
