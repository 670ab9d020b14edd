"""What `tilepress report` promises: a page with the figures of the index, the same each time, with what is wrong."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import tilepress
from tests.jobs.archives.test_hostile_archive import Change, column, resealed, tile, unchanged
from tests.jobs.pages.test_markup import read
from tests.support.in_process import run
from tests.support.interrupted import ONE, damage_image
from tests.support.make_archives import encoded, smooth
from tests.support.make_collection import write_tree
from tilepress.jobs.archives import listing
from tilepress.jobs.report.selected import Foremost, Sample
from tilepress.pipeline.archive.audits import AuditRecord, remember
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.base import open_storage

NASTY = "b/</script><img src=x onerror=alert(1)>.png"
FILES = {
    **{f"a/{n}.png": encoded(smooth(24, 20, 3, seed=n)) for n in range(5)},
    "a/copy.png": encoded(smooth(24, 20, 3, seed=0)),
    "a/photo.jpg": encoded(smooth(90, 80, 3), "JPEG"),
    NASTY: encoded(smooth(150, 140, 3)),
    "b/notes.txt": b"words, words\n" * 50,
    "b/torn.png": encoded(smooth(60, 60, 3, seed=9))[:900],
    "empty": b"",
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: the second has one more file, and lacks another."""
    folder = tmp_path_factory.mktemp("report")
    write_tree(folder / "source", FILES)
    tilepress.compress(folder / "source", folder / "x.tp", **ONE)
    (folder / "source/a/4.png").unlink()
    (folder / "source/new.png").write_bytes(encoded(smooth(30, 30, 1, seed=7)))
    tilepress.compress(folder / "source", folder / "x.tp", **ONE)
    return folder / "x.tp"


def carried(html: bytes, suffix: str) -> bytes:
    """The file that a page carries, by the end of its name."""
    (number,) = re.findall(rf'data-file="(file-\d+)" data-name="[^"]+\{suffix}"', html.decode())
    (data,) = re.findall(rf'id="{number}">([^<]+)<', html.decode())
    return gzip.decompress(base64.b64decode(data))


def test_the_figures_are_those_of_info(archive: Path, tmp_path: Path) -> None:
    told = tilepress.report(archive, out=tmp_path / "x.html").figures
    info = listing.archive_info(str(archive))
    assert told["files"] == info.summary.images.total() == len(FILES) + 1
    assert told["bytes_in"] == info.summary.bytes_in.total()
    assert told["bytes_out"] == info.summary.bytes_out.total()
    assert told["disk_bytes"] == info.disk_bytes
    assert told["comes_back"] == dict(info.comes_back)
    assert {name: each["files"] for name, each in told["kinds"].items()} == dict(info.summary.images)
    assert {name: each["bytes_out"] for name, each in told["kinds"].items()} == dict(info.summary.bytes_out)
    assert told["gone"] == info.gone == 1
    assert sum(each["files"] for each in told["folders"].values()) == told["files"]
    assert {"a", "b", "."} == set(told["folders"])


def test_the_page_carries_every_file_and_its_figures(archive: Path, tmp_path: Path) -> None:
    told = tilepress.report(archive, out=tmp_path / "x.html").figures
    html = (tmp_path / "x.html").read_bytes()
    rows = list(csv.DictReader(io.StringIO(carried(html, ".csv").decode())))
    assert [row["path"] for row in rows] == sorted([*FILES, "new.png"])
    assert sum(int(row["source_bytes"]) for row in rows) == told["bytes_in"]
    assert sum(int(row["stored_bytes"]) for row in rows) == told["bytes_out"]
    assert json.loads(carried(html, ".json"))["bytes_in"] == told["bytes_in"]


def test_the_page_is_the_same_when_it_is_made_again(archive: Path, tmp_path: Path) -> None:
    def page() -> bytes:
        tilepress.report(archive, out=tmp_path / "x.html", overwrite=True)
        return re.sub(rb"<dt>made</dt><dd>[^<]+", b"", (tmp_path / "x.html").read_bytes())

    assert page() == page()


def test_the_page_shows_images_and_what_needs_a_look_with_the_reason(archive: Path, tmp_path: Path) -> None:
    report = tilepress.report(archive, out=tmp_path / "x.html")
    reader = read((tmp_path / "x.html").read_bytes().decode())
    shown = {attributes["alt"] for tag, attributes in reader.tags if tag == "img"}
    assert {"a/0.png", "a/photo.jpg", NASTY, "new.png"} <= shown
    assert "b/notes.txt" not in shown
    assert not [attributes for _, attributes in reader.tags if "onerror" in attributes]
    failures = listing.reasons(list(listing.failures(tilepress.open(archive, include_deleted=True))))
    assert report.figures["to_look_at"] == dict(failures)
    assert {"b/torn.png", "damaged"} <= set(reader.text)
    assert report.exit_code == 0


def test_only_what_is_chosen_is_told_of(archive: Path, tmp_path: Path) -> None:
    told = tilepress.report(archive, out=tmp_path / "x.html", include=["a"], exclude=["*.jpg"]).figures
    assert told["files"] == 6
    assert told["disk_bytes"] is None
    assert told["to_look_at"] == {}
    with pytest.raises(UsageError, match="holds nothing that matches"):
        tilepress.report(archive, out=tmp_path / "y.html", include=["nothing"])
    assert not (tmp_path / "y.html").exists()


