"""Whole round trips: what goes in comes back, whatever the fidelity and the codec."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import tilepress
from tilepress.codecs.registry import shipped_models
from tilepress.jobs.compress import CompressReport
from tilepress.jobs.restore import RestoreReport
from tilepress.pipeline.engine import EngineConfig

from .make_collection import (
    DAMAGED,
    NOT_UNICODE,
    NOT_UNICODE_SHOWN,
    decode,
    facts,
    images,
    junk,
    tree,
)

LOCAL = EngineConfig("local", workers=1)
MODELS = [name for name in ("block-dnn-16",) if name in shipped_models()]
EXACT = [("pixels", codec) for codec in ("auto", "jpegxl", "png", "raw", *MODELS)]
LOSSY = [("lossy", codec) for codec in ("jpeg", *MODELS)]


def compress(source: Path, archive: Path, **options: object) -> CompressReport:
    return tilepress.compress(str(source), str(archive), engine=LOCAL, **options)


def restore(archive: Path, destination: Path, **options: object) -> RestoreReport:
    return tilepress.restore(str(archive), str(destination), engine=LOCAL, **options)


@pytest.fixture(scope="module", params=[*EXACT, ("file", "auto")], ids="-".join)
def exact(request: pytest.FixtureRequest, collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an archive `a` of the collection in small tiles, and what comes back from it, `back`."""
    folder = tmp_path_factory.mktemp("exact")
    fidelity, codec = request.param
    report = compress(collection, folder / "a", fidelity=fidelity, codec=codec, tile=64)
    assert report.exit_code == 3
    assert report.summary.failures == {"damaged": len(DAMAGED)}
    assert restore(folder / "a", folder / "back").exit_code == 0
    return folder


def test_every_file_comes_back_under_its_name(exact: Path, collection: Path) -> None:
    assert sorted(tree(exact / "back")) == sorted(tree(collection))


def test_junk_and_jpegs_come_back_byte_by_byte(exact: Path) -> None:
    back = tree(exact / "back")
    for name, data in (junk() | images()).items():
        if name.startswith("junk/") or name.endswith(".jpg"):
            assert back[name] == data, name


def test_images_come_back_with_every_pixel_and_what_else_is_in_them(exact: Path) -> None:
    back = tree(exact / "back")
    for name, data in images().items():
        expected = decode(data)
        assert decode(back[name]).dtype == expected.dtype, name
        assert np.array_equal(decode(back[name]), expected), name
        assert facts(back[name]) == facts(data), name


def test_modification_times_come_back(exact: Path, collection: Path) -> None:
    for name in tree(collection):
        if name != NOT_UNICODE_SHOWN:
            assert (exact / "back" / name).stat().st_mtime_ns == (collection / name).stat().st_mtime_ns, name


def test_the_archive_verifies_even_against_its_source(exact: Path, collection: Path) -> None:
    report = tilepress.verify(str(exact / "a"), against=str(collection), engine=LOCAL)
    assert (report.problems, report.differing, report.exit_code) == ([], [], 0)
    assert report.images == len(tree(collection))


def test_no_file_takes_more_payload_than_it_had(exact: Path) -> None:
    for entry in tilepress.open(str(exact / "a")).entries():
        assert entry.stored.nbytes <= entry.stored.facts.source_bytes, entry.path


def test_fidelity_file_gives_back_every_byte(collection: Path, tmp_path: Path) -> None:
    compress(collection, tmp_path / "a", fidelity="file")
    report = restore(tmp_path / "a", tmp_path / "back")
    assert tree(tmp_path / "back") == tree(collection)
    assert report.restored == {"byte-identical": len(tree(collection))}


@pytest.mark.parametrize(("fidelity", "codec"), LOSSY, ids=lambda value: value)
def test_lossy_restores_look_like_their_originals(fidelity: str, codec: str, collection: Path, tmp_path: Path) -> None:
    compress(collection, tmp_path / "a", fidelity=fidelity, codec=codec, tile=64)
    assert tilepress.verify(str(tmp_path / "a"), engine=LOCAL).problems == []
    report = restore(tmp_path / "a", tmp_path / "back")
    assert report.exit_code == 0
    assert report.restored["lossy"] > 3
    back = tree(tmp_path / "back")
    for name, data in images().items():
        before, after = decode(data).astype(float), decode(back[name]).astype(float)
        assert before.shape == after.shape, name
        peak = 65535 if "16" in name else 255
        assert np.mean((before - after) ** 2) < (0.05 * peak) ** 2, name
        if name.rpartition("/")[2] in ("1.png", "P.png", "1.tif", "P.tif"):
            assert np.array_equal(before, after), f"{name} is no kind of image to be coded with loss"
    for name, data in junk().items():
        assert back[name] == data, name


def test_names_that_are_not_unicode_are_shown_and_restored_with_escapes(collection: Path, tmp_path: Path) -> None:
    compress(collection, tmp_path / "a", include=("odd/",))
    restore(tmp_path / "a", tmp_path / "back")
    source = Path(os.fsdecode(os.fsencode(collection) + b"/" + NOT_UNICODE))
    assert np.array_equal(
        decode((tmp_path / "back" / NOT_UNICODE_SHOWN).read_bytes()), decode(source.read_bytes())
    )
