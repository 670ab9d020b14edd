"""Things people do: names of bytes, impossible times, files that became folders, output that is closed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.pipeline.errors import InTheWay, UsageError

LOCAL = {"engine": "local", "workers": 1}
PNG = encoded(image_of("RGB", 60, 60, seed=1), "PNG")
OTHER = encoded(image_of("RGB", 60, 60, seed=2), "PNG")


def tool(*arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "tilepress", *arguments]
    return subprocess.run(command, capture_output=True, env=os.environ | environment, check=False)


def test_file_that_became_a_folder_keeps_nothing_else_from_coming_back(tmp_path: Path):
    source, archive, out = tmp_path / "source", tmp_path / "archive", tmp_path / "out"
    write_tree(source, {"a": PNG, "z.png": PNG})
    tilepress.compress(str(source), str(archive), **LOCAL)
    (source / "a").unlink()
    write_tree(source, {"a/b.png": OTHER})
    tilepress.compress(str(source), str(archive), **LOCAL)
    report = tilepress.restore(str(archive), str(out), include_deleted=True, **LOCAL)
    assert report.exit_code == 2
    assert [path for path, _ in report.refused] == ["a/b.png"]
    assert tree(out) == {"a": PNG, "z.png": PNG}
    now = tmp_path / "now"
    assert tilepress.restore(str(archive), str(now), **LOCAL).exit_code == 0
    assert tree(now) == {"a/b.png": OTHER, "z.png": PNG}


def test_archive_in_the_place_of_a_file_is_refused(tmp_path: Path):
    write_tree(tmp_path, {"a.png": PNG, "b.png": PNG})
    with pytest.raises(InTheWay) as caught:
        tilepress.compress(str(tmp_path / "a.png"), str(tmp_path / "b.png"), **LOCAL)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("where", [".", "runs", "new/folder"])
def test_nothing_is_restored_into_its_archive(tmp_path: Path, where: str):
    write_tree(tmp_path / "source", {"a.png": PNG})
    tilepress.compress(str(tmp_path / "source"), str(tmp_path / "archive"), **LOCAL)
    before = tree(tmp_path / "archive")
    with pytest.raises(UsageError, match="restore elsewhere"):
        tilepress.restore(str(tmp_path / "archive"), str(tmp_path / "archive" / where), **LOCAL)
    assert tree(tmp_path / "archive") == before


@pytest.fixture
def deep_place(tmp_path: Path) -> Iterator[Path]:
    """A folder for folders that are too deep for pytest's own cleaning."""
    (tmp_path / "deep").mkdir()
    yield tmp_path / "deep"
    subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)


def test_deep_folders_come_back(deep_place: Path):
    name = "d/" * 1100 + "a.png"
    folder = os.open(deep_place, os.O_RDONLY)
    for _ in range(1101):  # longer than one call may name
        os.mkdir("d", dir_fd=folder)
        folder, above = os.open("d", os.O_RDONLY, dir_fd=folder), folder
        os.close(above)
    with os.fdopen(os.open("a.png", os.O_CREAT | os.O_WRONLY, dir_fd=folder), "wb") as file:
        file.write(PNG)
    os.close(folder)
    tilepress.compress(str(deep_place / "d"), str(deep_place / "archive"), **LOCAL)
    report = tilepress.restore(str(deep_place / "archive"), str(deep_place / "out"), **LOCAL)
    assert report.exit_code == 0
    assert (deep_place / "out" / name).read_bytes() == PNG


def test_time_beyond_64_bits(tmp_path: Path):
    write_tree(tmp_path / "source", {"a.png": PNG})
    os.utime(tmp_path / "source/a.png", (13_569_465_600, 13_569_465_600))
    if (tmp_path / "source/a.png").stat().st_mtime_ns < 1 << 63:
        pytest.skip("this file system keeps no such times")
    for run in (1, None):
        assert tilepress.compress(str(tmp_path / "source"), str(tmp_path / "archive"), **LOCAL).run == run


def test_arguments_that_are_not_utf8(tmp_path: Path):
    source, archive = os.fsencode(tmp_path) + b"/s\xff", os.fsencode(tmp_path) + b"/a\xff"
    os.mkdir(source)  # noqa: PTH102 - a name of bytes
    with open(source + b"/a.png", "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write(PNG)
    for command in (("compress", source, archive), ("compress", source, archive), ("verify", archive)):
        assert tool(*command).returncode == 0, command
    for command in ("cat", "ls", "info"):
        done = tool(command, archive, b"\xfe.png")
        assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


def test_output_that_cannot_be_written(tmp_path: Path):
    write_tree(tmp_path / "source", {"é.png": PNG})
    tilepress.compress(str(tmp_path / "source"), str(tmp_path / "archive"), **LOCAL)
    ls = f"{sys.executable} -m tilepress ls {tmp_path}/archive"
    closed = subprocess.run(f"{ls} >&-", shell=True, capture_output=True, check=False)
    assert (closed.returncode, closed.stderr) == (0, b"")
    if Path("/dev/full").exists():
        full = subprocess.run(f"{ls} >/dev/full", shell=True, capture_output=True, check=False)
        assert (full.returncode, full.stderr) == (5, b"tilepress: No space left on device\n")
    assert b"\\xe9.png" in tool("ls", f"{tmp_path}/archive", PYTHONIOENCODING="ascii").stdout


def test_patterns_as_one_text_are_refused(tmp_path: Path):
    write_tree(tmp_path / "source", {"a.png": PNG})
    with pytest.raises(UsageError, match="`include` takes a list"):
        tilepress.compress(str(tmp_path / "source"), str(tmp_path / "archive"), include="*.tif", **LOCAL)
