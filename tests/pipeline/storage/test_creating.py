"""An answer that is lost to whoever creates an object: the object is compared, on every kind of storage."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tests.support.lost_answers import losing_answers
from tilepress.pipeline.archive.layout import create_archive, is_create_only
from tilepress.pipeline.errors import AlreadyExists, MissingError, TransientStorageError
from tilepress.pipeline.storage import local, retry
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.creating import create_once, holds


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(attempts=3, first_delay_s=0.001))


def failing_after(action: Callable[..., Any], error: OSError) -> Callable[..., Any]:
    """`action`, which works and then raises `error`, at its first call."""
    called: list[int] = []

    def act(*given: Any, **named: Any) -> Any:
        result = action(*given, **named)
        called.append(1)
        if len(called) == 1:
            raise error
        return result

    return act


def memory(tmp_path: Path) -> Storage:
    return open_storage(f"memory://lost-{tmp_path.name}")


@pytest.mark.parametrize("there", [b"mine", b"them", b"longer"])
def test_in_a_folder_over_a_network_the_own_object_is_recognised(tmp_path, monkeypatch, there):
    def link(_: str, target: str) -> None:
        Path(target).write_bytes(there)

    monkeypatch.setattr(local, "link_exclusively", failing_after(link, OSError(errno.ETIMEDOUT, "timed out")))
    with contextlib.nullcontext() if there == b"mine" else pytest.raises(AlreadyExists):
        open_storage(str(tmp_path)).create("x", b"mine")
    assert (tmp_path / "x").read_bytes() == there


def test_a_claim_that_is_held_leaves_no_doubt(tmp_path, monkeypatch):
    storage, held = open_storage(str(tmp_path)), OSError(errno.EAGAIN, "another writer is creating it")
    monkeypatch.setattr(local, "link_exclusively", failing_after(local.link_exclusively, held))
    with pytest.raises(AlreadyExists):
        storage.create("x", b"mine")


def test_where_fsspec_reaches_the_own_object_is_recognised(tmp_path, monkeypatch):
    storage, spool = memory(tmp_path), tmp_path / "spool"
    spool.write_bytes(b"mine")
    monkeypatch.setattr(
        MemoryFileSystem, "pipe_file", failing_after(MemoryFileSystem.pipe_file, ConnectionResetError())
    )
    monkeypatch.setattr(MemoryFileSystem, "put_file", failing_after(MemoryFileSystem.put_file, TimeoutError()))
    storage.create("x", b"mine")
    storage.create_file("y", spool)
    assert storage.read("x") == storage.read("y") == b"mine"
    with pytest.raises(AlreadyExists):
        storage.create("x", b"mine")


def test_content_is_compared_to_its_last_byte(storage: Storage, tmp_path: Path) -> None:
    content = os.urandom((1 << 20) + 1)
    storage.create("x", content)
    spool = tmp_path / "spool"
    for other, same in ((content, True), (content[:-1] + bytes([content[-1] ^ 1]), False), (content[:-1], False)):
        spool.write_bytes(other)
        assert holds(storage, "x", other) is holds(storage, "x", spool) is same
    assert not holds(storage, "missing", b"")


def test_what_is_to_be_finished_and_gone_is_an_error_without_doubt_or_object() -> None:
    def gone() -> None:
        raise MissingError("there is no such upload")

    for is_same in (lambda: True, lambda: False):
        with pytest.raises(MissingError):
            create_once(gone, is_same)
    create_once(_lost_then(gone), lambda: True)
    with pytest.raises(MissingError):
        create_once(_lost_then(gone), lambda: False)


def _lost_then(second: Callable[[], None]) -> Callable[[], None]:
    def lost() -> None:
        raise TransientStorageError("no answer in time")

    attempts = iter([lost])
    return lambda: next(attempts, second)()


def test_a_store_is_known_to_be_create_only_though_answers_get_lost(s3_url, monkeypatch):
    storage = open_storage(s3_url)
    create_archive(storage)
    lost = losing_answers(monkeypatch)
    assert is_create_only(storage) and len(lost) == 1
