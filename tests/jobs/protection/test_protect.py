"""`protect` and `compress --parity`: what is lost or damaged of an archive comes back without its source."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.codecs import extras
from tilepress.codecs.errors import MissingExtra
from tilepress.errors import IntegrityError, UsageError
from tilepress.jobs.cli.app import _run
from tilepress.jobs.protection import making
from tilepress.jobs.protection.making import ParityReport
from tilepress.jobs.run_report.places import NAME
from tilepress.pipeline.storage.base import Storage

FILES = {
    **{f"{at}.png": encoded(image_of("RGB", 60, 50 + at, at), "PNG") for at in range(6)},
    "a.jpg": encoded(image_of("RGB", 64, 64), "JPEG"),
    "b.txt": b"text\n" * 100,
}
LATER = {"later.png": encoded(image_of("L", 50, 41, 8), "PNG")}


def compress(place: Path, **options):
    return tilepress.compress(place / "source", place / "archive", codec="jpegxl", shard_size=12_000, **ONE, **options)


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the report of the last command."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def stored(storage: Storage) -> dict[str, bytes]:
    return {entry.name: storage.read(entry.name) for entry in storage.list() if entry.name != NAME}


def is_right(archive: Path | str) -> bool:
    report = tilepress.verify(archive, **ONE)
    return (report.exit_code, report.problems, report.notes) == (0, [], [])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`archive` of two runs, whose source is gone."""
    place = tmp_path_factory.mktemp("protect")
    for files in (FILES, LATER):
        write_tree(place / "source", files)
        report = compress(place, parity=40)
        assert report.parity is not None and report.run in report.parity.made
    shutil.rmtree(place / "source")
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.slow  # fast ones: tests/pipeline/parity/test_restore.py
def test_every_file_of_a_run_that_is_lost_comes_back_as_it_was(made, place):
    expected = contents(made / "archive")
    assert is_right(made / "archive")
    for name in sorted(expected):
        if name == "README.txt" or ("parity" in name and name.endswith(".json")):
            continue
        (place / "archive" / name).unlink()
        report = tilepress.repair(place / "archive", **ONE)
        assert (report.exit_code, report.left, report.run) == (0, [], None), name
        assert contents(place / "archive") == expected, name


def test_parity_without_its_description_is_as_a_killed_command_leaves_it_and_made_whole_by_the_same(made, place):
    expected = contents(made / "archive")
    next((place / "archive/runs/0001/parity").glob("*.json")).unlink()
    report = tilepress.verify(place / "archive", **ONE)
    assert report.exit_code == 0 and "`tilepress protect` again goes on with it" in report.notes[0]
    (place / "archive/runs/0001/manifest.parquet").unlink()
    assert tilepress.repair(place / "archive", **ONE).restored == ["runs/0001/manifest.parquet"]
    tilepress.protect(place / "archive", parity=40, **ONE)
    assert contents(place / "archive") == expected


