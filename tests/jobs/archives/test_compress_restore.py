"""Whole round trips: what goes in comes back, whatever the fidelity and the codec."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import tilepress
from tests.support.make_collection import (
    DAMAGED,
    NOT_UNICODE,
    NOT_UNICODE_SHOWN,
    decode,
    facts,
    images,
    junk,
    tree,
    write_tree,
)
from tilepress.codecs.lossless.residual import LosslessResidual
from tilepress.codecs.model import Model
from tilepress.codecs.registry import shipped_models
from tilepress.jobs.archives.compress import CompressReport
from tilepress.jobs.archives.restore import RestoreReport

LOCAL = {"engine": "local", "workers": 1}
MODELS = [name for name in ("block-dnn-16",) if name in shipped_models()]
EXACT = [("pixels", codec) for codec in ("auto", "jpegxl", "png", "raw", *MODELS)]
LOSSY = [("lossy", codec) for codec in ("jpeg", *MODELS)]


def compress(source: Path, archive: Path, **options: object) -> CompressReport:
    return tilepress.compress(str(source), str(archive), **LOCAL, **options)


def restore(archive: Path, destination: Path, **options: object) -> RestoreReport:
    return tilepress.restore(str(archive), str(destination), **LOCAL, **options)


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
    report = tilepress.verify(str(exact / "a"), against=str(collection), **LOCAL)
    assert (report.problems, report.differing, report.exit_code) == ([], [], 0)
    assert report.images == len(tree(collection))


def test_no_file_takes_more_payload_than_it_had(exact: Path) -> None:
    for entry in tilepress.open(str(exact / "a")).entries():
        assert entry.index_row.nbytes <= entry.index_row.facts.source_bytes, entry.path


def test_fidelity_file_gives_back_every_byte(collection: Path, tmp_path: Path) -> None:
    compress(collection, tmp_path / "a", fidelity="file")
    report = restore(tmp_path / "a", tmp_path / "back")
    assert tree(tmp_path / "back") == tree(collection)
    assert report.restored == {"byte-identical": len(tree(collection))}


@pytest.mark.parametrize(("fidelity", "codec"), LOSSY, ids=lambda value: value)
def test_lossy_restores_look_like_their_originals(fidelity: str, codec: str, collection: Path, tmp_path: Path) -> None:
    compress(collection, tmp_path / "a", fidelity=fidelity, codec=codec, tile=64)
    assert tilepress.verify(str(tmp_path / "a"), **LOCAL).problems == []
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
        assert back[name] == data or name == "junk/noise.png", name


def test_names_that_are_not_unicode_are_shown_with_escapes_and_come_back_as_they_were(
    collection: Path, tmp_path: Path
) -> None:
    compress(collection, tmp_path / "a", include=("odd/",))
    restore(tmp_path / "a", tmp_path / "back")
    assert NOT_UNICODE_SHOWN in tilepress.open(str(tmp_path / "a"))
    source, back = (Path(os.fsdecode(os.fsencode(at) + b"/" + NOT_UNICODE)) for at in (collection, tmp_path / "back"))
    assert np.array_equal(decode(back.read_bytes()), decode(source.read_bytes()))


@pytest.fixture(scope="module")
def archive(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive in small tiles, by JPEG XL."""
    archive = tmp_path_factory.mktemp("archive") / "a"
    compress(collection, archive, tile=64)
    return archive


def test_include_and_exclude_choose_what_is_compressed(collection: Path, tmp_path: Path) -> None:
    compress(collection, tmp_path / "a", include=("*.png",), exclude=("odd/", "junk/"))
    held = set(tilepress.open(str(tmp_path / "a")))
    assert held == {
        name for name in tree(collection) if name.endswith(".png") and name[:3] != "odd" and name[:4] != "junk"
    }


def test_include_and_exclude_choose_what_is_restored(archive: Path, tmp_path: Path) -> None:
    restore(archive, tmp_path / "back", include=("png/*",), exclude=("*16.png",))
    assert sorted(tree(tmp_path / "back")) == [f"png/{mode}.png" for mode in ("1", "L", "LA", "P", "RGB", "RGBA")]


def test_a_dry_run_writes_nothing(collection: Path, tmp_path: Path) -> None:
    report = compress(collection, tmp_path / "a", dry_run=True)
    assert (report.run, report.planned_files) == (None, len(tree(collection)))
    assert list(tmp_path.iterdir()) == []


