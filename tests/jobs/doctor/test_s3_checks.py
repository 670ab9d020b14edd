"""An S3 server passes, and one that ignores conditions or checksums, or hides or keeps uploads, is found out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from threading import Lock
from typing import Any

import pytest
from botocore.exceptions import ClientError

import tilepress
from tilepress.jobs.doctor import contention
from tilepress.jobs.doctor.checks import BROKEN, LOOK, OK, Finding
from tilepress.jobs.doctor.s3_checks import rejects_wrong_checksums, unfinished_uploads
from tilepress.jobs.doctor.scratch import Scratch
from tilepress.pipeline.storage.base import open_storage
from tilepress.pipeline.storage.s3.client import S3Client

Call = Callable[..., Any]
CHECKS = (contention.create_only, rejects_wrong_checksums, unfinished_uploads)


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contention, "_ROUNDS", 2)
    monkeypatch.setattr(contention, "_ROUNDS_IN_PARTS", 2)


def ignores(*parameters: str) -> Callable[[Call], Call]:
    """A server that does not know of some parameters."""

    def server(call: Call) -> Call:
        def changed(self: S3Client, method: str, **given: Any) -> Any:
            return call(self, method, **{name: value for name, value in given.items() if name not in parameters})

        return changed

    return server


def answers(wanted: str, answer: Callable[[], Any]) -> Callable[[Call], Call]:
    """A server that has an answer of its own to one kind of request."""

    def server(call: Call) -> Call:
        return lambda self, method, **given: answer() if method == wanted else call(self, method, **given)

    return server


def denied() -> Any:
    facts = {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    raise ClientError(facts, "ListMultipartUploads")


def one_at_a_time(call: Call) -> Call:
    """A server that decides about one upload after the other."""
    lock = Lock()

    def server(self: S3Client, method: str, **given: Any) -> Any:
        with lock if method == "complete_multipart_upload" else nullcontext():
            return call(self, method, **given)

    return server


@pytest.mark.parametrize("check", CHECKS)
def test_a_server_keeps_its_promises(check: Callable[[Scratch], Finding], s3_url: str) -> None:
    scratch = Scratch(open_storage(s3_url))
    found = check(scratch)
    assert found.outcome == OK, found.text
    scratch.clear()
    assert scratch.left == [] and not [*scratch.storage.list()]


def test_a_server_that_decides_about_one_upload_at_a_time_is_create_only_in_parts(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SeaweedFS 4.48 by itself is not: of uploads that end at the same moment it lets several create the object."""
    scratch = Scratch(open_storage(s3_url))
    monkeypatch.setattr(S3Client, "call_s3", one_at_a_time(S3Client.call_s3))
    found = contention.create_only_in_parts(scratch)
    assert found.outcome == OK, found.text
    scratch.clear()
    assert scratch.left == [] and open_storage(s3_url).unfinished() == []  # type: ignore[attr-defined]  # of S3


@pytest.mark.parametrize(
    ("server", "check", "outcome", "words"),
    [
        (ignores("IfNoneMatch"), contention.create_only, BROKEN, "had created it"),
        (ignores("IfNoneMatch"), contention.create_only_in_parts, BROKEN, "had created it"),
        (ignores("ChecksumCRC32", "ContentMD5"), rejects_wrong_checksums, BROKEN, "CRC-32 and MD5"),
        (ignores("ContentMD5"), rejects_wrong_checksums, LOOK, "a wrong MD5 is not noticed"),
        (answers("list_multipart_uploads", dict), unfinished_uploads, BROKEN, "is not listed"),
        (answers("abort_multipart_upload", dict), unfinished_uploads, BROKEN, "still there"),
        (answers("list_multipart_uploads", denied), unfinished_uploads, LOOK, "cannot be listed"),
    ],
)
def test_a_broken_promise_is_found(
    server: Callable[[Call], Call],
    check: Callable[[Scratch], Finding],
    outcome: str,
    words: str,
    s3_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scratch = Scratch(open_storage(s3_url))
    with monkeypatch.context() as patch:
        patch.setattr(S3Client, "call_s3", server(S3Client.call_s3))
        found = check(scratch)
    assert (found.outcome, words in found.text) == (outcome, True), found.text
    scratch.clear()
    assert scratch.left == []


@pytest.mark.slow
def test_the_whole_command_leaves_a_bucket_as_it_was(s3_url: str) -> None:
    before = {entry.name for entry in open_storage(s3_url).list()}
    report = tilepress.doctor(s3_url, thorough=True)
    wrong = {check.name: check.outcome for check in report.checks if check.outcome not in (OK, "not applicable")}
    # SeaweedFS lists back\slash as back/slash; see above for the other.
    assert wrong.items() <= {"names": LOOK, "create-only in parts": BROKEN}.items(), report.checks
    assert {entry.name for entry in open_storage(s3_url).list()} == before
    assert report.left == []


def test_a_server_that_is_not_there_is_not_reached(monkeypatch: pytest.MonkeyPatch, s3_url: str) -> None:
    from tilepress.pipeline.storage import retry

    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(attempts=1))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    report = tilepress.doctor(s3_url)
    assert report.exit_code == 5
    assert [(check.name, check.outcome) for check in report.checks][:1] == [("reachable", "not tried")]