def test_many_damages_at_once_are_undone(made, place):
    expected = contents(made / "archive")
    archive = place / "archive"
    (archive / "archive.json").unlink()
    (archive / "runs/0002/manifest.parquet").write_bytes(b"not a manifest")
    part, other = sorted(archive.glob("runs/0001/parts/*"))[:2]
    part.unlink()
    flipped = bytearray(other.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    other.write_bytes(flipped)
    description = next(archive.glob("runs/0001/parity/*.json"))
    description.write_bytes(description.read_bytes()[:-100])
    next(archive.glob("runs/0001/parity/*-000.parity")).unlink()
    assert tilepress.verify(archive, **ONE).exit_code == 4
    report = tilepress.repair(archive, **ONE)
    assert report.exit_code == 0 and len(report.restored) == 6 and report.mended == []
    assert contents(archive) == expected and is_right(archive)


def test_a_run_of_which_little_but_parity_is_left_is_reported_as_lost(place):
    run = place / "archive/runs/0002"
    for name in ("plan.parquet", "manifest.parquet"):
        (run / name).unlink()
    shutil.rmtree(run / "parts")
    problems = [name for name, _, _ in tilepress.verify(place / "archive", **ONE).problems]
    assert "runs/0002" in problems
    assert tilepress.repair(place / "archive", **ONE).exit_code == 4


def test_what_parity_cannot_restore_comes_from_the_source(place):
    write_tree(place / "source", FILES | LATER)
    parts = sorted((place / "archive/runs/0001/parts").iterdir())
    for part in parts:
        part.unlink()
    report = tilepress.repair(place / "archive", source=place / "source", **ONE)
    assert report.exit_code == 0 and report.run == 3 and report.beyond_parity
    assert {path: entry.bytes() for path, entry in tilepress.open(place / "archive").items()} == FILES | LATER
    assert list((place / "archive/runs/0003/parity").iterdir())
    assert is_right(place / "archive")


def test_a_repeated_command_makes_nothing_and_a_new_run_gets_its_own(place):
    before = contents(place / "archive")
    report = tilepress.protect(place / "archive", parity=40, **ONE).parity
    assert report is not None and (report.made, report.removed) == ([], [])
    assert contents(place / "archive") == before
    other = tilepress.protect(place / "archive", parity=10, **ONE).parity
    assert other is not None and "run 1 has 40 % of parity, and keeps it" in other.notes[0]
    assert contents(place / "archive") == before
    write_tree(place / "source", FILES | LATER | {"new.txt": b"new"})
    assert compress(place, parity=10).parity.made == [3]
    assert compress(place, parity=10).run is None


def test_runs_without_parity_are_protected_later_and_it_can_be_removed(place):
    removed = tilepress.protect(place / "archive", parity=0, **ONE).parity
    assert removed is not None and removed.removed
    assert not [name for name in contents(place / "archive") if "parity" in name]
    assert is_right(place / "archive")
    again = tilepress.protect(place / "archive", parity=20, **ONE).parity
    assert again is not None and again.made == [0, 1, 2] and is_right(place / "archive")


def test_a_run_is_complete_though_its_parity_failed_and_a_repeated_command_goes_on(made, tmp_path, monkeypatch):
    write_tree(tmp_path / "source", FILES)
    with monkeypatch.context() as patch:
        patch.setattr(making, "_make", broken)
        with pytest.raises(KeyboardInterrupt):
            compress(tmp_path, parity=40)
    assert is_right(tmp_path / "archive")
    report = compress(tmp_path, parity=40)
    assert report.run is None and report.parity is not None and report.parity.made == [0, 1]
    assert is_right(tmp_path / "archive")


def broken(*arguments, **keywords):
    raise KeyboardInterrupt


def test_damage_is_not_protected(place):
    tilepress.protect(place / "archive", parity=0, **ONE)
    part = next((place / "archive/runs/0001/parts").iterdir())
    data = bytearray(part.read_bytes())
    data[100] ^= 1
    part.write_bytes(data)
    with pytest.raises(IntegrityError, match="not what was written"):
        tilepress.protect(place / "archive", parity=20, **ONE)
    assert not list((place / "archive/runs/0001").glob("parity/*.json"))


def test_compact_makes_parity_of_what_it_writes_and_keeps_the_rest_protected(place):
    archive = place / "archive"
    tilepress.forget(archive, include=["a.jpg"])
    report = tilepress.compact(archive, write=True, remove=True, unused=1, **ONE)
    assert report.removed and is_right(archive)
    info = {each.run: each.files for each in protected(archive)}
    assert info[1] and info[2] and info[4]
    expected = contents(archive)
    (part,) = (archive / "runs/0004/parts").iterdir()
    part.write_bytes(part.read_bytes()[:-1000])
    assert tilepress.repair(archive, **ONE).exit_code == 0
    assert contents(archive) == expected


def protected(archive: Path):
    from tilepress.jobs.archives.listing import archive_info

    return archive_info(str(archive)).parity


def test_without_the_package_parity_is_refused_before_any_work(tmp_path, place, monkeypatch):
    monkeypatch.setattr(extras, "is_installed", lambda module: module != "pyeclib")
    write_tree(tmp_path / "source", FILES)
    with pytest.raises(MissingExtra, match=r"tilepress\[parity\]"):
        compress(tmp_path, parity=3)
    assert not (tmp_path / "archive").exists()
    assert is_right(place / "archive")
    next((place / "archive/runs/0001/parts").iterdir()).unlink()
    report = tilepress.repair(place / "archive", **ONE)
    assert report.exit_code == 4 and "tilepress[parity]" in report.beyond_parity["parity"]


@pytest.mark.slow  # tests/pipeline/parity/test_restore.py does the same with files, on every kind of storage
def test_all_of_it_works_in_buckets_and_in_memory(made, storage):
    for name, data in contents(made / "archive").items():
        if "parity" not in name:
            storage.create(name, data)
    report = tilepress.protect(storage.url, parity=10, **ONE).parity
    assert isinstance(report, ParityReport) and report.made == [0, 1, 2]
    expected = stored(storage)
    for name in ("runs/0001/manifest.parquet", "runs/0002/run.json", "archive.json"):
        storage.remove(name)
    report = tilepress.repair(storage.url, **ONE)
    assert (report.exit_code, len(report.restored)) == (0, 3)
    assert stored(storage) == expected


@pytest.mark.slow
def test_ray_makes_the_same_parity(ray_cluster, made, tmp_path):
    for name, data in contents(made / "archive").items():
        if "parity" not in name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
    tilepress.protect(tmp_path, parity=40, engine="ray", workers=2)
    assert contents(tmp_path) == contents(made / "archive")


def test_the_command_says_what_is_restored(place, capsys):
    tilepress.protect(place / "archive", parity=0, **ONE)
    assert _run(["protect", str(place / "archive"), "--parity", "40%"]) == 0
    out = capsys.readouterr().out
    assert "parity made:" in out and "run 1: 40 % of parity" in out and "in one stretch" in out
    assert _run(["info", str(place / "archive")]) == 0
    assert "run 2: 40 % of parity" in capsys.readouterr().out
    next((place / "archive/runs/0001/parts").iterdir()).unlink()
    assert _run(["repair", str(place / "archive")]) == 0
    assert "restored by parity: runs/0001/parts/" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "nothing to do: --parity 3% makes parity"),
        (("--parity", "101%"), "is not a share from 0% to 100%"),
        (("--days", "7"), "needs an S3 bucket with object lock"),
    ],
)
def test_wrong_calls_are_told_what_to_do(place, capsys, options, said):
    assert _run(["protect", str(place / "archive"), *options]) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", "").split())


def test_python_callers_get_the_same_errors(place):
    with pytest.raises(UsageError, match="nothing to do"):
        tilepress.protect(place / "archive")
