"""What local folders promise besides: durability, links, times, and no half-written file under a final name."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from tilepress.pipeline.errors import ChangedError, InTheWay, StorageError, UnsafeName, UnusableName
from tilepress.pipeline.storage import local, local_read
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.own_names import own_name


def names(storage: Storage, prefix: str = "") -> list[str]:
    return [entry.name for entry in storage.list(prefix)]


@pytest.mark.parametrize(("setting", "left"), [("", 0), ("import os\ndel os.O_TMPFILE\n", 1)])
def test_killing_a_writer_leaves_nothing_under_the_final_name(tmp_path, setting, left):
    code = setting + (
        "import sys\nfrom tilepress.pipeline.storage.base import open_storage\n"
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
    assert len(list((tmp_path / "runs").iterdir())) == left
    assert storage.remove_stale_temporaries(older_than_s=3600) == 0
    assert storage.remove_stale_temporaries(older_than_s=0) == left
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


def test_creating_is_exclusive_where_hard_links_are_missing(tmp_path, monkeypatch, create_at_once):
    def no_links(source: str, target: str, **_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    storage = open_storage(str(tmp_path))
    (winner,) = create_at_once(storage, "runs/one", [bytes([who]) * 1000 for who in range(8)])
    assert storage.read("runs/one") == bytes([winner]) * 1000
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["one"]


def test_the_claim_of_a_killed_writer_does_not_block_for_ever(tmp_path, monkeypatch):
    def no_links(source: str, target: str, **_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    storage = open_storage(str(tmp_path))
    if (child := os.fork()) == 0:
        os.rename = lambda *_: os._exit(9)  # killed while it holds the claim
        with contextlib.suppress(BaseException):
            storage.create("x", b"never")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    (claim,) = tmp_path.glob(".claim-*")
    os.utime(claim, (0, 0))
    storage.create("x", b"second")
    assert names(storage) == ["x"] and not claim.exists()
    assert storage.remove_stale_temporaries(older_than_s=0) == 1  # the killed writer's content


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
    storage.set_facts("x", 1_234_567_890_123_456_789, None)
    assert (tmp_path / "x").stat().st_mtime_ns == storage.stat("x").modified_ns == 1_234_567_890_123_456_789


@pytest.mark.parametrize("threshold", [1, 1 << 30])
def test_a_local_file_that_changes_while_it_is_read_is_noticed(tmp_path, monkeypatch, threshold):
    monkeypatch.setattr(local, "MAP_FROM", threshold)
    storage, path = open_storage(str(tmp_path)), tmp_path / "x"
    path.write_bytes(b"123")
    if threshold > 3:
        original = local_read._require_still
        monkeypatch.setattr(local_read, "_require_still", lambda *a: (path.write_bytes(b"4567"), original(*a))[1])
    with pytest.raises(ChangedError), storage.open_source("x"):
        path.write_bytes(b"4567")


def test_a_file_in_the_way_of_a_folder_is_explained(tmp_path):
    storage = open_storage(str(tmp_path))
    storage.create("a", b"")
    with pytest.raises(StorageError, match="in the way"):
        storage.create("a/b", b"")


def test_a_folder_in_the_way_of_a_file_is_explained(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(InTheWay, match="folder where a file is needed"):
        open_storage(str(tmp_path)).write("a", b"", overwrite=True)


@pytest.mark.parametrize("place", ["a\0b", "file:///a%00b"])
def test_a_place_with_a_nul_character_is_refused(place):
    with pytest.raises(UnusableName, match="NUL"):
        open_storage(place)


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("a/b.png", b"", "a/b.png"),
        ("a/\\xff.png", b"a/\xff.png", "a/\udcff.png"),
        ("a/\\xff.png\\x", b"a/\xff.png", "a/\udcff.png"),
        ("a/b.png", b"../b.png", "a/b.png"),
        ("a/b.png", b"c/b.png", "a/b.png"),
        ("b.png", b"/etc/b.png", "b.png"),
    ],
)
def test_a_name_in_its_own_bytes_counts_only_if_it_is_that_of_the_path(path: str, name: bytes, expected: str) -> None:
    assert own_name(path, name) == expected
