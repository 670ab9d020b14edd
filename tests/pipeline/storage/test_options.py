"""How storages are reached: profiles, FSSPEC_* variables, fsspec's files, storage_options, nobody's name."""

from __future__ import annotations

import copy
import json
import os
import zipfile
from pathlib import Path

import pytest

from tilepress.pipeline.errors import StorageError, TransientStorageError, UsageError
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.base import Location, open_storage
from tilepress.pipeline.storage.options import StorageOptions

SECRET = "tilepress-secret"


@pytest.fixture
def reached_by(s3_server, monkeypatch, tmp_path) -> dict[str, str]:
    """What reaches the server, in s3fs's words; nothing in the environment does."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return {"endpoint_url": s3_server.endpoint, "key": "tilepress", "secret": SECRET}


def write_profile(path: str, name: str, reached_by: dict[str, str]) -> None:
    names = {"key": "aws_access_key_id", "secret": "aws_secret_access_key"}
    lines = [f"{names.get(key, key)} = {value}" for key, value in reached_by.items()]
    with Path(path).open("a") as file:
        file.write("\n".join([f"[profile {name}]", *lines, ""]))


def test_without_any_of_them_nothing_is_reached(reached_by, s3_url):
    with pytest.raises(StorageError, match=r"no credentials found.*AWS_PROFILE or storage_options"):
        open_storage(s3_url).create("x", b"1")


def test_storage_options_reach_a_server(reached_by, s3_url):
    storage = open_storage(s3_url, reached_by)
    storage.create("x", b"1")
    assert copy.deepcopy(storage.location).open().read("x") == b"1"  # by the protocol of pickle, as to a worker
    assert [entry.name for entry in storage.list()] == ["x"]


@pytest.mark.parametrize("by_option", [True, False])
def test_a_profile_of_the_aws_config_file(reached_by, s3_url, monkeypatch, by_option):
    write_profile(os.environ["AWS_CONFIG_FILE"], "work", reached_by)
    write_profile(os.environ["AWS_CONFIG_FILE"], "wrong", reached_by | {"secret": "wrong"})
    if not by_option:
        monkeypatch.setenv("AWS_PROFILE", "work")
    storage = open_storage(s3_url, {"profile": "work"} if by_option else None)
    storage.create("x", b"1")
    assert storage.read("x") == b"1"
    with pytest.raises(StorageError, match="access denied"):
        open_storage(s3_url, {"profile": "wrong"}).read("x")
    with pytest.raises(UsageError, match=r"\(missing\) could not be found; check AWS_PROFILE"):
        open_storage(s3_url, {"profile": "missing"}).read("x")


def test_fsspec_variables(reached_by, s3_url, monkeypatch):
    for name, value in reached_by.items():
        monkeypatch.setenv(f"FSSPEC_S3_{name.upper()}", value)
    storage = open_storage(s3_url)
    storage.create("x", b"1")
    monkeypatch.setenv("FSSPEC_S3_SECRET", "wrong")  # they count as they are now, as the AWS_* variables do
    with pytest.raises(StorageError, match="access denied"):
        storage.read("x")
    assert open_storage(s3_url, {"secret": SECRET}).read("x") == b"1"  # what is said in the call wins


def test_fsspec_files(reached_by, s3_url, monkeypatch, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/s3.json").write_text(json.dumps({"s3": reached_by}))
    monkeypatch.setenv("FSSPEC_CONFIG_DIR", str(tmp_path / "conf"))
    open_storage(s3_url).create("x", b"1")
    assert open_storage(s3_url, reached_by).read("x") == b"1"


def test_anonymous_access(reached_by, s3_server, s3_url):
    public = s3_server.new_prefix("public")
    open_storage(public, reached_by).create("x", b"1")
    nobody = {"endpoint_url": s3_server.endpoint, "anon": True}
    storage = open_storage(public, nobody)
    assert storage.read("x") == b"1" and [entry.name for entry in storage.list()] == ["x"]
    for action in (lambda: storage.create("y", b"1"), lambda: open_storage(s3_url, nobody).read("x")):
        with pytest.raises(StorageError, match="access denied"):
            action()


def test_places_of_one_call_may_be_reached_in_different_ways(reached_by, s3_server, s3_url):
    nobody = {"endpoint_url": s3_server.endpoint, "anon": True}
    public = s3_server.new_prefix("public")
    open_storage(public, reached_by).create("listed.txt", f"{s3_url}/x\n".encode())
    options = {"s3://public": nobody, "s3://tilepress": reached_by}
    open_storage(s3_url, options).create("x", b"1")
    collection = Collection.open(f"list:{public}/listed.txt", storage_options=options)
    (entry,) = collection.entries()
    with collection.open_source(entry) as data:
        assert data == b"1"
    for source in (s3_url, f"{s3_url}/x", f"{s3_url}/?"):
        assert [entry.name for entry in Collection.open(source, storage_options=options).entries()] == ["x"]
        data_set = Source(source, storage_options=StorageOptions(options)).open()
        assert [item.name for item in data_set.items()] == ["x"]
    with pytest.raises(UsageError, match="no archive"):
        open_archive(s3_url, storage_options=options)


def test_the_longest_beginning_of_a_url_counts():
    options = StorageOptions({"anon": False, "s3://b": {"key": "1"}, "s3://b/c/": {"key": "2"}, "gs://b": {"key": "3"}})
    assert options.at("s3://b") == options.at("s3://b/x") == options.at("s3://b/cd") == {"anon": False, "key": "1"}
    assert options.at("s3://b/c") == options.at("s3://b/c/d") == {"anon": False, "key": "2"}
    assert options.at("s3://bc") == {"anon": False}


def test_options_are_never_shown():
    options = StorageOptions({"secret": SECRET, "s3://b": {"secret": SECRET}})
    for shown in (
        options,
        Location("s3://b", options),
        open_storage("s3://b", options),
        Source("s3://b", (), (), storage_options=options),
    ):
        assert SECRET not in repr(shown) and SECRET not in f"{shown}"
    assert repr(options) == "StorageOptions(of s3://b, secret)"


@pytest.mark.parametrize(
    ("options", "named"), [({"nonsense": 1}, "nonsense"), ({"key": "a", "username": "b"}, "username")]
)
def test_options_that_s3fs_does_not_know_are_named(s3_url, options, named):
    with pytest.raises(UsageError, match=f"storage_options for S3: .*{named}"):
        open_storage(s3_url, options).read("x")


def test_other_file_systems_take_options_too(tmp_path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as file:
        file.writestr("folder/x", b"1")
    options = {"zip://": {"fo": str(tmp_path / "images.zip")}}
    assert open_storage("zip://folder", options).read("x") == b"1"
    assert [entry.name for entry in Collection.open("zip://folder", storage_options=options).entries()] == ["x"]


def test_config_kwargs_are_heard_but_for_attempts(reached_by, s3_url, monkeypatch):
    from tilepress.pipeline.storage import retry

    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(attempts=1))
    config = {"retries": {"total_max_attempts": 9}, "connect_timeout": 1, "s3": {"addressing_style": "virtual"}}
    with pytest.raises(TransientStorageError, match=r"//tilepress\.localhost"):  # not the path style of our own choice
        open_storage(s3_url, reached_by | {"endpoint_url": "http://localhost:9", "config_kwargs": config}).read("x")
