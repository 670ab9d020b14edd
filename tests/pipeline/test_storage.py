"""What every storage promises, on a local folder, on a real S3 server and, where it can keep it, in memory."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tilepress.pipeline import local_publish, local_storage, retry, s3_storage, s3_upload
from tilepress.pipeline.errors import (
    AlreadyExists,
    ChangedError,
    MissingError,
    StorageError,
    TransientStorageError,
    UnsafeName,
    UsageError,
)
from tilepress.pipeline.external_sort import sorted_by_name
from tilepress.pipeline.storage import Entry, Storage, check_name, open_storage


@pytest.fixture(params=["local", "s3", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "memory":
        return open_storage(f"memory://{tmp_path.name}-{time.monotonic_ns()}/root")
    return open_storage(request.getfixturevalue("s3_url") if request.param == "s3" else str(tmp_path / "root"))


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
    assert storage.probe_create_only()
    assert names(storage) == ["x"]


def test_the_probe_finds_a_store_without_the_create_only_promise(storage, monkeypatch):
    monkeypatch.setattr(storage, "create", lambda name, data: storage.write(name, data, overwrite=True))
    assert not storage.probe_create_only()
    assert names(storage) == []


@pytest.mark.parametrize("size", [3, 100_000])
def test_of_eight_concurrent_creators_exactly_one_wins(storage_root, size):
    storage = open_storage(storage_root)

    def create(who: int) -> bool:
        try:
            storage.create("runs/one", bytes([who]) * size)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(create, range(8)))
    assert won.count(True) == 1
    assert storage.read("runs/one") == bytes([won.index(True)]) * size
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
    made = ["a-b", "a.b", "a/b", "a/b.c/d", "a/b/c" if isinstance(storage, s3_storage.S3Storage) else "a/bc", "a0"]
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


def test_a_storage_is_sent_by_its_url_and_not_pickled(storage):
    storage.create("x", b"1")
    assert open_storage(storage.url).read("x") == b"1"
    with pytest.raises(TypeError, match=r"\.url"):
        storage.__reduce__()


def test_large_objects_come_mapped_from_disk(storage_root, monkeypatch):
    monkeypatch.setattr(local_storage, "MAP_FROM", 1000)
    monkeypatch.setattr(s3_storage, "SPOOL_FROM", 1000)
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
    code = "import sys, tilepress.pipeline.storage as s; s.open_storage('.').exists('x'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fsspec", "s3fs", "botocore", "aiohttp", "torch", "ray", "numpy"} & set(loaded)


# Local folders


def test_killing_a_writer_leaves_nothing_under_the_final_name(tmp_path):
    code = (
        "import sys\nfrom tilepress.pipeline.storage import open_storage\n"
        "def content(out):\n"
        "    out.write(b'x' * 5_000_000); out.flush(); print('half', flush=True); sys.stdin.read()\n"
        "open_storage(sys.argv[1])._publish('runs/part', content, exclusive=True, durable=True)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], **pipes) as writer:
        assert writer.stdout.readline() == b"half\n"
        writer.send_signal(signal.SIGKILL)
    storage = open_storage(str(tmp_path))
    assert not storage.exists("runs/part") and names(storage) == []
    assert len(list((tmp_path / "runs").iterdir())) == 1
    assert storage.remove_stale_temporaries(older_than_s=3600) == 0
    assert storage.remove_stale_temporaries(older_than_s=0) == 1
    storage.create("runs/part", b"again")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["part"]


def test_a_failing_writer_leaves_nothing_behind(tmp_path, monkeypatch):
    storage = open_storage(str(tmp_path))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        storage.create("x", b"123")
    assert list(tmp_path.iterdir()) == []


def test_creating_is_exclusive_where_hard_links_are_missing(tmp_path, monkeypatch):
    def no_links(source: str, target: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    test_of_eight_concurrent_creators_exactly_one_wins(str(tmp_path), 1000)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["one"]


def test_the_claim_of_a_killed_writer_does_not_block_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(1, "no links")))
    monkeypatch.setattr(os, "rename", lambda *_: os._exit(9))
    if (child := os.fork()) == 0:
        open_storage(str(tmp_path)).create("x", b"never")
    os.waitpid(child, 0)
    monkeypatch.undo()
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(1, "no links")))
    (claim,) = tmp_path.glob(".claim-*")
    os.utime(claim, (0, 0))
    open_storage(str(tmp_path)).create("x", b"second")
    assert names(open_storage(str(tmp_path))) == ["x"]
    assert local_publish.TEMPORARY_SUFFIX in claim.name and not claim.exists()


def test_restored_files_never_pass_a_link_that_leaves_the_root(tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (root / "inside").mkdir()
    (root / "way-out").symlink_to(outside)
    (root / "dangling").symlink_to(tmp_path / "nowhere")
    (root / "alias").symlink_to("inside")
    (outside / "victim").write_bytes(b"precious")
    (root / "file-link").symlink_to(outside / "victim")
    storage = open_storage(str(root))
    for name in ("way-out/x", "way-out/deep/x", "dangling/x"):
        with pytest.raises(UnsafeName):
            storage.write(name, b"evil", overwrite=True)
    storage.write("alias/x", b"fine")
    storage.write("file-link", b"replaces the link", overwrite=True)
    assert (outside / "victim").read_bytes() == b"precious"
    assert sorted(path.name for path in outside.iterdir()) == ["victim"]
    assert (root / "inside/x").read_bytes() == b"fine"


def test_modification_times_can_be_restored(tmp_path):
    storage = open_storage(str(tmp_path))
    storage.write("x", b"1")
    storage.set_modified("x", 1_234_567_890_123_456_789)
    assert (tmp_path / "x").stat().st_mtime_ns == storage.stat("x").modified_ns == 1_234_567_890_123_456_789


@pytest.mark.parametrize("threshold", [1, 1 << 30])
def test_a_local_file_that_changes_while_it_is_read_is_noticed(tmp_path, monkeypatch, threshold):
    monkeypatch.setattr(local_storage, "MAP_FROM", threshold)
    storage, path = open_storage(str(tmp_path)), tmp_path / "x"
    path.write_bytes(b"123")
    if threshold > 3:
        original = local_storage._content
        monkeypatch.setattr(local_storage, "_content", lambda *a: (original(*a), path.write_bytes(b"4567"))[0])
    with pytest.raises(ChangedError), storage.open_source("x"):
        path.write_bytes(b"4567")


def test_a_file_in_the_way_of_a_folder_is_explained(tmp_path):
    storage = open_storage(str(tmp_path))
    storage.create("a", b"")
    with pytest.raises(StorageError, match="in the way"):
        storage.create("a/b", b"")


# S3


def test_large_uploads_go_in_parts_and_stay_create_only(s3_url, tmp_path, monkeypatch):
    monkeypatch.setattr(s3_upload, "SINGLE_LIMIT", 1 << 20)
    monkeypatch.setattr(s3_upload, "PART_BYTES", 5 << 20)  # the least that S3 accepts
    storage, content = open_storage(s3_url), os.urandom(12 << 20)
    storage.create("big", content)
    assert storage.read("big") == content
    monkeypatch.setattr(s3_upload, "_exists", lambda *_: False)  # as if it were created meanwhile
    with pytest.raises(AlreadyExists):
        storage.create("big", content[::-1])
    spool = tmp_path / "spool"
    spool.write_bytes(content)
    storage.create_file("big2", spool)
    assert storage.read_ranges("big2", [(5 << 20, 1000)]) == [content[5 << 20 : (5 << 20) + 1000]]
    assert storage.remove_stale_temporaries(older_than_s=0) == 0


def test_unfinished_uploads_are_removed(s3_url):
    from tilepress.pipeline.s3_client import client

    storage = open_storage(s3_url)
    storage.create("x", b"")
    bucket, key = s3_url.removeprefix("s3://").split("/")
    client().create_multipart_upload(Bucket=bucket, Key=f"{key}/part")
    assert storage.remove_stale_temporaries(older_than_s=3600) == 0
    assert storage.remove_stale_temporaries(older_than_s=-5) == 1
    assert storage.remove_stale_temporaries(older_than_s=-5) == 0


def requests_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the S3 requests sent from now on."""
    from tilepress.pipeline.s3_client import client

    sent: list[str] = []
    s3, original = client(), client()._make_api_call
    monkeypatch.setattr(s3, "_make_api_call", lambda name, params: (sent.append(name), original(name, params))[1])
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
def test_a_lost_answer_to_create_is_reported_as_doubt_or_repaired(s3_url, monkeypatch, arrived):
    from botocore.exceptions import ConnectionClosedError

    from tilepress.pipeline.s3_client import client

    storage, original, lost = open_storage(s3_url), client()._make_api_call, []

    def lossy(name: str, params: dict) -> object:
        if lost:
            return original(name, params)
        lost.append(original(name, params) if arrived else None)
        raise ConnectionClosedError(endpoint_url="test")

    monkeypatch.setattr(client(), "_make_api_call", lossy)
    with pytest.raises(TransientStorageError, match="compare it") if arrived else contextlib.nullcontext():
        storage.create("x", b"mine")
    assert storage.read("x") == b"mine"


