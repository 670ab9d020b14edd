"""Archives whose codec comes from another package, read where that is not installed: no damage, and others go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support import make_archives
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.codecs import registry
from tilepress.errors import IntegrityError, MissingPackage
from tilepress.jobs.archives.listing import archive_info
from tilepress.jobs.cli.app import cli
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.storage.local import LocalStorage

LOCAL: dict[str, Any] = {"engine": "local", "workers": 1}
OWN = {"a.png": encoded(image_of("RGB", 40, 50), "PNG"), "b.bin": b"no image" * 99}
THEIRS = {f"z/{seed}.png": make_archives.encoded(make_archives.repetitive(90, 64 + seed, seed)) for seed in range(3)}
PACKAGES = {"test-slow": ["tilepress-test-codecs 1.0"]}
MISSING = "codec test-slow is not installed: install tilepress-test-codecs 1.0"


@pytest.fixture
def place(tmp_path: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`source` and its `archive`: a run by our own codecs, then one whose images are held by the codec of a plug-in."""
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0")
    write_tree(tmp_path / "source", OWN)
    assert tilepress.compress(tmp_path / "source", tmp_path / "archive", **LOCAL).packages == {}
    write_tree(tmp_path / "source", THEIRS)
    report = tilepress.compress(tmp_path / "source", tmp_path / "archive", codec="test-slow", **LOCAL)
    assert report.packages == PACKAGES and report.summary.images["test-slow"] == len(THEIRS)
    return tmp_path


@pytest.fixture
def without_plugins(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, where no plug-in is installed."""
    monkeypatch.setattr(registry, "entry_points", lambda **_: ())
    return place


def test_what_reading_takes_is_recorded_and_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [json.loads((place / f"archive/runs/000{n}/run.json").read_text())["packages"] for n in (1, 2)]
    assert runs == [{}, PACKAGES]
    assert archive_info(str(place / "archive")).packages == PACKAGES
    out = str(place / "other")
    for arguments in (["info", str(place / "archive")], ["compress", str(place / "source"), out, "--codec=test-slow"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(args=arguments, prog_name="tilepress")
        assert not ended.value.code
        said = capsys.readouterr().out
        assert "reading it takes tilepress-test-codecs 1.0 besides tilepress, for codec test-slow" in said


def test_images_of_a_missing_plug_in_are_neither_damaged_nor_checked(without_plugins: Path) -> None:
    unread = [(path, MISSING) for path in THEIRS]
    for options in ({}, {"rebuild": True}, {"subset": (1, 1)}, {"against": without_plugins / "source"}):
        report = tilepress.verify(without_plugins / "archive", **LOCAL, **options)
        assert (report.exit_code, report.problems, report.unchecked) == (5, [], unread)
        assert report.images == len(OWN) + len(THEIRS) and not report.differing
    back = tilepress.restore(without_plugins / "archive", without_plugins / "back", **LOCAL)
    assert (back.exit_code, back.failed, back.unreadable) == (5, [], unread)
    assert {path.name: path.read_bytes() for path in (without_plugins / "back").iterdir()} == OWN


def test_an_entry_of_a_missing_plug_in_names_it_each_time(without_plugins: Path) -> None:
    archive = Archive(LocalStorage(str(without_plugins / "archive")))
    for read in (archive["z/0.png"].bytes, archive["z/0.png"].array, archive["z/1.png"].bytes):
        with pytest.raises(MissingPackage, match=MISSING):
            read()
    assert archive["a.png"].bytes() == OWN["a.png"]
    with pytest.raises(SystemExit) as ended:
        cli.main(args=["cat", str(without_plugins / "archive"), "z/0.png"], prog_name="tilepress")
    assert ended.value.code == 5


def test_damage_counts_more_than_what_could_not_be_checked(without_plugins: Path) -> None:
    (part,) = (without_plugins / "archive/runs/0002/parts").iterdir()
    row = Archive(LocalStorage(str(without_plugins / "archive")))["z/1.png"].index_row
    data = bytearray(part.read_bytes())
    data[row.tiles[0].latents[0] + 5] ^= 1
    part.write_bytes(data)
    report = tilepress.verify(without_plugins / "archive", **LOCAL)
    assert report.exit_code == 4 and {image for _, image, _ in report.problems} == {"", "z/1.png"}
    assert [path for path, _ in report.unchecked] == ["z/0.png", "z/2.png"]
    with pytest.raises(IntegrityError):
        Archive(LocalStorage(str(without_plugins / "archive")))["z/1.png"].bytes()


def test_without_its_record_a_missing_plug_in_is_named_alone(without_plugins: Path) -> None:
    (without_plugins / "archive/runs/0002/run.json").write_text("{}")
    report = tilepress.verify(without_plugins / "archive", subset=(1, 1), **LOCAL)
    said = {reason for _, reason in report.unchecked}
    assert said == {"codec test-slow is not installed: install its package, or a later tilepress"}


def test_a_plug_in_that_cannot_be_imported_is_no_damage(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.__dict__, "_load_plugin", broken)
    report = tilepress.verify(place / "archive", **LOCAL)
    assert report.exit_code == 5 and not report.problems
    assert {reason for _, reason in report.unchecked} == {
        "codec test-slow cannot be used (no module torch): install tilepress-test-codecs 1.0"
    }


def broken(point: object) -> None:
    raise registry.CodecError("no module torch")


def test_a_residual_coder_of_a_later_version_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(MissingPackage, match="'lossless-9' is of a later tilepress"):
        CodecPool(LocalStorage(str(tmp_path))).residual("lossless-9")
