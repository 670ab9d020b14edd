"""run-report.json: how a command ended, at the archive's root and wherever a caller wants it."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.errors import IntegrityError, UsageError
from tilepress.jobs.cli.app import _run
from tilepress.jobs.run_report.places import NAME, problem_of, put_at, put_in_archive, read_at
from tilepress.jobs.run_report.redaction import redacted
from tilepress.jobs.run_report.report import RunReport
from tilepress.pipeline.compress.lease import Lease
from tilepress.pipeline.storage.base import Storage, open_storage


def ended(finished: str, run: int | None = 1, exit_code: int = 0) -> RunReport:
    return RunReport("compress", {}, "0.1.0", "host", "2026-11-28T01:00:00Z", "", finished, exit_code, run)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    pictures = {f"{name}.png": encoded(image_of("RGB", 60, 60, seed=ord(name)), "PNG") for name in "ab"}
    write_tree(tmp_path / "source", pictures)
    return tmp_path / "source"


def test_compress_leaves_a_report_in_the_archive(source: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tp"
    tilepress.compress(source, archive, **ONE)
    report = read_at(f"{archive}/{NAME}")
    assert (report.verb, report.exit_code, report.run, report.error) == ("compress", 0, 1, "")
    assert (report.counts["images"], report.counts["shards_done"], report.counts["shards_planned"]) == (2, 1, 1)
    assert report.counts["bytes_in"] == sum(file.stat().st_size for file in source.iterdir())
    assert report.counts["bytes_out"] > 0 and report.counts["tiles"] >= 1 and report.retries == {}
    assert report.arguments["source"] == str(source) and report.started <= str(report.finished)
    write_tree(source, {"torn.png": encoded(image_of("RGB", 60, 60, seed=3), "PNG")[:900]})
    assert tilepress.compress(source, archive, **ONE).exit_code == 3
    report = read_at(f"{archive}/{NAME}")
    assert (report.exit_code, report.run, report.error) == (3, 2, "1 file: damaged")
    assert tilepress.verify(archive, **ONE).notes == []


def test_what_does_nothing_leaves_the_report_as_it_was(source: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tp"
    tilepress.compress(source, archive, dry_run=True, **ONE)
    assert not archive.exists()
    tilepress.compress(source, archive, **ONE)
    before = (archive / NAME).read_bytes()
    tilepress.compact(archive)
    tilepress.verify(archive, **ONE)
    with pytest.raises(UsageError):
        tilepress.compress(source, archive, codec="none such", **ONE)
    assert (archive / NAME).read_bytes() == before


def test_a_command_that_fails_says_so(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "a.tp"
    tilepress.compress(source, archive, **ONE)
    write_tree(source, {"c.png": encoded(image_of("RGB", 60, 60, seed=9), "PNG")})

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tilepress.jobs.archives.compress.create_index", fail)
    with pytest.raises(KeyboardInterrupt):
        tilepress.compress(source, archive, **ONE)
    report = read_at(f"{archive}/{NAME}")
    assert (report.exit_code, report.run, report.error) == (130, 2, "interrupted")


def test_any_command_writes_a_report_where_it_is_told_to(source: Path, tmp_path: Path) -> None:
    archive, place = tmp_path / "a.tp", tmp_path / "reports/verify.json"
    tilepress.compress(source, archive, **ONE)
    part = archive / "runs/0001/parts/00000.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    assert _run(["verify", str(archive), "--run-report", str(place), "--engine", "local"]) == 4
    report = read_at(str(place))
    assert (report.verb, report.exit_code) == ("verify", 4) and "00000.parquet" in report.error
    assert report.counts["verify_failures"] > 0
    assert _run(["verify", str(tmp_path / "none"), "--run-report", str(place)]) == 2
    assert read_at(str(place)).exit_code == 2
    other = tmp_path / "notes.json"
    other.write_text("{}")
    assert _run(["verify", str(archive), "--run-report", str(other)]) == 2
    assert other.read_text() == "{}"


def test_a_command_that_was_killed_leaves_a_report_without_an_end(source: Path, tmp_path: Path) -> None:
    place = tmp_path / "r.json"
    program = (
        "import os, tilepress.jobs.archives.compress as c, tilepress\n"
        "from tilepress.jobs.run_report.recorder import reporting_to\n"
        "c.create_index = lambda *_: os._exit(9)\n"
        f"with reporting_to({str(place)!r}): tilepress.compress({str(source)!r}, {str(tmp_path / 'a')!r}, workers=1)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    report = read_at(str(place))
    assert (report.exit_code, report.finished) == (None, None)


def test_whoever_ends_later_counts_and_a_loser_never_replaces_a_winner(storage: Storage) -> None:
    assert not put_in_archive(storage, ended("2026-11-28T02:00:00Z"))  # no archive is there
    storage.create("archive.json", b"{}")
    assert put_in_archive(storage, ended("2026-11-28T02:00:00Z"))
    assert not put_in_archive(storage, ended("2026-11-28T01:59:59Z", exit_code=5))
    assert put_in_archive(storage, ended("2026-11-28T02:00:01Z", run=2))
    assert not put_in_archive(storage, ended("2026-11-28T03:00:00Z", run=1, exit_code=5))
    assert put_in_archive(storage, ended("2026-11-28T04:00:00Z", run=None, exit_code=5))
    assert RunReport.parse(storage.read(NAME), NAME).exit_code == 5


def test_of_writers_at_the_same_time_the_last_one_stays(tmp_path: Path, s3_url: str) -> None:
    for place in (str(tmp_path), s3_url):
        open_storage(place).create("archive.json", b"{}")
        reports = [ended(f"2026-11-28T02:00:{second:02d}Z") for second in range(12)]

        def put(report: RunReport, place: str = place) -> bool:
            return put_in_archive(open_storage(place), report)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, reports[6:] + reports[:6]))
        assert RunReport.parse(open_storage(place).read(NAME), NAME).finished == "2026-11-28T02:00:11Z"


def test_a_damaged_report_is_a_note_and_gives_way(source: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tp"
    tilepress.compress(source, archive, **ONE)
    (archive / NAME).write_bytes((archive / NAME).read_bytes().replace(b'"compress"', b'"compact"'))
    verified = tilepress.verify(archive, **ONE)
    assert verified.exit_code == 0 and NAME in verified.notes[0]
    with pytest.raises(IntegrityError):
        read_at(f"{archive}/{NAME}")
    tilepress.compress(source, archive, **ONE)
    assert problem_of(open_storage(str(archive))) is None
    (archive / NAME).unlink()  # as in archives of before
    assert tilepress.verify(archive, **ONE).notes == []


def test_a_place_that_may_not_be_written_fails_nothing_that_only_reads(source: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tp"
    tilepress.compress(source, archive, **ONE)
    before = sorted(archive.rglob("*"))
    assert tilepress.verify(archive, **ONE).exit_code == 0
    assert tilepress.restore(archive, tmp_path / "back", **ONE).exit_code == 0
    assert sorted(archive.rglob("*")) == before


@pytest.mark.parametrize(
    "text",
    [
        "s3://user:hunter2@host/x",
        "s3://user:w/hunter2@host/x",
        "s3://user:w@hunter2@host/x",
        "s3://us@hunter2@host/x",
        "https://h/x?X-Amz-Signature=hunter2&a=1",
        "https://h/?sig=hunter2",
    ],
)
def test_credentials_of_urls_are_in_no_report(text: str, tmp_path: Path) -> None:
    assert "hunter2" not in redacted(f"no answer from {text}")
    put_at(str(tmp_path / "r.json"), replace(ended("x"), error=redacted(text)))
    assert "hunter2" not in (tmp_path / "r.json").read_text()
    assert json.loads((tmp_path / "r.json").read_text())["format"] == "tilepress-run-report-1"
    for harmless in ("plain a@b.c://x", "s3://b/a:b@2x.png", "http://host:80/a b@c"):
        assert redacted(harmless) == harmless


def test_who_leaves_an_archive_to_another_command_leaves_its_report(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "a.tp"
    tilepress.compress(source, archive, **ONE)
    before = (archive / NAME).read_bytes()
    with Lease(open_storage(str(archive)), "compress", "share") as lease:
        lease.begin()
        left = tilepress.compress(source, archive, if_busy="skip", **ONE)
    assert left.busy and (archive / NAME).read_bytes() == before
