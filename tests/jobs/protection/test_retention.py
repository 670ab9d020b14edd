"""Retention: objects of an archive that its bucket lets nobody remove, on a server that has object lock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.errors import UsageError
from tilepress.jobs.cli.app import _run
from tilepress.pipeline.storage.base import open_storage
from tilepress.pipeline.storage.s3.client import client
from tilepress.pipeline.storage.s3.retention import retain

LOCKED = "retained"


@pytest.fixture(scope="module")
def bucket(s3_server) -> str:
    """URL of a bucket with object lock."""
    client().call_s3("create_bucket", Bucket=LOCKED, ObjectLockEnabledForBucket=True)
    return f"s3://{LOCKED}"


def retention(name: str) -> dict:
    return client().call_s3("get_object_retention", Bucket=LOCKED, Key=name)["Retention"]


@pytest.mark.slow  # the requests are tested by themselves
def test_every_object_of_an_archive_is_kept_by_its_bucket(bucket, tmp_path):
    write_tree(tmp_path, {"a.png": encoded(image_of("RGB", 40, 40), "PNG"), "b.txt": b"text"})
    archive = f"{bucket}/archive"
    tilepress.compress(tmp_path, archive, codec="jpegxl", parity=20, **ONE)
    report = tilepress.protect(archive, days=3)
    left = datetime.fromisoformat(report.until) - datetime.now(UTC)
    assert timedelta(days=2, hours=23) < left <= timedelta(days=3) and report.longer == 0
    names = [entry.name for entry in open_storage(archive).list() if entry.name != "run-report.json"]
    assert report.retained == len(names) and "runs/0001/manifest.parquet" in names
    assert {retention(f"archive/{name}")["Mode"] for name in names} == {"GOVERNANCE"}
    version = client().call_s3("head_object", Bucket=LOCKED, Key=f"archive/{names[0]}")["VersionId"]
    with pytest.raises(PermissionError):
        client().call_s3("delete_object", Bucket=LOCKED, Key=f"archive/{names[0]}", VersionId=version)
    again = tilepress.protect(archive, days=1)
    assert (again.retained, again.longer) == (0, len(names))
    assert retention(f"archive/{names[0]}")["RetainUntilDate"] == datetime.fromisoformat(report.until)


def test_a_bucket_without_object_lock_is_refused_before_any_work(s3_url, tmp_path, capsys):
    write_tree(tmp_path, {"b.txt": b"text"})
    tilepress.compress(tmp_path, s3_url, **ONE)
    before = [entry.name for entry in open_storage(s3_url).list()]
    with pytest.raises(UsageError, match="has no object lock"):
        tilepress.protect(s3_url, days=3, parity=3)
    assert [entry.name for entry in open_storage(s3_url).list()] == before
    assert _run(["protect", s3_url, "--days", "3"]) == 2
    assert "a bucket gets it when it is made" in capsys.readouterr().err


def test_a_stricter_mode_is_never_made_weaker_nor_a_later_date_earlier():
    """What is sent, by a store that only remembers: SeaweedFS would keep objects in compliance mode for good."""
    day = datetime(2026, 11, 28, tzinfo=UTC)
    held: dict = {}
    sent = []

    def send(operation, **parameters):
        if operation == "get_object_retention":
            return {"Retention": dict(held)} if held else {}
        sent.append(parameters["Retention"])
        held.update(parameters["Retention"])
        return {}

    address = {"Bucket": "b", "Key": "k"}
    for days, mode, is_set in (
        (3, "governance", True),
        (2, "governance", False),
        (2, "compliance", True),
        (9, "governance", True),
        (8, "governance", False),
    ):
        assert retain(send, address, day + timedelta(days=days), mode) is is_set
    assert sent == [
        {"Mode": "GOVERNANCE", "RetainUntilDate": day + timedelta(days=3)},
        {"Mode": "COMPLIANCE", "RetainUntilDate": day + timedelta(days=3)},
        {"Mode": "COMPLIANCE", "RetainUntilDate": day + timedelta(days=9)},
    ]
