"""`--max-error` from the command line to the restored file: every sample within the bound, whatever the image."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import tilepress
from tests.support.make_collection import decode, encoded, facts, images, junk, picture, tree
from tilepress.jobs.archives import compress as compress_job
from tilepress.jobs.cli import app
from tilepress.pipeline.archive.fidelity import Fidelity
from tilepress.pipeline.archive.plan import plan_from_bytes
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.errors import ResumeError, UsageError

LOCAL = {"engine": "local", "workers": 1}
GOLDEN_PLAN = Path(__file__).parent.parent.parent / "golden/format-1/archive/runs/0001/plan.parquet"
EXACT = ("1.png", "P.png", "1.tif", "P.tif", ".jpg")


@pytest.fixture(scope="module")
def archive(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of every kind of image, within 3 levels."""
    archive = tmp_path_factory.mktemp("near") / "a"
    tilepress.compress(str(collection), str(archive), codec="jpegls", max_error=3, tile=64, **LOCAL)
    return archive


@pytest.fixture(scope="module")
def back(archive: Path) -> Path:
    """What is restored from it."""
    assert tilepress.restore(str(archive), str(archive.parent / "back"), **LOCAL).exit_code == 0
    return archive.parent / "back"


def error(before: bytes, after: bytes) -> int:
    old, new = decode(before), decode(after)
    assert old.shape == new.shape and old.dtype == new.dtype
    return int(np.abs(old.astype(int) - new).max())


def test_every_sample_comes_back_within_the_bound_with_all_metadata(back: Path) -> None:
    found = {name: error(data, (back / name).read_bytes()) for name, data in images().items()}
    assert max(found.values()) <= 3 and sum(value > 0 for value in found.values()) > 10
    for name, data in images().items():
        assert facts((back / name).read_bytes()) == facts(data), name
        if name.endswith(EXACT):
            assert found[name] == 0, name


def test_junk_and_jpegs_come_back_byte_by_byte(back: Path) -> None:
    for name, data in (junk() | images()).items():
        if name.endswith(".jpg") or (name.startswith("junk/") and name != "junk/noise.png"):
            assert (back / name).read_bytes() == data, name


def test_the_summary_counts_what_is_within_the_bound(archive: Path, tmp_path: Path) -> None:
    entries = {entry.path: entry for entry in tilepress.open(str(archive)).entries()}
    near = {path for path, entry in entries.items() if entry.index_row.facts.promised.bound == 3}
    report = tilepress.restore(str(archive), str(tmp_path / "back"), **LOCAL)
    assert report.restored["within 3 levels"] == len(near) > 10
    assert report.restored.total() == len(entries)
    assert all(not path.endswith(EXACT) for path in near)


def test_modification_times_come_back(back: Path, collection: Path) -> None:
    for name in ("png/RGB.png", "tiff/gray16.tif", "jpeg/L.jpg"):
        assert (back / name).stat().st_mtime_ns == (collection / name).stat().st_mtime_ns


def test_the_archive_verifies_even_against_its_source(archive: Path, collection: Path) -> None:
    for rebuild in (False, True):
        report = tilepress.verify(str(archive), against=str(collection), rebuild=rebuild, **LOCAL)
        assert (report.problems, report.differing, report.exit_code) == ([], [], 0)


def test_verify_against_the_source_proves_the_bound(archive: Path, collection: Path, monkeypatch) -> None:
    original = Fidelity.parse
    monkeypatch.setattr(Fidelity, "parse", lambda name: Fidelity(name, min(1, original(name).bound)))
    report = tilepress.verify(str(archive), against=str(collection), **LOCAL)
    assert report.exit_code == 4 and all("not by at most 1" in problem for _, _, problem in report.problems)
    assert tilepress.verify(str(archive), **LOCAL).exit_code == 0


def test_no_file_takes_more_payload_than_it_had_and_most_take_less_than_exactly(archive, collection, tmp_path) -> None:
    tilepress.compress(str(collection), str(tmp_path / "exact"), codec="jpegls", tile=64, **LOCAL)
    near, exact = (tilepress.open(str(where)) for where in (archive, tmp_path / "exact"))
    for entry in near.entries():
        assert entry.index_row.nbytes <= entry.index_row.facts.source_bytes, entry.path
    total = sum(entry.index_row.nbytes for entry in near.entries() if entry.path.startswith(("png/", "tiff/", "many/")))
    assert total < 0.75 * sum(
        exact[path].index_row.nbytes for path in exact if path.startswith(("png/", "tiff/", "many/"))
    )