def test_no_thumbnails_are_made_where_none_are_asked_for(archive: Path, tmp_path: Path) -> None:
    tilepress.report(archive, out=tmp_path / "x.html", thumbnails=0)
    assert b"<img" not in (tmp_path / "x.html").read_bytes().partition(b"<script")[0]


def test_the_command_writes_beside_nothing_and_replaces_only_when_told(
    archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capfd, "report", archive)
    assert code == 0 and out.startswith("x.tp.html: ") and f"{len(FILES) + 1} files" in out
    written = (tmp_path / "x.tp.html").read_bytes()
    code, _, err = run(capfd, "report", archive)
    assert code == 2 and "x.tp.html is there already: choose another --out, or say --overwrite" in err
    assert (tmp_path / "x.tp.html").read_bytes() == written
    code, out, _ = run(capfd, "report", archive, "--overwrite", "--json")
    told = json.loads(out)
    assert code == 0 and told["exit_code"] == 0 and told["page_bytes"] == (tmp_path / "x.tp.html").stat().st_size


@pytest.mark.parametrize("out", ["folder/", "s3:bucket/x.html"])
def test_a_place_that_is_none_is_refused(archive: Path, out: str) -> None:
    with pytest.raises(UsageError):
        tilepress.report(archive, out=out)


def test_no_file_of_an_archive_is_replaced_by_a_page(archive: Path) -> None:
    before = (archive / "archive.json").read_bytes()
    with pytest.raises(UsageError, match=r"it ends in \.html"):
        tilepress.report(archive, out=archive / "archive.json", overwrite=True)
    assert (archive / "archive.json").read_bytes() == before


def test_the_page_may_go_into_a_bucket(archive: Path, s3_url: str) -> None:
    report = tilepress.report(archive, out=f"{s3_url}/pages/x.html")
    assert len(open_storage(f"{s3_url}/pages").read("x.html")) == report.page_bytes
    with pytest.raises(UsageError, match="is there already"):
        tilepress.report(archive, out=f"{s3_url}/pages/x.html")


def test_an_image_that_is_damaged_is_named_and_the_rest_is_shown(archive: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(archive, tmp_path / "x.tp")
    damage_image(copy, NASTY)
    report = tilepress.report(copy, out=tmp_path / "x.html")
    assert [path for path, _ in report.not_shown] == [NASTY]
    assert report.exit_code == 3
    assert "could not be shown" in (tmp_path / "x.html").read_text()


def test_the_audits_that_the_archive_remembers_are_told(archive: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(archive, tmp_path / "x.tp")
    made = [AuditRecord(f"2026-11-{day}", day, 30, 100 + day, 0, 2, 3) for day in (20, 21)]
    for record in made:
        remember(open_storage(str(copy)), record)
    told = tilepress.report(copy, out=tmp_path / "x.html").figures
    assert told["audits"] == [asdict(record) for record in reversed(made)]
    assert {"Audits", "2026-11-21", "121"} <= set(read((tmp_path / "x.html").read_text()).text)


def test_an_archive_without_a_complete_run_is_told_of_with_that(archive: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(archive, tmp_path / "x.tp")
    for manifest in copy.rglob("manifest*"):
        manifest.unlink()
    report = tilepress.report(copy, out=tmp_path / "x.html")
    assert report.problems and report.figures["files"] == len(FILES) + 1
    assert "Problems" in read((tmp_path / "x.html").read_text()).text


def test_the_foremost_are_those_of_all() -> None:
    values = np.random.default_rng(1).integers(0, 50, 1000).tolist()
    foremost = Foremost[int](10)
    for at, value in enumerate(values):
        foremost.offer(value, at)
    assert list(foremost) == sorted(range(1000), key=lambda at: (-values[at], at))[:10]
    assert foremost.offered == 1000


def test_a_sample_depends_on_names_alone() -> None:
    names = [f"{n}.png" for n in range(300)]
    chosen = []
    for order in (names, names[::-1]):
        sample = Sample[str](20)
        for name in order:
            sample.offer(name, name)
        chosen.append(list(sample))
    assert chosen[0] == chosen[1] and len(set(chosen[0])) == 20
    assert chosen[0] != sorted(chosen[0])


@pytest.mark.parametrize("change", [tile(latents_bytes=-(1 << 63)), column("source_bytes", 1 << 62), tile(x=None)])
def test_rows_that_make_no_sense_are_damage_and_count_for_nothing(change: Change, tmp_path: Path) -> None:
    write_tree(tmp_path / "s", {f"{name}.png": encoded(smooth(60, 200, 1, seed=ord(name))) for name in "ab"})
    tilepress.compress(tmp_path / "s", tmp_path / "a.tp", engine="local")
    run = tmp_path / "a.tp/runs/0001"
    resealed(run / "manifest.parquet", unchanged, **{"tilepress.index": resealed(run / "index.parquet", change)})
    report = tilepress.report(tmp_path / "a.tp", out=tmp_path / "x.html")
    assert report.exit_code == 4 and any("a.png: an index row cannot be read" in each for each in report.problems)
    assert 0 <= report.figures["bytes_in"] < 1 << 20 and 0 <= report.figures["bytes_out"] < 1 << 20
    audited = tilepress.audit(tmp_path / "a.tp", out=tmp_path / "out", engine="local")
    assert audited.exit_code == 4 and audited.outcomes["damaged"] == audited.files
