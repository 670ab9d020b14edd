"""What every storage promises: on a local folder, on a real S3 server and, where it can be kept, in memory."""

from __future__ import annotations

import copy
import mmap
import subprocess
import sys
import time

import pytest

from tilepress.pipeline.archive.layout import create_archive, is_create_only
from tilepress.pipeline.errors import AlreadyExists, ChangedError, MissingError, StorageError, UnsafeName, UsageError
from tilepress.pipeline.storage import local
from tilepress.pipeline.storage.base import Storage, check_name, open_storage
from tilepress.pipeline.storage.s3 import bucket


def names(storage: Storage, prefix: str = "") -> list[str]:
    return [entry.name for entry in storage.list(prefix)]


def test_what_was_created_is_read_back(storage):
    storage.create("runs/0001/a.bin", b"hello")
    assert storage.read("runs/0001/a.bin") == b"hello"
    assert storage.size("runs/0001/a.bin") == 5
    assert storage.exists("runs/0001/a.bin")
    with storage.open_source("runs/0001/a.bin") as data:
        assert bytes(data) == b"hello"


def test_empty_objects_and_names_in_any_script_are_kept(storage):
    for name in ("empty", "mäßig/写真 1+2%20&?versionId=3.png", "a#b", "🎨"):
        storage.create(name, b"")
        assert storage.read(name) == b""
    assert names(storage) == sorted(["empty", "mäßig/写真 1+2%20&?versionId=3.png", "a#b", "🎨"])


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_written(storage, kind):
    storage.create("x", kind(b"content"))
    storage.write("x", kind(b"other"), overwrite=True)
    assert storage.read("x") == b"other"


def test_a_local_file_can_be_written(storage, tmp_path):
    spool = tmp_path / "spool"
    spool.write_bytes(bytes(range(256)) * 40)
    storage.create_file("a/b", spool)
    storage.write_file("a/c", spool)
    assert storage.read("a/b") == storage.read("a/c") == spool.read_bytes()
    with pytest.raises(AlreadyExists):
        storage.create_file("a/b", spool)


def test_ranges_are_read_in_the_order_asked(storage):
    storage.create("x", bytes(range(200)))
    wanted = [(100, 3), (0, 1), (199, 1), (5, 0), (0, 200)]
    assert storage.read_ranges("x", wanted) == [bytes(range(o, o + n)) for o, n in wanted]
    assert storage.read_ranges("x", []) == []


@pytest.mark.parametrize("beyond", [(0, 11), (9, 2), (10, 1), (500, 5), (-1, 2), (3, -1), (0, 1 << 50)])
def test_a_range_beyond_the_end_is_an_error_and_never_short(storage, beyond):
    storage.create("x", bytes(10))
    with pytest.raises(StorageError):
        storage.read_ranges("x", [(0, 2), beyond])


def test_missing_objects_have_one_error(storage):
    storage.create("folder/x", b"1")
    for name in ("none", "folder", "folder/x/y", "no/such/folder"):
        assert not storage.exists(name)
        for action in (storage.read, storage.size, lambda n: storage.read_ranges(n, [(0, 1)])):
            with pytest.raises(MissingError):
                action(name)
        with pytest.raises(MissingError), storage.open_source(name):
            pass


def test_create_refuses_a_name_that_is_taken_and_changes_nothing(storage):
    storage.create("x", b"first")
    for action in (storage.create, storage.write):
        with pytest.raises(AlreadyExists):
            action("x", b"second")
    assert storage.read("x") == b"first"
    assert names(storage) == ["x"]


def test_a_store_without_the_create_only_promise_is_found_out(storage, monkeypatch):
    create_archive(storage)
    content = {name: storage.read(name) for name in names(storage)}
    assert is_create_only(storage)
    monkeypatch.setattr(storage, "create", lambda name, data: storage.write(name, data, overwrite=True))
    assert not is_create_only(storage)
    assert {name: storage.read(name) for name in names(storage)} == content


@pytest.mark.parametrize("size", [3, pytest.param(100_000, marks=pytest.mark.slow)])
def test_of_eight_concurrent_creators_exactly_one_wins(storage_root, create_at_once, size):
    storage = open_storage(storage_root)
    (winner,) = create_at_once(storage, "runs/one", [bytes([who]) * size for who in range(8)])
    assert storage.read("runs/one") == bytes([winner]) * size
    assert names(storage) == ["runs/one"]