KINDS = {
    "L": (1, 8),
    "LA": (2, 8),
    "RGB": (3, 8),
    "RGBA": (4, 8),
    "gray16": (1, 16),
    "rgb16": (3, 16),
    "gray10": (1, 10),
}


def file_of(kind: str, height: int, width: int, seed: int) -> bytes:
    channels, bits = KINDS[kind]
    samples = picture(height, width, channels, bits=bits, seed=seed)
    if bits > 8:
        return bytes(imagecodecs.png_encode(samples[:, :, 0] if channels == 1 else samples))
    return encoded(Image.fromarray(samples[:, :, 0] if channels == 1 else samples), "TIFF" if seed % 2 else "PNG")


@given(
    kind=st.sampled_from(list(KINDS)),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    bound=st.one_of(st.integers(1, 12), st.integers(13, 65535)),
    seed=st.integers(0, 9),
)
@settings(max_examples=12)
def test_any_image_comes_back_within_any_bound(kind: str, size: tuple[int, int], bound: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "s").mkdir()
        data = file_of(kind, *size, seed)
        (folder / "s/a").write_bytes(data)
        source, where = str(folder / "s"), str(folder / "a")
        assert tilepress.compress(source, where, codec="jpegls", max_error=bound, tile=32, **LOCAL).exit_code == 0
        assert tilepress.verify(where, against=source, **LOCAL).exit_code == 0
        assert tilepress.restore(where, str(folder / "back"), **LOCAL).exit_code == 0
        assert error(data, (folder / "back/a").read_bytes()) <= bound


def test_ls_and_info_say_the_bound(archive: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert app._run(["ls", str(archive), "png/RGB.png"]) == 0
    assert "jpegls (within 3 levels)" in capfd.readouterr().out
    assert app._run(["info", str(archive), "png/RGB.png", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert shown["fidelity"] == "max-error-3" and shown["psnr_of_base"] > 35
    assert app._run(["info", str(archive)]) == 0
    out = capfd.readouterr().out
    assert "fidelity pixels within 3 levels" in out and "pixels, by jpegls (within 3 levels)" in out


def test_a_bound_of_zero_is_exact(collection: Path, tmp_path: Path) -> None:
    assert app._run(["compress", str(collection), str(tmp_path / "a"), "--max-error", "0", "--include", "png/*"]) == 0
    entries = list(tilepress.open(str(tmp_path / "a")).entries())
    assert {entry.index_row.facts.fidelity for entry in entries} == {"pixels"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codec": "auto"}, "no effect on auto.*lossless or jpegls"),
        ({"codec": "jpegxl"}, "no effect on jpegxl"),
        ({"codec": "huffman"}, "no effect on huffman"),
        ({"codec": "jpegls", "fidelity": "file"}, "leave one of them out"),
        ({"codec": "auto", "fidelity": "file"}, "leave one of them out"),
        ({"codec": "jpeg", "fidelity": "lossy"}, "leave one of them out"),
        ({"codec": "jpegls", "max_error": -1}, "`max_error` -1 is not within 0 to 65535"),
        ({"codec": "jpegls", "max_error": 70000}, "`max_error` 70000 is not within 0 to 65535"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(options, message, collection, tmp_path) -> None:
    with pytest.raises(UsageError, match=message):
        tilepress.compress(str(collection), str(tmp_path / "a"), **({"max_error": 2} | options))
    assert not (tmp_path / "a").exists()


def test_a_run_goes_on_only_with_the_bound_that_it_was_begun_with(collection, tmp_path, monkeypatch) -> None:
    options = {"codec": "jpegls", "include": ("png/*",), **LOCAL}
    with monkeypatch.context() as patch:

        def fails(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(compress_job, "encode_shard", fails)
        with pytest.raises(KeyboardInterrupt):
            tilepress.compress(str(collection), str(tmp_path / "a"), max_error=2, **options)
    for other in (1, None):
        with pytest.raises(ResumeError, match=r"max_error"):
            tilepress.compress(str(collection), str(tmp_path / "a"), max_error=other, **options)
    assert tilepress.compress(str(collection), str(tmp_path / "a"), max_error=2, **options).exit_code == 0


def test_plans_of_exact_runs_are_as_they_were_before_there_was_a_bound() -> None:
    before = plan_from_bytes(GOLDEN_PLAN.read_bytes(), "golden plan").settings["press"]
    assert before.keys() == EncodeSettings("jpegxl", sparse=True).to_json().keys()
    assert replace(EncodeSettings("jpegls", sparse=True), max_error=2).to_json().keys() - before.keys() == {"max_error"}


def test_a_restored_tree_has_every_file(back: Path, collection: Path) -> None:
    assert sorted(tree(back)) == sorted(tree(collection))
