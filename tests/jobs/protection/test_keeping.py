"""Parity is never removed while it is all that is left of a file: every verb that could says to repair first."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import tilepress
from tests.support.interrupted import ONE
from tests.support.lossless_cases import drawn_model
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.errors import IntegrityError, TilepressError
from tilepress.jobs.protection import keeping
from tilepress.jobs.protection.needed_models import needed_models
from tilepress.jobs.run_report.places import NAME
from tilepress.pipeline.archive.models import model_files
from tilepress.pipeline.reading.archive import Archive

FILES = {"a.png": encoded(image_of("RGB", 50, 41), "PNG"), "b.txt": b"text" * 50, "c.txt": b"other" * 50}
RUN = "archive/runs/0001"
OF_RUN = ("parts/00000.parquet", "plan.parquet", "run.json", "index.parquet", "manifest.parquet")
LOST = ("archive/archive.json", *(f"{RUN}/{name}" for name in OF_RUN))


def compress(place: Path, **options):
    return tilepress.compress(place / "source", place / "archive", codec="jpegxl", parity=100, **ONE, **options)


def protect(place: Path):
    return tilepress.protect(place / "archive", parity=100, **ONE)


def unprotect(place: Path):
    return tilepress.protect(place / "archive", parity=0, **ONE)


def compact(place: Path):
    return tilepress.compact(place / "archive", write=True, remove=True, unused=1, **ONE)


def contents(place: Path) -> dict[str, bytes]:
    files = (path for path in (place / "archive").rglob("*") if path.is_file() and path.name != NAME)
    return {str(path.relative_to(place)): path.read_bytes() for path in files}


@pytest.fixture
def modelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive with parity and a model that nothing but the parity gives back once it is lost.

    That images need it is only said: to compress with networks takes too long here.
    """
    write_tree(tmp_path / "source", FILES)
    model = drawn_model(False)
    tilepress.compress(tmp_path / "source", tmp_path / "archive", codec="jpegxl", **ONE)
    for name, data in model_files(model).items():
        (tmp_path / "archive" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "archive" / name).write_bytes(data)
    protect(tmp_path)

    def needed(archive: Archive) -> tuple[set[str], set[str]]:
        found, coders = needed_models(archive)
        return found | {model.name}, coders

    monkeypatch.setattr(keeping, "needed_models", needed)
    monkeypatch.setattr("tilepress.jobs.archives.verify.needed_models", needed)
    return tmp_path


@pytest.mark.parametrize("verb", [protect, unprotect, compress, compact])
def test_parity_of_a_lost_model_stays_until_it_is_repaired(modelled: Path, verb: Callable[[Path], object]) -> None:
    before = contents(modelled)
    shutil.rmtree(next((modelled / "archive/models").iterdir()))
    with pytest.raises(IntegrityError, match=r"is missing, and has parity: `tilepress repair .*` first"):
        verb(modelled)
    assert tilepress.repair(modelled / "archive", **ONE).exit_code == 0
    assert contents(modelled) == before


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with parity."""
    place = tmp_path_factory.mktemp("keeping")
    write_tree(place / "source", FILES)
    compress(place)
    return place


@pytest.mark.parametrize("name", LOST)
def test_parity_is_not_removed_while_a_file_is_lost_or_damaged(made: Path, tmp_path: Path, name: str) -> None:
    place, before = tmp_path / "copy", contents(made)
    shutil.copytree(made, place)
    flipped = bytearray(before[name])
    flipped[len(flipped) // 2] ^= 1
    for damage in (None, bytes(flipped), flipped[:-9]):
        (place / name).unlink() if damage is None else (place / name).write_bytes(damage)
        with pytest.raises(IntegrityError, match="tilepress repair"):
            unprotect(place)
        (place / name).write_bytes(before[name])
        assert contents(place) == before


@pytest.mark.slow
@pytest.mark.parametrize("verb", [protect, unprotect, compress, compact])
@pytest.mark.parametrize("name", LOST)
def test_whatever_a_verb_says_a_lost_file_comes_back(made: Path, tmp_path: Path, verb, name: str) -> None:
    place, before = tmp_path / "copy", contents(made)
    shutil.copytree(made, place)
    (place / name).unlink()
    with suppress(TilepressError):
        verb(place)
    assert tilepress.repair(place / "archive", **ONE).exit_code == 0
    assert contents(place) == before