def test_throttling_is_waited_for(s3_url, monkeypatch):
    from botocore.exceptions import ClientError

    from tilepress.pipeline.s3_client import client

    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(first_delay_s=0.01))
    storage, original, refused = open_storage(s3_url), client()._make_api_call, []
    storage.create("x", b"1")

    def busy(name: str, params: dict) -> object:
        if len(refused) < 3:
            refused.append(name)
            answer = {"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
            raise ClientError(answer, name)
        return original(name, params)

    monkeypatch.setattr(client(), "_make_api_call", busy)
    assert storage.read("x") == b"1" and len(refused) == 3
    refused.clear()
    storage.create("y", b"2")
    with pytest.raises(AlreadyExists):  # refused attempts leave no doubt about whose object it is
        refused.clear()
        storage.create("y", b"3")


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


def test_listings_of_more_than_a_page_are_complete(s3_url):
    storage = open_storage(s3_url)
    made = [f"{i % 7}/{i:04d}" for i in range(1100)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: storage.create(name, b""), made))
    assert names(storage) == sorted(made)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 57])
def test_sorting_beyond_memory_keeps_every_entry_in_order(count):
    made = [Entry(f"{i * 37 % 101} \n é", i, f"e{i}", i) for i in range(count)]
    assert list(sorted_by_name(made, run_length=10)) == sorted(made, key=lambda entry: entry.name)
