"""What S3 promises besides: lost answers, throttling, credentials, parts and pages, on a real server."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from tests.support.lost_answers import Send, instead, losing_answers
from tilepress.pipeline.errors import AlreadyExists, MissingError, StorageError, TransientStorageError
from tilepress.pipeline.storage import retry
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.s3 import upload
from tilepress.pipeline.storage.s3.client import client


def names(storage: Storage, prefix: str = "") -> list[str]:
    return [entry.name for entry in storage.list(prefix)]


def test_large_uploads_go_in_parts_and_stay_create_only(s3_url, tmp_path, monkeypatch):
    monkeypatch.setattr(upload, "SINGLE_LIMIT", 1 << 20)
    monkeypatch.setattr(upload, "PART_BYTES", 5 << 20)  # the least that S3 accepts
    storage, content = open_storage(s3_url), os.urandom(12 << 20)
    storage.create("big", content)
    assert storage.read("big") == content
    monkeypatch.setattr(upload, "_exists", lambda *_: False)  # as if it were created meanwhile
    with pytest.raises(AlreadyExists):
        storage.create("big", content[::-1])
    spool = tmp_path / "spool"
    spool.write_bytes(content)
    storage.create_file("big2", spool)
    assert storage.read_ranges("big2", [(5 << 20, 1000)]) == [content[5 << 20 : (5 << 20) + 1000]]
    assert storage.remove_stale_temporaries(older_than_s=0) == 0


def test_unfinished_uploads_are_removed(s3_url):
    storage = open_storage(s3_url)
    storage.create("x", b"")
    bucket, key = s3_url.removeprefix("s3://").split("/")
    client().call_s3("create_multipart_upload", Bucket=bucket, Key=f"{key}/part")
    assert storage.remove_stale_temporaries(older_than_s=3600) == 0
    assert storage.remove_stale_temporaries(older_than_s=-5) == 1
    assert storage.remove_stale_temporaries(older_than_s=-5) == 0


def requests_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the S3 requests sent from now on."""
    sent: list[str] = []

    async def noting(send: Send, name: str, params: dict) -> object:
        sent.append(name)
        return await send(name, params)

    instead(monkeypatch, noting)
    return sent


def test_reading_takes_one_request_a_range_and_none_besides(s3_url, monkeypatch):
    storage = open_storage(s3_url)
    storage.create("x", bytes(100))
    sent = requests_of(monkeypatch)
    storage.read_ranges("x", [(0, 10), (50, 10)])
    assert sent == ["GetObject"] * 2
    with storage.open_source("x"):
        assert sent == ["GetObject"] * 3


@pytest.mark.parametrize("arrived", [True, False])
def test_a_lost_answer_to_create_changes_nothing(s3_url, monkeypatch, tmp_path, arrived):
    storage, spool = open_storage(s3_url), tmp_path / "spool"
    spool.write_bytes(b"mine")
    lost = losing_answers(monkeypatch, arrived=arrived)
    storage.create("x", b"mine")
    storage.create_file("y", spool)
    storage.write("z", b"mine")
    assert [storage.read(name) for name in "xyz"] == [b"mine"] * 3 and len(lost) == 3
    with pytest.raises(AlreadyExists):
        storage.create("x", b"mine")


def test_lost_answers_to_an_upload_in_parts_leave_the_object_and_nothing_besides(s3_url, monkeypatch):
    monkeypatch.setattr(upload, "SINGLE_LIMIT", 1 << 20)
    monkeypatch.setattr(upload, "PART_BYTES", 5 << 20)
    storage, content = open_storage(s3_url), os.urandom(6 << 20)
    storage.create("x", b"")
    bucket, key = s3_url.removeprefix("s3://").split("/")
    client().call_s3("create_multipart_upload", Bucket=bucket, Key=f"{key}/big and more")
    lost = losing_answers(monkeypatch)
    storage.create("big", content)
    assert storage.read("big") == content and len(lost) == 4
    assert storage.remove_stale_temporaries(older_than_s=-5) == 1  # that of the other object


def test_throttling_is_waited_for(s3_url, monkeypatch):
    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(first_delay_s=0.01))
    storage, refused = open_storage(s3_url), []
    storage.create("x", b"1")

    async def busy(send: Send, name: str, params: dict) -> object:
        if len(refused) < 3:
            refused.append(name)
            answer = {"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
            raise ClientError(answer, name)
        return await send(name, params)

    instead(monkeypatch, busy)
    assert storage.read("x") == b"1" and len(refused) == 3
    refused.clear()
    storage.create("y", b"2")
    with pytest.raises(AlreadyExists):  # refused attempts leave no doubt about whose object it is
        refused.clear()
        storage.create("y", b"3")


@pytest.mark.slow
def test_an_unreachable_server_is_reported_within_seconds(s3_url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(TransientStorageError, match="AWS_ENDPOINT_URL") as caught:
        open_storage(s3_url).read("x")
    assert time.monotonic() - start < 15 and caught.value.exit_code == 5


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_named_at_once(s3_url, monkeypatch, variable):
    monkeypatch.setenv(variable, "wrong")
    storage = open_storage(s3_url)
    for action in (lambda: storage.read("x"), lambda: names(storage), lambda: storage.create("x", b"")):
        with pytest.raises(StorageError, match="AWS_SECRET_ACCESS_KEY") as caught:
            action()
        assert not isinstance(caught.value, TransientStorageError | MissingError)


def test_a_missing_bucket_is_named(s3_url):
    with pytest.raises(MissingError, match="bucket"):
        names(open_storage("s3://no-such-bucket/x"))


def test_a_forked_child_gets_connections_of_its_own(s3_url, monkeypatch):
    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(attempts=1))
    storage = open_storage(s3_url)
    contents = {"parent": b"p" * 50_000, "child": b"c" * 70_000}
    for name, content in contents.items():
        storage.create(name, content)

    def all_right(name: str) -> bool:
        return all(storage.read(name) == contents[name] for _ in range(50))

    if (child := os.fork()) == 0:
        with contextlib.suppress(BaseException):
            os._exit(0 if all_right("child") else 1)
        os._exit(2)
    assert all_right("parent")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.slow
def test_a_child_forked_in_the_middle_of_requests_makes_its_own(s3_url):
    storage, stop = open_storage(s3_url), threading.Event()
    storage.create("x", b"x" * 200_000)

    def read_on() -> int:
        count = 0
        while not stop.is_set():
            count += storage.read("x") == b"x" * 200_000
        return count

    with ThreadPoolExecutor(3) as threads:
        readers = [threads.submit(read_on) for _ in range(3)]
        for number in range(3):
            time.sleep(0.1)
            if (child := os.fork()) == 0:
                with contextlib.suppress(BaseException):
                    storage.create(f"child-{number}", storage.read("x"))
                    os._exit(0)
                os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        stop.set()
    assert all(reader.result() > 0 for reader in readers)
    assert names(storage) == ["child-0", "child-1", "child-2", "x"]


def test_a_client_is_made_once_for_the_same_settings_and_anew_for_others(s3_url, monkeypatch):
    first = client()
    assert client() is first and client({}) is first
    assert client({"requester_pays": True}) is not first
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    assert client() is not first


@pytest.mark.slow
def test_listings_of_more_than_a_page_are_complete(s3_url):
    storage = open_storage(s3_url)
    made = [f"{i % 7}/{i:04d}" for i in range(1100)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: storage.create(name, b"1"), made))  # empty bodies cost a connection each
    assert names(storage) == sorted(made)
