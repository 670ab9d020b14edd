"""One command at a time holds the lease of an archive, on every storage; whoever was killed loses it by itself."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

import tilepress
from tests.support.make_archives import encoded, smooth, write_files
from tilepress.jobs.cli import app
from tilepress.pipeline.archive.sealed import seal_json
from tilepress.pipeline.compress import lease
from tilepress.pipeline.compress.lease import Holder, Lease, holder_of
from tilepress.pipeline.compress.sharing import Driver
from tilepress.pipeline.errors import StorageError
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.local import LocalStorage


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LENGTH_S", 0.6)
    monkeypatch.setattr(lease, "RENEW_S", 0.1)


def leases(storage: Storage) -> list[str]:
    storage.flush()
    return [entry.name for entry in storage.list("lease/")]


def left_behind(storage: Storage, **changed: object) -> None:
    """A lease as a command on another machine writes it, with something about it changed."""
    with Lease(storage, "compress") as held:
        assert held.begin() is None
        (name,) = leases(storage)
        content = {**json.loads(storage.read(name)), "machine": "elsewhere", **changed}
    del content["sha256"]
    storage.write(name, seal_json(content), overwrite=True)


def test_one_command_gets_it_and_gives_it_back(storage: Storage) -> None:
    with Lease(storage, "compress") as first, Lease(storage, "audit", "skip") as second:
        assert first.begin() is None
        holder = second.begin()
        assert isinstance(holder, Holder) and holder.verb == "compress"
        assert "`compress` on " in str(holder) and " UTC" in str(holder)
        assert holder_of(storage) == holder
    assert leases(storage) == []
    assert holder_of(storage) is None
    with Lease(storage, "audit", "skip") as second:
        assert second.begin() is None


def test_of_many_at_once_one_gets_it(storage: Storage) -> None:
    ready, done = Barrier(8), Barrier(8)

    def take(_: int) -> bool:
        with Lease(storage, "compress", "skip") as mine:
            ready.wait()
            holder = mine.begin()
            done.wait()
            return holder is None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1


@pytest.mark.usefixtures("quick")
def test_it_is_renewed_while_the_command_works(tmp_path: Path) -> None:
    storage = LocalStorage(str(tmp_path))
    with Lease(storage, "compress") as first, Lease(storage, "compress", "skip") as second:
        assert first.begin() is None
        for _ in range(10):
            time.sleep(0.1)
            assert second.begin() is not None
        assert leases(storage) == ["lease/00000001.json"]


@pytest.mark.usefixtures("quick")
def test_who_shares_the_work_gets_it_when_the_first_has_ended(tmp_path: Path) -> None:
    storage = LocalStorage(str(tmp_path))
    with Lease(storage, "compress") as second:
        with Lease(storage, "compress") as first:
            assert first.begin() is None
            assert second.begin() is None
        deadline = time.monotonic() + 10
        while not leases(storage) and time.monotonic() < deadline:
            time.sleep(0.05)
        with Lease(storage, "compress", "skip") as third:
            assert third.begin() is not None


@pytest.mark.usefixtures("quick")
def test_that_of_a_killed_command_elsewhere_ends_by_itself(storage: Storage) -> None:
    left_behind(storage)
    with Lease(storage, "compress", "skip") as mine:
        while mine.begin() is not None:  # as long as a lease
            time.sleep(0.05)
        assert len(leases(storage)) == 1


def test_one_that_could_not_be_given_back_keeps_nobody_in_the_same_process_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise StorageError("the server went away")

    storage = open_storage(str(tmp_path))
    with Lease(storage, "compress") as first:
        assert first.begin() is None
        monkeypatch.setattr(LocalStorage, "remove", unreachable)
        monkeypatch.setattr(LocalStorage, "write", unreachable)
    monkeypatch.undo()
    assert leases(storage) == ["lease/00000001.json"]
    with Lease(storage, "compress", "skip") as second:
        assert second.begin() is None
    assert leases(storage) == []


def test_that_of_a_killed_command_on_this_machine_ends_at_once(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from tilepress.pipeline.storage.base import open_storage;"
        "from tilepress.pipeline.compress.lease import Lease;"
        "Lease(open_storage(sys.argv[1]), 'compress').begin(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    assert leases(open_storage(str(tmp_path)))
    with Lease(open_storage(str(tmp_path)), "compress", "skip") as mine:
        assert mine.begin() is None


@pytest.mark.parametrize(
    "changed",
    [
        {"until": "2999-01-01T00:00:00+00:00"},  # a clock that is wrong: nobody is kept away for ever
        {"until": "2020-01-01T00:00:00+00:00"},
        {"until": "soon"},
        {"process": "x"},
        {"format": "tilepress-lease-9"},
    ],
)
def test_nonsense_keeps_nobody_away(tmp_path: Path, changed: dict[str, object]) -> None:
    storage = LocalStorage(str(tmp_path))
    left_behind(storage, **changed)
    with Lease(storage, "compress", "skip") as mine:
        assert mine.begin() is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 100_000])
def test_damaged_ones_keep_nobody_away(tmp_path: Path, content: bytes) -> None:
    storage = LocalStorage(str(tmp_path))
    storage.create("lease/00000007.json", content)
    with Lease(storage, "compress", "skip") as mine:
        assert mine.begin() is None
        assert leases(storage) == ["lease/00000008.json"]


def test_a_place_that_takes_none_is_worked_in_and_not_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise StorageError("read-only")

    storage = LocalStorage(str(tmp_path))
    monkeypatch.setattr(storage, "write", fails)
    with Lease(storage, "compress") as mine:
        assert mine.begin() is None
    with Lease(storage, "compress", "skip") as mine, pytest.raises(StorageError):
        mine.begin()


def test_compress_leaves_a_busy_archive_alone_or_shares_its_work(tmp_path: Path, capsys) -> None:
    source, archive = tmp_path / "source", str(tmp_path / "archive")
    write_files(source, {"a.png": encoded(smooth(16, 16, 3))})
    tilepress.compress(str(source), archive)
    write_files(source, {"b.png": encoded(smooth(24, 16, 3))})
    with Lease(open_storage(archive), "compact") as other:
        assert other.begin() is None
        assert app._run(["compress", str(source), archive, "--if-busy", "skip"]) == 0
        assert f"{archive} is busy with `compact` on " in capsys.readouterr().out
        report = tilepress.compress(str(source), archive, if_busy="skip")
        assert (report.run, report.exit_code) == (None, 0) and "`compact`" in report.busy
        assert tilepress.compress(str(source), archive, dry_run=True, if_busy="skip").planned_files == 1
        assert sorted(tilepress.open(archive)) == ["a.png"]
        assert tilepress.compress(str(source), archive).run == 2
    assert sorted(tilepress.open(archive)) == ["a.png", "b.png"]
    assert not (tmp_path / "archive" / "lease").exists() or not list((tmp_path / "archive" / "lease").iterdir())


def test_leases_are_no_part_of_a_collection(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_files(source, {"a.png": encoded(smooth(16, 16, 3))})
    tilepress.compress(str(source), str(source / "archive"))
    left_behind(open_storage(str(source / "archive")))
    assert tilepress.compress(str(source), str(source / "archive")).run is None
    assert Driver.new().machine != "elsewhere"
