"""What goes over the wire to an S3 server, and what broken connections mean."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.support.scripted_server import CLOSE, OK, RESET, TAKEN, ScriptedServer, content
from tilepress.pipeline.errors import AlreadyExists, TransientStorageError
from tilepress.pipeline.storage import retry
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.s3 import bucket
from tilepress.pipeline.storage.s3.errors import may_have_arrived


@pytest.fixture
def patience(monkeypatch):
    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(attempts=3, first_delay_s=0.01))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return monkeypatch


@contextlib.contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, *answers: bytes) -> Iterator[tuple[ScriptedServer, Storage]]:
    with ScriptedServer(list(answers)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        yield server, open_storage("s3://bucket/p")


@pytest.mark.parametrize("end", [CLOSE, RESET])
@pytest.mark.parametrize("data", [b"", b"mine", bytes(3 << 20)])
def test_a_create_whose_connection_breaks_is_sent_once_more_by_us_alone_and_compared(patience, end, data):
    # aiohttp by itself repeats a PUT on a connection that was used before, and what it is told then is all we hear
    with serving(patience, OK, end, TAKEN, content(b"", len(data)), content(data)) as (server, storage):
        storage.create("first", b"1")
        storage.create("x", data)
        sent = [request.line.split()[:2] for request in server.requests]
        assert sent == [["PUT", "/bucket/p/first"], *([verb, "/bucket/p/x"] for verb in ("PUT", "PUT", "HEAD", "GET"))]
        assert [request.body for request in server.requests[:3]] == [b"1", data, data]
        assert server.requests[0].connection == server.requests[1].connection  # kept alive: the case in question


@pytest.mark.parametrize("there", [b"theirs", b"them"])
def test_an_object_of_other_content_is_somebody_elses_though_an_answer_was_lost(patience, there):
    with serving(patience, CLOSE, TAKEN, content(b"", len(there)), content(there)) as (server, storage):
        with pytest.raises(AlreadyExists):
            storage.create("x", b"mine")
        assert len(server.requests) == 3 + (len(there) == len(b"mine"))


def test_a_create_that_is_refused_at_once_is_not_in_doubt(patience):
    with serving(patience, TAKEN) as (server, storage):
        with pytest.raises(AlreadyExists):
            storage.create("x", b"mine")
        assert len(server.requests) == 1


def test_a_request_that_no_server_took_cannot_have_arrived(patience):
    with serving(patience) as (server, storage):
        pass
    with pytest.raises(TransientStorageError) as caught:
        storage.create("x", b"mine")
    assert not may_have_arrived(caught.value)
    assert not server.requests


@pytest.mark.parametrize("spool_from", [1, 1 << 30])
def test_content_that_is_cut_short_is_fetched_again(patience, spool_from):
    patience.setattr(bucket, "SPOOL_FROM", spool_from)
    short, whole = content(b"half", 8), content(b"complete")
    with serving(patience, short, whole, short, whole, short, short, short) as (server, storage):
        assert storage.read_ranges("x", [(0, 8)]) == [b"complete"]
        with storage.open_source("x") as data:
            assert data[:] == b"complete"
        with pytest.raises(TransientStorageError), storage.open_source("x"):
            pass
        assert len(server.requests) == 7


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a//b", "a//b"),
        ("a/./b", "a/./b"),
        ("a/../b", "a/../b"),
        ("x?versionId=3", "x%3FversionId%3D3"),
        ("1+2%20&#ü", "1%2B2%2520%26%23%C3%BC"),
        ("a/", "a/"),
    ],
)
def test_keys_arrive_as_they_are(patience, name, path):
    with serving(patience, content(b"1"), OK) as (server, storage):
        assert storage.read(name) == b"1"
        storage.remove(name)
        assert [request.line for request in server.requests] == [
            f"GET /bucket/p/{path} HTTP/1.1",
            f"DELETE /bucket/p/{path} HTTP/1.1",
        ]
