"""Small things that people trip over: each a message or a default that is right."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.in_process import run
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.jobs.cli import app, views
from tilepress.jobs.cli.progress import size
from tilepress.pipeline.storage import local
from tilepress.pipeline.storage.globs import Selection

JPEG = encoded(image_of("RGB", 60, 60), "JPEG")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("polish") / "source"
    png = encoded(image_of("L", 80, 100), "PNG")
    write_tree(folder, {"a.png": png, "photos/b.JPG": JPEG, "photos/deep/c.txt": b"text\n", "d.txt": b"d"})
    return folder


@pytest.fixture(scope="module")
def archive(source: Path) -> Path:
    assert app._run(["compress", str(source), str(source.parent / "a.tp"), "--engine", "local"]) == 0
    return source.parent / "a.tp"


def test_one_is_no_many(source, tmp_path, capfd) -> None:
    out = run(capfd, "compress", source / "a.png", tmp_path / "a", "--engine", "local")[1]
    assert "1 file, " in out and "in 1 shard\n" in out
    assert "1 part, 1 image, " in run(capfd, "verify", tmp_path / "a", "--engine", "local")[1]
    assert ": 1 image from" in run(capfd, "info", tmp_path / "a")[1]


def test_an_archive_that_is_larger_than_its_files_is_not_negatively_smaller(source, tmp_path, capfd) -> None:
    run(capfd, "compress", source / "d.txt", tmp_path / "a", "--engine", "local")
    assert " times what the files take" in run(capfd, "info", tmp_path / "a")[1]


def test_what_is_there_and_the_same_is_not_overwritten(archive, tmp_path, capfd) -> None:
    restore = ("restore", archive, tmp_path / "out", "--overwrite", "--engine", "local")
    assert run(capfd, *restore)[0] == 0
    (tmp_path / "out/d.txt").write_bytes(b"mine")
    before = {path: path.stat().st_ino for path in (tmp_path / "out").rglob("*") if path.is_file()}
    out = run(capfd, *restore)[1]
    assert "3 already there" in out and "1 byte-identical" in out
    changed = [path.name for path, number in before.items() if path.stat().st_ino != number]
    assert changed == ["d.txt"] and (tmp_path / "out/d.txt").read_bytes() == b"d"


def test_a_preview_that_is_none_is_said(archive, tmp_path, capfd) -> None:
    code, out, _ = run(capfd, "restore", archive, tmp_path / "out", "--preview", "--engine", "local")
    assert code == 0
    assert "1 preview" in out and "3 images have no preview in the archive, and came back whole" in out


def test_ls_has_a_header_and_a_total(archive, capfd, monkeypatch) -> None:
    first, *lines, last = run(capfd, "ls", archive)[1].splitlines()
    assert first.split() == ["source", "stored", "method", "image", "path"]
    assert len(lines) == 4 and last.startswith("4 files, ")
    assert len(run(capfd, "ls", archive, "--json")[1].splitlines()) == 4
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, 24)))
    narrow = run(capfd, "ls", archive)[1].splitlines()
    assert len(narrow) == 6 and max(map(len, narrow)) <= 60


def test_a_pattern_that_the_shell_made_words_of_is_explained(capfd) -> None:
    code, _, err = run(capfd, "compress", "a.png", "b.png", "out")
    assert code == 2 and "quote it" in err
    assert "quote it" in json.loads(run(capfd, "compress", "a.png", "b.png", "out", "--json")[2])["message"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("photos", ["photos/b.JPG", "photos/deep/c.txt"]),
        ("deep", ["photos/deep/c.txt"]),
        ("photos/deep", ["photos/deep/c.txt"]),
        ("d.txt", ["d.txt"]),
        ("*.jpg", []),
        ("(?i)*.jpg", ["photos/b.JPG"]),
        ("(?i)PHOTOS/*.jpg", ["photos/b.JPG"]),
        ("photos/*", ["photos/b.JPG"]),
    ],
)
def test_a_name_selects_a_file_or_all_in_a_folder_and_a_mark_any_case(pattern: str, names: list[str]) -> None:
    everything = ["a.png", "d.txt", "photos/b.JPG", "photos/deep/c.txt"]
    assert [name for name in everything if name in Selection((pattern,))] == names
    assert [name for name in everything if name not in Selection((), (pattern,))] == names


def test_folders_excluded_by_name_are_not_entered() -> None:
    selection = Selection((), ("lost+found", "a/b"))
    assert [folder for folder in ("lost+found/", "x/lost+found/", "a/", "a/b/", "b/") if selection.enters(folder)] == [
        "a/",
        "b/",
    ]


def test_nothing_that_matches_says_that_case_counts(source, tmp_path, capfd) -> None:
    code, _, err = run(capfd, "compress", source, tmp_path / "a", "--include", "*.jpg")
    assert code == 2 and "upper and lower case differ" in err and "(?i)" in err


def test_cat_writes_texts_to_a_terminal_and_nothing_else(archive) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tilepress", "cat", str(archive)]
    done = [subprocess.run([*command, name], stdout=theirs, stderr=subprocess.PIPE) for name in ("a.png", "d.txt")]
    os.close(theirs)
    assert [each.returncode for each in done] == [2, 0]
    assert b"--output" in done[0].stderr
    assert os.read(ours, 100) == b"d"


@pytest.mark.parametrize(
    ("data", "binary"), [(b"caf\xc3\xa9\n\t", False), (b"a\x1b[2J", True), (b"\x89PNG", True), (b"\xc3", False)]
)
def test_a_text_is_text_without_commands_to_the_terminal(data: bytes, binary: bool) -> None:
    assert views._is_binary(io.BytesIO(data)) == binary


def test_a_full_disk_says_how_much_it_takes_and_that_the_command_goes_on(source, tmp_path, capfd, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local, "_copy", full)
    code, _, err = run(capfd, "compress", source, tmp_path / "a", "--engine", "local")
    assert code == 5 and "the disk is full" in err and "repeat the command" in err
    assert int(err.partition(" bytes)")[0].rpartition("(")[2].replace(",", "")) > 0


def test_files_that_say_they_are_empty_and_are_not_are_named(tmp_path, capfd) -> None:
    code, _, _ = run(capfd, "compress", "/proc/self/status", tmp_path / "a", "--engine", "local")
    assert code == 3
    assert "/proc" in run(capfd, "errors", tmp_path / "a")[1]


def test_places_beside_an_archive_lead_to_it(archive, capfd) -> None:
    for place in (archive / "runs", archive / "runs/0001", archive.parent):
        code, _, err = run(capfd, "ls", place)
        assert code == 2 and f"there is one at {archive}" in err


def test_a_run_of_another_source_says_what_becomes_of_the_names(source, tmp_path, capfd) -> None:
    run(capfd, "compress", source, tmp_path / "a", "--engine", "local")
    _, out, err = run(capfd, "compress", source / "photos", tmp_path / "a", "--engine", "local")
    assert "gone from the source" in out
    assert f"the run before was of {source}" in err
    assert run(capfd, "compress", source, tmp_path / "a", "--engine", "local")[2].count("run before") == 1


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_499, "999 kB"),
        (999_999, "1 MB"),
        (10**12, "1 TB"),
        (1.5e15, "1,500 TB"),
    ],
)
def test_a_size_has_three_digits_and_no_exponent(count: float, told: str) -> None:
    assert size(count) == told
