"""`tilepress estimate`: what it promises to people, locally and on S3, interrupted, and asked for nonsense."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import tilepress
from tests.support.interrupted import ONE, command
from tests.support.make_collection import encoded, image_of, make_collection, tree, write_tree
from tests.support.web.browser import page
from tilepress.jobs.cli import app
from tilepress.jobs.estimation.display import EstimateMeter
from tilepress.jobs.estimation.report import EstimateReport
from tilepress.pipeline.errors import ResumeError, UsageError
from tilepress.pipeline.storage.base import open_storage

PICTURES = {
    f"{'abc'[at % 3]}/{at:02}.{'png' if at % 4 else 'jpg'}": encoded(
        image_of("RGB", 150 + at, 140, seed=at), "PNG" if at % 4 else "JPEG"
    )
    for at in range(24)
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PNG and JPEG files in folders, a text, an empty file and a link; never written to."""
    folder = tmp_path_factory.mktemp("estimate") / "source"
    write_tree(folder, PICTURES | {"notes.txt": b"not an image\n" * 40, "empty": b""})
    (folder / "link").symlink_to("notes.txt")
    return folder


def said(report: EstimateReport) -> list[Any]:
    """What a repeated estimate must say again: everything but seconds."""
    return [
        (each.codec, each.archive_bytes, each.saved_percent, [(k.kind, k.files, k.archive_bytes) for k in each.kinds])
        for each in report.codecs
    ]


def test_all_of_a_collection_measured_is_what_compressing_it_makes(source: Path, tmp_path: Path) -> None:
    report = tilepress.estimate(source, codecs=["auto"], sample=1000, **ONE)
    tilepress.compress(source, tmp_path / "a", **ONE)
    truth = sum(path.stat().st_size for path in (tmp_path / "a").rglob("*") if path.is_file())
    (codec,) = report.codecs
    assert (report.files, report.empty, report.bytes) == (27, 2, sum(map(len, PICTURES.values())) + 520)
    assert report.sampled_files == 25 and report.exit_code == 0
    assert codec.archive_bytes.low < truth < codec.archive_bytes.high
    assert codec.archive_bytes.value == pytest.approx(truth, rel=0.02)
    assert codec.core_hours.low < codec.core_hours.high and codec.hours.low < codec.hours.high
    assert [(kind.kind, kind.files) for kind in codec.kinds] == [("JPEG", 6), ("PNG", 18), ("other", 1)]
    assert sum(kind.bytes for kind in codec.kinds) == report.bytes
    assert codec.core_hours.value > 0 and codec.hours.value > 0 and codec.memory_bytes > 1 << 20


def test_a_sample_is_the_same_again_and_its_interval_holds(source: Path) -> None:
    first, again = (tilepress.estimate(source, sample=4, codecs=["png"], **ONE) for _ in range(2))
    whole = tilepress.estimate(source, sample=1000, codecs=["png"], **ONE)
    assert said(first) == said(again)
    assert first.sampled_units == 4
    interval = first.codecs[0].archive_bytes
    assert interval.low < whole.codecs[0].archive_bytes.value < interval.high


def test_intervals_of_few_units_are_said_to_be_uncertain(source: Path, tmp_path: Path) -> None:
    few = tilepress.estimate(source, codecs=["raw"], sample=3, report=tmp_path / "few.html", **ONE)
    assert few.uncertain == ["raw"]
    assert "raw: too little was measured" in (tmp_path / "few.html").read_text()
    assert tilepress.estimate(source, codecs=["raw"], sample=1000, **ONE).uncertain == []


def test_sources_on_s3_are_estimated_as_local_ones(s3_url: str, tmp_path: Path) -> None:
    files = {name: PICTURES[name] for name in ("a/00.jpg", "b/01.png", "c/02.png")}
    files["z/again.jpg"] = PICTURES["a/00.jpg"]
    write_tree(tmp_path / "source", files)
    for name, data in files.items():
        open_storage(s3_url).create(name, data)
    there = tilepress.estimate(s3_url, out=f"{s3_url}-out", codecs=["png"], sample=1000, **ONE)
    here = tilepress.estimate(tmp_path / "source", codecs=["png"], sample=1000, **ONE)
    assert (there.repeated_bytes, here.repeated_bytes) == (len(PICTURES["a/00.jpg"]), 0)
    assert said(there) == said(here)
    assert open_storage(f"{s3_url}-out").exists("sample.parquet")


