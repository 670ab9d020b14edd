"""Names that are hostile, or of other files: nothing is written outside the destination, or over another file."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.jobs.archives.restore import RestoreReport
from tilepress.jobs.cli import app
from tilepress.pipeline.archive.index import Index
from tilepress.pipeline.archive.layout import list_runs
from tilepress.pipeline.archive.plan import PlannedFile, Shard
from tilepress.pipeline.compress import commit
from tilepress.pipeline.storage.base import open_storage

LOCAL = {"engine": "local", "workers": 1}
HOSTILE = (
    "",
    "..",
    "../escaped.png",
    "../../escaped.png",
    "a/../../escaped.png",
    "/escaped.png",
    "//escaped.png",
    "nul\0.png",
    "./a.png",
    "a//b.png",
    "folder/",
    "\ud7ff/../../x.png",
)
GOOD = "good/one.png"
SAMPLES = Path(__file__).parents[3] / "infra/samples"
WAYS = {  # what is asked for -> a sample, its name, the name that it would come back under, and as what
    "deblock": ("images/coffee-sideways.jpg", "b.jpg", "b.jpg-deblocked.png", "deblocked"),
    "preview": ("images/coffee-sideways.jpg", "b.jpg", "b.jpg-preview.png", "preview"),
    "as_origin": ("origins/jpeg.png", "b.png", "b.png.jpg", "JPEG of the same pixels"),
    "as_origin ": ("origins/jpeg.png", "b", "b.jpg", "JPEG of the same pixels"),  # of a name without an ending
}


@pytest.fixture
def hostile_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that makes a sealed, consistent archive of files whose recorded names are the given ones."""

    def make(*names: str) -> Path:
        source, archive = tmp_path / "source", tmp_path / "inside/archive"
        ordered = sorted(names, key=str.encode)
        write_tree(
            source, {f"{at:03}.png": encoded(image_of("RGB", 60, 60, seed=at), "PNG") for at in range(len(names))}
        )

        def renamed(file: PlannedFile) -> PlannedFile:
            return replace(file, path=ordered[file.image], locator=file.path.encode())

        original = commit.EncodeTask

        def encode_task(shard: Shard, *rest: Any, **options: Any) -> commit.EncodeTask:
            return original(Shard(shard.number, tuple(map(renamed, shard.files))), *rest, **options)

        monkeypatch.setattr("tilepress.jobs.archives.encode_tasks.EncodeTask", encode_task)
        tilepress.compress(str(source), str(archive), **LOCAL)
        return archive

    return make


def restore_all_ways(archive: Path, destination: Path) -> list[RestoreReport]:
    ways = ({}, {"region": (0, 0, 20, 20)}, {"preview": True}, {"overwrite": True})
    return [tilepress.restore(str(archive), str(destination), **LOCAL, **way) for way in ways]


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_a_name_that_leaves_the_destination_is_refused_and_the_rest_restored(name, hostile_archive, tmp_path) -> None:
    archive = hostile_archive(name, GOOD)
    assert set(tilepress.open(str(archive))) == {name, GOOD}
    outside = tree(tmp_path)
    for report in restore_all_ways(archive, tmp_path / "in/back"):
        assert report.exit_code == 4
        assert [path for path, _ in report.failed] == [name]
    inside = tree(tmp_path / "in/back")
    assert set(inside) == {GOOD, f"{GOOD}-0-0-20x20.png"}
    assert tree(tmp_path) == outside | {f"in/back/{path}": data for path, data in inside.items()}
    verified = tilepress.verify(str(archive), **LOCAL)
    assert verified.exit_code == 4 and {path for _, path, _ in verified.problems} == {name}


def test_no_name_leads_through_a_link_out_of_the_destination(hostile_archive, tmp_path: Path) -> None:
    archive = hostile_archive("link/x.png", "link/deeper/x.png", "file.png", GOOD)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/precious").write_bytes(b"precious")
    back = tmp_path / "in/back"
    back.mkdir(parents=True)
    (back / "link").symlink_to(tmp_path / "elsewhere")
    (back / "file.png").symlink_to(tmp_path / "elsewhere/precious")
    reports = restore_all_ways(archive, back)
    assert all(report.exit_code == 4 for report in reports)
    assert {path for path, _ in reports[0].failed} == {"link/x.png", "link/deeper/x.png"}
    assert tree(tmp_path / "elsewhere") == {"precious": b"precious"}
    assert (back / GOOD).exists()
    assert not (back / "file.png").is_symlink()  # --overwrite replaces the link itself, not what it leads to