def test_overwriting_replaces_the_whole_object(storage):
    storage.write("x", b"long content")
    storage.write("x", b"new", overwrite=True)
    storage.flush()
    assert storage.read("x") == b"new"


def test_removed_objects_are_gone(storage):
    storage.create("a/x", b"")
    storage.remove("a/x")
    assert names(storage) == [] and not storage.exists("a/x")


def test_listing_is_recursive_sorted_by_bytes_and_limited_to_a_prefix(storage):
    made = ["a-b", "a.b", "a/b", "a/b.c/d", "a/b/c" if isinstance(storage, bucket.S3Storage) else "a/bc", "a0"]
    made += ["B", ".hidden/x", "é", "z/\U0001f600", "z/\uffff"]
    for name in made:
        storage.create(name, name.encode())
    expected = sorted(made, key=str.encode)
    assert names(storage) == expected
    for prefix in ("a", "a/", "a/b", "z/", "none", "none/at/all"):
        assert names(storage, prefix) == [name for name in expected if name.startswith(prefix)]
    assert [entry.size for entry in storage.list()] == [len(name.encode()) for name in expected]
    assert storage.folders() == sorted({name.split("/")[0] for name in made if "/" in name})
    assert storage.folders("z/") == [] and storage.folders("none/") == []


def test_a_place_that_does_not_exist_lists_as_empty(storage):
    assert names(storage) == [] and storage.folders() == []


def test_listed_facts_agree_with_those_of_the_object(storage):
    storage.create("x", b"123")
    (entry,) = storage.list()
    assert storage.stat("x").fingerprint == entry.fingerprint
    assert abs(entry.modified_ns / 1e9 - time.time()) < 60


def test_a_changed_object_is_not_taken_for_the_one_that_was_listed(storage):
    storage.create("x", b"123")
    (entry,) = storage.list()
    with storage.open_source("x", expect=entry) as data:
        assert bytes(data) == b"123"
    storage.write("x", b"1234", overwrite=True)
    with pytest.raises(ChangedError), storage.open_source("x", expect=entry):
        pass


def test_errors_of_the_caller_pass_through_open_source_unchanged(storage):
    storage.create("x", b"123")
    for kind in (FileExistsError, AlreadyExists, ValueError):
        with pytest.raises(kind), storage.open_source("x"):
            raise kind("mine")


UNSAFE = ["", "/etc/passwd", "../x", "a/../../x", "a/..", ".", "a//b", "a/", "a\0b", "./a"]


@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_escape_are_refused(storage, name):
    with pytest.raises(UnsafeName):
        check_name(name)
    for action in (storage.create, storage.write):
        with pytest.raises(UnsafeName):
            action(name, b"evil")


def test_a_storage_is_sent_by_its_location_and_not_pickled(storage):
    storage.create("x", b"1")
    assert open_storage(storage.url).read("x") == b"1"
    assert copy.deepcopy(storage.location).open().read("x") == b"1"  # by the protocol of pickle
    with pytest.raises(TypeError, match=r"\.location"):
        copy.deepcopy(storage)


def test_large_objects_come_mapped_from_disk(storage_root, monkeypatch):
    monkeypatch.setattr(local, "MAP_FROM", 1000)
    monkeypatch.setattr(bucket, "SPOOL_FROM", 1000)
    storage = open_storage(storage_root)
    content = bytes(range(250)) * 20
    storage.create("large", content)
    storage.create("small", content[:999])
    with storage.open_source("large") as data:
        assert isinstance(data, mmap.mmap) and data[:] == content
    with storage.open_source("small") as data:
        assert data == content[:999]


def test_other_urls_and_mistakes_in_urls_have_clear_errors(tmp_path):
    assert open_storage(f"file://{tmp_path}").url == str(tmp_path)
    assert open_storage(f"{tmp_path}/a/../b/").url == f"{tmp_path}/b"
    with pytest.raises(UsageError, match="nonsense"):
        open_storage("nonsense://x/y").read("z")
    with pytest.raises(UsageError, match="bucket"):
        open_storage("s3:///x")


def test_local_storage_needs_no_cloud_libraries():
    code = "import sys, tilepress.pipeline.storage.base as s; s.open_storage('.').exists('x'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fsspec", "s3fs", "botocore", "aiohttp", "torch", "ray", "numpy"} & set(loaded)