def test_nothing_is_left_behind(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = tree(source)
    tilepress.estimate(source, sample=2, codecs=["png"], **ONE)
    assert tree(source) == before and list(tmp_path.iterdir()) == []


def test_a_killed_estimate_goes_on_and_measures_nothing_twice(source: Path, tmp_path: Path) -> None:
    out, parts = tmp_path / "out", tmp_path / "out/parts"
    options = ("--codec", "png", "--codec", "raw", "--sample", "6", "--engine", "local", "-j", "1", "--out", out)
    process = command("estimate", source, *options)
    while process.poll() is None and len(list(parts.glob("*.parquet"))) < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = {path.name: path.stat().st_ino for path in parts.glob("*.parquet")}
    asked: dict[str, Any] = {"codecs": ["png", "raw"], "sample": 6, **ONE}
    report = tilepress.estimate(source, out=out, **asked)
    assert report.resumed_units == len(kept) >= 2 and report.sampled_units == 6
    assert {path.name: path.stat().st_ino for path in parts.glob("*.parquet")}.items() >= kept.items()
    assert said(report) == said(tilepress.estimate(source, **asked))
    again = tilepress.estimate(source, out=out, **asked)
    assert again.resumed_units == 6 and said(again) == said(report)
    assert again.codecs[0].core_hours == report.codecs[0].core_hours
    rows = pq.read_table(out / "sample.parquet").to_pylist()
    assert len(rows) == 12 and {row["codec"] for row in rows} == {"png", "raw"}
    with pytest.raises(ResumeError, match="sample was 6, now 5"):
        tilepress.estimate(source, out=out, **asked | {"sample": 5})


def test_other_files_are_another_estimate(source: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "s", PICTURES)
    asked: dict[str, Any] = {"codecs": ["png"], "sample": 2, "out": tmp_path / "out", **ONE}
    tilepress.estimate(tmp_path / "s", **asked)
    (tmp_path / "s/new.png").write_bytes(PICTURES["b/01.png"])
    with pytest.raises(ResumeError, match="the source has other images now"):
        tilepress.estimate(tmp_path / "s", **asked)


def test_a_single_file_and_damaged_files_alone(tmp_path: Path) -> None:
    whole = PICTURES["b/01.png"]
    write_tree(tmp_path, {"one.png": whole, "cut/a.png": whole[:900], "cut/b.jpg": PICTURES["a/00.jpg"][:700]})
    one = tilepress.estimate(tmp_path / "one.png", **ONE)
    assert (one.files, one.sampled_files, one.exit_code) == (1, 1, 0)
    assert [codec.codec for codec in one.codecs] == ["auto", "lossless"]  # where none is named
    cut = tilepress.estimate(tmp_path / "cut", codecs=["png"], **ONE)
    assert (cut.damaged_files, cut.exit_code) == (2, 3)
    assert cut.codecs[0].archive_bytes.value >= 1500


def test_large_files_do_not_take_longer_than_there_is_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(EstimateMeter, "_tell", lambda meter: told.append(meter._facts()))
    large = encoded(image_of("RGB", 1000, 900, seed=3), "PNG")
    write_tree(tmp_path, {f"s/{at}.png": large for at in range(9)} | {"s/small.png": PICTURES["b/01.png"]})
    report = tilepress.estimate(tmp_path / "s", codecs=["png"], minutes=0.01, **ONE)
    assert report.sampled_files == 1 and report.unseen_bytes == 9 * len(large)
    assert not any("measuring" in facts[-1] for facts in told)
    size = report.codecs[0].archive_bytes
    assert 0 < size.low < 0.9 * size.value < size.value < size.high
    tilepress.estimate(tmp_path / "s", codecs=["png"], exclude=["small.png"], minutes=0.01, **ONE)
    assert any(facts[-1] == "measuring 6.png (1.34 MB), for which time is short" for facts in told)


def test_every_kind_of_file_there_is(tmp_path: Path) -> None:
    make_collection(tmp_path / "source")
    report = tilepress.estimate(tmp_path / "source", codecs=["png"], sample=1000, **ONE)
    assert {kind.kind for kind in report.codecs[0].kinds} == {"JPEG", "PNG", "TIFF", "other"}
    assert report.damaged_files >= 3


def test_codecs_get_the_options_that_they_have(source: Path) -> None:
    asked: dict[str, Any] = {"fidelity": "lossy", "quality": 30, "sample": 3, **ONE}
    report = tilepress.estimate(source, codecs=["jpeg", "png"], **asked)
    lossy, lossless = report.codecs
    assert (lossy.codec, lossless.codec) == ("jpeg (lossy, quality 30)", "png")
    assert lossy.archive_bytes.value < lossless.archive_bytes.value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codecs": ["png", "png"]}, "there twice"),
        ({"codecs": ["nosuch"]}, "nosuch"),
        ({"codecs": ["png"], "quality": 5}, "`quality` has no effect on png"),
        ({"codecs": ["png", "raw"], "quality": 5}, "`quality` has no effect on any of `codecs`"),
        ({"codecs": ["png", "raw"], "fidelity": "lossy"}, "takes a lossy codec"),
        ({"price_storage": 20.0}, "give both"),
        ({"minutes": 0.0}, "`minutes` must be at least 0.01"),
        ({"tile": 3}, "`tile` 3"),
        ({"ray_address": "auto"}, "name a place for `out`"),
    ],
)
def test_nonsense_is_refused(source: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tilepress.estimate(source, **options)


def test_an_empty_source_and_places_within_the_source_are_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no files there"):
        tilepress.estimate(tmp_path / "empty", **ONE)
    with pytest.raises(UsageError, match="lies within the source"):
        tilepress.estimate(source, out=source / "out", **ONE)
    with pytest.raises(UsageError, match=r"`report` .* lies within the source"):
        tilepress.estimate(source, report=source / "page.html", **ONE)
    write_tree(tmp_path / "full", {"x": b"1"})
    with pytest.raises(UsageError, match="holds other files"):
        tilepress.estimate(source, out=tmp_path / "full", codecs=["png"], sample=2, **ONE)


def test_the_command_prints_what_a_person_asks(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = ["--price-storage", "23", "--price-core-hour", "0.04"]
    words = ["estimate", str(source), "--codec", "png", "--sample", "6", "--engine", "local", "-j", "2", *prices]
    assert app._run(words) == 0
    out = capsys.readouterr().out
    for wanted in (
        "27 files",
        "hours at -j 2",
        "saved",
        "by kind of file, with png",
        "JPEG",
        "month",
        "19 times in 20",
    ):
        assert wanted in out
    assert app._run([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["codecs"][0]["archive_bytes"]) == {"value", "low", "high"}
    assert report["codecs"][0]["payback"]["compressing"]["value"] > 0


def test_a_dry_run_shows_it_of_what_is_new(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compress", str(source), str(tmp_path / "a"), "--codec", "png", "--engine", "local", "-j", "1"]
    assert app._run([*words, "--include", "*.jpg"]) == 0
    capsys.readouterr()
    before = tree(tmp_path)
    assert app._run([*words, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "would compress 21 files" in out and "hours at -j 1" in out and "JPEG" not in out
    assert tree(tmp_path) == before
    assert app._run([*words, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["estimate"]["files"] == 21


def test_the_page_shows_sizes_money_and_commands(source: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"codecs": ["png", "raw"], "sample": 6, "price_storage": 23.0, "price_core_hour": 0.04}
    out, named = tmp_path / "out", tmp_path / "named.html"
    report = tilepress.estimate(source, out=out, report=named, **asked, **ONE)
    text = named.read_text()
    assert report.page == str(named) and text == (out / "report.html").read_text()
    for wanted in (
        "By kind of file",
        "JPEG",
        "paid for in month",
        "files measured",
        "tilepress compress",
        "--codec raw",
    ):
        assert wanted in text
    assert text.count('class="within"') == 2
    with pytest.raises(UsageError, match=r"ends in \.html"):
        tilepress.estimate(source, report=tmp_path / "page", **asked, **ONE)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_screens_and_asks_no_network(source: Path, tmp_path: Path, width: int) -> None:
    tilepress.estimate(source, codecs=["png", "raw"], sample=6, report=tmp_path / "page.html", **ONE)
    with page(width, offline=True) as opened:
        opened.goto((tmp_path / "page.html").as_uri())
        assert opened.get_by_role("heading", name="By codec", exact=True).is_visible()
        assert opened.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_ray_projects_the_same_as_this_process(source: Path, tmp_path: Path, ray_cluster: object) -> None:
    asked: dict[str, Any] = {"codecs": ["png", "block-dnn-16"], "sample": 5}
    there = tilepress.estimate(source, engine="ray", workers=2, out=tmp_path / "out", **asked)
    assert there.engine == "ray"
    assert said(there) == said(tilepress.estimate(source, **asked, **ONE))
    assert os.listdir(tmp_path / "out/models")  # noqa: PTH208 - only whether there are any


def test_codecs_that_nobody_asked_for_take_no_more_than_their_share_of_the_time(tmp_path: Path) -> None:
    write_tree(tmp_path, {"s/large.png": encoded(image_of("RGB", 192, 160, seed=3), "PNG")})
    report = tilepress.estimate(tmp_path / "s", minutes=0.01, report=tmp_path / "page.html", **ONE)
    assert [codec.codec for codec in report.codecs] == ["auto"]
    report = tilepress.estimate(tmp_path / "s", sample=2, **ONE)
    assert [codec.codec for codec in report.codecs] == ["auto", "lossless"]