def test_regions_are_files_of_their_own_with_the_pixels_of_the_whole(archive: Path, tmp_path: Path) -> None:
    chosen = (
        "png/L.png",
        "png/LA.png",
        "png/RGB.png",
        "png/RGBA.png",
        "png/rgb16.png",
        "tiff/CMYK.tif",
        "many/tiles.png",
    )
    report = restore(archive, tmp_path / "back", include=chosen, region=(10, 20, 50, 17))
    assert report.restored == {"region": len(chosen)}
    for name in chosen:
        suffix = ".tif" if "CMYK" in name else ".png"
        part = decode((tmp_path / "back" / f"{name}-10-20-50x17{suffix}").read_bytes())
        assert np.array_equal(part, decode(images()[name])[20:37, 10:60]), name


def test_regions_of_files_that_differ_in_their_suffix_do_not_meet(tmp_path: Path) -> None:
    source = images()
    write_tree(
        tmp_path / "s",
        {"a.png": source["png/RGB.png"], "a.tif": source["tiff/lzw.tif"], "a.jpg": source["jpeg/RGB.jpg"]},
    )
    compress(tmp_path / "s", tmp_path / "a")
    assert restore(tmp_path / "a", tmp_path / "back", region=(0, 0, 9, 9)).restored == {"region": 3}
    assert len(tree(tmp_path / "back")) == 3


def test_what_has_no_such_region_is_refused_and_no_damage(archive: Path, tmp_path: Path) -> None:
    report = restore(archive, tmp_path / "back", include=("junk/notes.txt", "png/L.png"), region=(60, 0, 30, 30))
    assert report.restored == {"region": 1}  # the part of it that there is
    assert [path for path, _ in report.refused] == ["junk/notes.txt"]
    assert report.exit_code == 2
    outside = restore(archive, tmp_path / "other", include=("png/L.png",), region=(500, 0, 30, 30))
    assert (outside.exit_code, outside.failed) == (2, [])


@pytest.mark.skipif(not MODELS, reason="no model is shipped")
def test_previews_are_near_and_need_no_residual(collection: Path, tmp_path: Path) -> None:
    compress(collection, tmp_path / "a", codec=MODELS[0], include=("many/*", "jpeg/*"))
    report = restore(tmp_path / "a", tmp_path / "back", preview=True)
    assert report.restored == {"preview": 4}  # of the JPEG files, too: test_eighth.py
    before = decode(images()["many/tiles.png"]).astype(float)
    after = decode((tmp_path / "back/many/tiles.png").read_bytes()).astype(float)
    assert 0 < np.mean((before - after) ** 2) < 12.75**2


@pytest.mark.skipif(not MODELS, reason="no model is shipped")
@pytest.mark.parametrize(("fidelity", "residual"), [("pixels", "quick"), ("pixels", "lossless"), ("lossy", "quick")])
def test_an_archive_holds_the_models_that_its_tiles_need_and_no_others(
    fidelity, residual, collection, tmp_path
) -> None:
    asked = {"codec": MODELS[0], "fidelity": fidelity, "residual": residual}
    compress(collection, tmp_path / "a", include=("png/L.png",), **asked)
    needed = {shipped_models()[MODELS[0]], *([LosslessResidual.model_folder] if residual == "lossless" else [])}
    assert {path.name for path in (tmp_path / "a/models").iterdir()} == {Model.load(folder).name for folder in needed}


def test_restoring_again_changes_nothing_and_overwrite_mends(archive: Path, tmp_path: Path) -> None:
    back = tmp_path / "back"
    restore(archive, back)
    first = tree(back)
    assert restore(archive, back).restored == {"already there": len(first)}
    (back / "png/L.png").write_bytes(b"mine")
    again = restore(archive, back)
    assert (again.refused[0][0], again.exit_code) == ("png/L.png", 2)
    assert (back / "png/L.png").read_bytes() == b"mine"
    assert restore(archive, back, overwrite=True).exit_code == 0
    assert tree(back) == first


def test_a_folder_or_link_in_the_way_of_a_file_is_refused(archive: Path, tmp_path: Path) -> None:
    back = tmp_path / "back"
    (back / "png/L.png").mkdir(parents=True)
    (back / "png/RGB.png").symlink_to(tmp_path / "elsewhere")
    report = restore(archive, back, include=("png/",))
    assert {path for path, _ in report.refused} == {"png/L.png", "png/RGB.png"}
    assert not (tmp_path / "elsewhere").exists()
    assert (back / "png/P.png").is_file()
