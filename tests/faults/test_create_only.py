"""Of writers that create one object at the same time one succeeds, and a store where it is otherwise is found out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import pytest

from tests.support.faults.contention import WRITERS, contend, opened
from tests.support.faults.proxy import Faults
from tilepress.pipeline.errors import AlreadyExists
from tilepress.pipeline.storage.base import Buffer, Location
from tilepress.pipeline.storage.local import LocalStorage


class Overwrites(LocalStorage):
    """A store that takes every write."""

    def create(self, name: str, data: Buffer) -> None:
        self.write(name, data, overwrite=True)


class LooksFirst(LocalStorage):
    """A store that looks whether there is an object, and then writes."""

    def create(self, name: str, data: Buffer) -> None:
        if self.exists(name):
            raise AlreadyExists(name)
        self.write(name, data, overwrite=True)


def test_of_eight_writers_one_creates_an_object(storage_root: str, figures: dict[str, object]) -> None:
    assert contend(partial(opened, Location(storage_root)), 5) == []
    figures |= {"objects": 5, "writers": WRITERS}


@pytest.mark.parametrize("kind", [Overwrites, LooksFirst])
def test_a_store_that_does_not_keep_the_promise_is_found_out(kind: Callable[[str], LocalStorage], tmp_path) -> None:
    assert contend(lambda: kind(str(tmp_path / "root")), 40) != []


def test_a_server_that_says_yes_to_every_writer_is_found_out(proxied, s3_url: str) -> None:
    proxy = proxied(Faults(share=0.0), overwrites=True)
    assert contend(partial(opened, Location(s3_url, {"endpoint_url": proxy.endpoint})), 5) != []


@pytest.mark.slow
def test_of_eight_processes_that_write_two_hundred_objects_one_each(
    storage_root: str, figures: dict[str, object]
) -> None:
    assert contend(partial(opened, Location(storage_root)), 200, ProcessPoolExecutor) == []
    figures |= {"objects": 200, "writers": WRITERS}


@pytest.mark.slow
def test_the_promise_holds_though_requests_go_wrong(proxied, s3_url: str, figures: dict[str, Any]) -> None:
    proxy = proxied(Faults(seed=3))
    assert contend(partial(opened, Location(s3_url, {"endpoint_url": proxy.endpoint})), 200) == []
    figures |= {"objects": 200, "writers": WRITERS, "requests": proxy.requests, **proxy.happened}
    assert proxy.happened.total() > 50
