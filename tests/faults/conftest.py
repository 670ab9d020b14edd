"""What all tests of faults share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.faults.proxy import FaultProxy, Faults
from tilepress.pipeline.engine import engine as engines
from tilepress.pipeline.storage import retry
from tilepress.pipeline.storage.s3.client import S3Client

READ_TIMEOUT_S = 0.5  # of clients, in place of a minute, which the stalls of a test would take


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process try again at once, and wait half a second for answers."""
    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(first_delay_s=0.01))
    monkeypatch.setattr(engines, "FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(S3Client, "read_timeout", READ_TIMEOUT_S)


@pytest.fixture
def proxied(s3_server, impatient) -> Iterator[Callable[..., FaultProxy]]:
    """Make a proxy before the S3 server, of the faults that are given."""
    with ExitStack() as stack:
        yield lambda faults=None, **options: stack.enter_context(
            FaultProxy(s3_server.port, faults or Faults(), **options)
        )