def test_a_destination_that_is_a_link_itself_is_followed(hostile_archive, tmp_path: Path) -> None:
    archive = hostile_archive(GOOD)
    (tmp_path / "disk").mkdir()
    (tmp_path / "back").symlink_to(tmp_path / "disk")
    assert tilepress.restore(str(archive), str(tmp_path / "back"), **LOCAL).exit_code == 0
    assert set(tree(tmp_path / "disk")) == {GOOD}


def test_cat_and_listing_of_hostile_names_write_nothing(hostile_archive, tmp_path: Path, capfd) -> None:
    from tilepress.jobs.cli import app

    archive = hostile_archive("../escaped.png", GOOD)
    before = tree(tmp_path)
    for command in (["ls"], ["ls", "../"], ["info"], ["errors"]):
        assert app._run([command[0], str(archive), *command[1:]]) in (0, 2)
    assert app._run(["cat", str(archive), "../escaped.png"]) == 0
    capfd.readouterr()
    assert tree(tmp_path) == before


def test_the_hostile_archives_of_these_tests_are_whole(hostile_archive) -> None:
    archive = hostile_archive("../escaped.png", GOOD)
    storage = open_storage(str(archive))
    (run,) = list_runs(storage)
    index = Index(io.BytesIO(storage.read(run.index)), run.index)
    assert [row["path"] for row in index.walk(["path"])] == ["../escaped.png", GOOD]
    ((_, path, problem),) = tilepress.verify(str(archive), **LOCAL).problems  # the name, and nothing else
    assert path == "../escaped.png" and "is refused" in problem


def test_names_times_and_permissions_come_back_as_they_were(tmp_path: Path) -> None:
    source, archive, back = tmp_path / "source", tmp_path / "archive", tmp_path / "back"
    write_tree(source, {"a.txt": b"text", "b.png": encoded(image_of("L", 20, 30), "PNG")})
    os.utime(source / "a.txt", ns=(0, 0))
    (source / "a.txt").chmod(0o640)
    (source / "b.png").chmod(0o4755)
    odd = os.fsencode(source) + b"/odd\xff\\.txt"
    os.close(os.open(odd, os.O_CREAT))
    tilepress.compress(source, archive, **LOCAL)
    assert tilepress.restore(archive, back, **LOCAL).exit_code == 0
    names = [sorted(os.fsencode(path.name) for path in folder.iterdir()) for folder in (source, back)]
    assert names[0] == names[1] == [b"a.txt", b"b.png", b"odd\xff\\.txt"]
    assert (back / "a.txt").stat().st_mtime_ns == 0 and stat.S_IMODE((back / "a.txt").stat().st_mode) == 0o640
    assert stat.S_IMODE((back / "b.png").stat().st_mode) == 0o755  # never the right to act as its owner


def test_control_characters_of_a_name_do_not_reach_a_terminal(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    write_tree(tmp_path / "source", {"a\x1b[31m\n.bin": b"\x89PNG not"})
    tilepress.compress(tmp_path / "source", tmp_path / "archive", **LOCAL)
    for command in ("ls", "errors"):
        app._run([command, str(tmp_path / "archive")])
    out = capfd.readouterr()
    assert "a\\x1b[31m\\x0a.bin" in out.out and "\x1b" not in out.out + out.err


@pytest.mark.parametrize("way", WAYS)
def test_a_file_is_never_replaced_by_a_view_of_another(way: str, tmp_path: Path) -> None:
    sample, name, taken, how = WAYS[way]
    drawn = encoded(image_of("RGB", 60, 60, seed=1), "PNG")
    write_tree(tmp_path / "source", {name: (SAMPLES / sample).read_bytes(), taken: drawn})
    tilepress.compress(tmp_path / "source", tmp_path / "a.tp", **LOCAL)
    asked: dict[str, Any] = {way.strip(): True, "overwrite": True, **LOCAL}
    for _ in range(2):
        report = tilepress.restore(tmp_path / "a.tp", tmp_path / "out", **asked)
        reason = f"{taken} is a file of the archive, too: restore one of them elsewhere, by `include`"
        assert report.exit_code == 2 and report.refused == [(name, reason)]
        assert tree(tmp_path / "out") == {taken: drawn}
    alone = tilepress.restore(tmp_path / "a.tp", tmp_path / "alone", include=[name], **asked)
    assert alone.restored == {how: 1} and set(tree(tmp_path / "alone")) == {taken}
