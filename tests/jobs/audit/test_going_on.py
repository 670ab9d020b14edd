"""Audits that are killed, repeated, cut into slices, compared with earlier ones, and held to limits."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
from PIL import Image

from tests.jobs.archives.test_s3 import upload
from tests.jobs.audit.conftest import by_path, table
from tests.support.evaluations import snapshot
from tests.support.interrupted import ONE, command, make_source
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress import audit, compress
from tilepress.jobs.audit import asking
from tilepress.jobs.audit import audit as audit_job
from tilepress.jobs.audit.items import Survey, audit_items, audit_tasks
from tilepress.pipeline.archive.audits import last_audits
from tilepress.pipeline.errors import IntegrityError, ResumeError, UsageError
from tilepress.pipeline.storage.base import open_storage
from tilepress.pipeline.storage.local import LocalStorage


class KilledError(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


@pytest.fixture
def small_tasks(monkeypatch):
    """Tasks of two images."""
    monkeypatch.setattr("tilepress.jobs.audit.items._TASK_IMAGES", 2)


def test_a_complete_audit_is_told_again_and_nothing_is_written(shots, tmp_path):
    first = audit(str(shots), out=str(tmp_path / "out"), **ONE)
    before = snapshot(tmp_path / "out")
    again = audit(str(shots), out=str(tmp_path / "out"), **ONE)
    assert snapshot(tmp_path / "out") == before and again.written == [] and again.exit_code == first.exit_code
    assert (again.figures, again.findings, again.groups) == (first.figures, first.findings, first.groups)


def test_a_page_that_a_kill_left_behind_is_made_of_the_limits_of_now(shots, tmp_path, monkeypatch):
    out, asked, write = tmp_path / "out", {"fail_over": ("findings.blank=0",)}, LocalStorage.write

    def killing(storage: LocalStorage, name: str, data: Any, *, overwrite: bool = False) -> None:
        if name == "report.html":
            raise KilledError
        write(storage, name, data, overwrite=overwrite)

    audit(str(shots), out=str(out), **ONE)
    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(LocalStorage, "write", killing)
        audit(str(shots), out=str(out), **asked, **ONE)
    report = audit(str(shots), out=str(out), **asked, **ONE)
    assert report.written == ["summary.md", "report.html"]
    assert "findings.blank over 0" in (out / "report.html").read_text()


def test_killed_before_or_after_any_object_it_goes_on_without_looking_twice(shots, tmp_path, monkeypatch, small_tasks):
    audit(str(shots), out=str(tmp_path / "wanted"), **ONE)
    out, create, left = tmp_path / "out", LocalStorage.create, 0

    def killing(storage: LocalStorage, name: str, data: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KilledError
        create(storage, name, data)
        if left == -1:
            raise KilledError

    monkeypatch.setattr(LocalStorage, "create", killing)
    kills, kept = 0, dict[str, tuple[bytes, int]]()
    for moment in [0, 1] * 30:
        left = moment
        try:
            report = audit(str(shots), out=str(out), **ONE)
            break
        except KilledError:
            kills += 1
        now = snapshot(out) if out.exists() else {}
        assert {name: now[name] for name in kept} == kept
        kept = now
    assert kills >= 5 and report.resumed_tasks == report.tasks == 4
    assert table(out) == table(tmp_path / "wanted")


@pytest.mark.slow
def test_killed_for_real_the_same_command_goes_on(tmp_path):
    source, out = make_source(tmp_path / "source", 2000), tmp_path / "out"
    driver = command("audit", source, "--out", out, "--engine", "local", "-j", "1")
    while not list(out.glob("parts/*.parquet")):
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.001)
    driver.send_signal(signal.SIGKILL)
    driver.communicate(timeout=20)
    before = snapshot(out)
    report = audit(str(source), out=str(out), **ONE)
    assert 1 <= report.resumed_tasks < report.tasks
    assert all(snapshot(out)[name] == content for name, content in before.items())


def test_another_audit_in_the_same_folder_is_refused_and_named(shots, tmp_path):
    audit(str(shots), out=str(tmp_path / "out"), include=("2023/*",), **ONE)
    with pytest.raises(ResumeError, match="another audit: include was 2023/\\*, now \\[\\]"):
        audit(str(shots), out=str(tmp_path / "out"), **ONE)
    with pytest.raises(UsageError, match="lies within"):
        audit(str(shots), out=str(shots / "out"), **ONE)


def test_another_version_tells_what_is_complete_again_and_goes_on_with_nothing(shots, tmp_path, monkeypatch):
    out, asked = tmp_path / "out", {"include": ("2023/*",), **ONE}
    audit(str(shots), out=str(out), **asked)
    monkeypatch.setattr("tilepress.__version__", "99.0")
    assert audit(str(shots), out=str(out), **asked).images == 2
    (out / "images.parquet").unlink()
    before = snapshot(out)
    with pytest.raises(ResumeError, match=r"begun by another version of tilepress, 0\..*, and this is 99\.0"):
        audit(str(shots), out=str(out), **asked)
    assert snapshot(out) == before


def test_a_damaged_part_is_found_and_named(shots, tmp_path):
    audit(str(shots), out=str(tmp_path / "out"), **ONE)
    part = tmp_path / "out/parts/00000.parquet"
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 1
    part.write_bytes(data)
    (tmp_path / "out/images.parquet").unlink()
    with pytest.raises(IntegrityError, match="00000"):
        audit(str(shots), out=str(tmp_path / "out"), **ONE)


@pytest.mark.parametrize("place", ["shots", "exact"])
def test_slices_together_are_everything_once(place, request, tmp_path):
    source = request.getfixturevalue(place)
    audit(str(source), out=str(tmp_path / "all"), **ONE)
    slices = []
    for part in range(1, 5):
        audit(str(source), out=str(tmp_path / f"{part}"), slice=(part, 4), **ONE)
        slices += table(tmp_path / f"{part}")
    assert sorted(row["path"] for row in slices) == [row["path"] for row in table(tmp_path / "all")]


def test_a_sample_is_the_same_every_time(shots, tmp_path):
    audit(str(shots), out=str(tmp_path / "three"), sample=3, **ONE)
    audit(str(shots), out=str(tmp_path / "half"), sample=0.5, **ONE)
    audit(str(shots), out=str(tmp_path / "more"), sample=100, **ONE)
    three, half, more = (set(by_path(tmp_path / name)) for name in ("three", "half", "more"))
    assert len(three) == 3 and len(more) == 8 and (three <= half or half <= three)
    audit(str(shots), out=str(tmp_path / "again"), sample=3, **ONE)
    assert set(by_path(tmp_path / "again")) == three


@pytest.mark.parametrize(
    ("limits", "code", "limit", "path"),
    [
        ({"fail_under": ("psnr=20,ssim=0.1",)}, 0, None, None),
        ({"fail_under": ("psnr=90",)}, 3, "psnr under 90", "2024/camera.png"),
        ({"fail_over": ("max_error=2",)}, 3, "max_error over 2", None),
        ({"fail_under": ("mean_psnr=90",)}, 3, "mean_psnr under 90", ""),
        ({"fail_over": ("findings.blank=0",)}, 3, "findings.blank over 0", "blank.png"),
        ({"fail_under": ("saved=0.999",)}, 3, "saved under 0.999", ""),
        ({"fail_over": ("damaged=0", "quarantined=0")}, 0, None, None),
    ],
)
def test_limits_set_the_exit_code_and_name_the_image(limits, code, limit, path, shots, lossy, tmp_path):
    report = audit(str(lossy), against=str(shots), include=("2024/*", "blank.png"), **limits, **ONE)
    assert report.exit_code == code and [each.limit for each in report.missed] == ([limit] if limit else [])
    assert path is None or report.missed[0].path == path


def test_what_was_not_measured_keeps_no_limit(lossy, exact):
    report = audit(str(lossy), fail_under=("ssim=0.5",), include=("2024/*",), **ONE)
    assert report.exit_code == 3 and "give `against`" in report.missed[0].why
    assert (
        audit(str(exact), fail_under=("ssim=0.5",), fail_over=("max_error=0",), include=("2024/*",), **ONE).exit_code
        == 0
    )


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"fail_under": ("psnr=35",)}, "give `against`"),
        ({"fail_over": ("sharpness=1",)}, "is nothing that an audit measures"),
        ({"fail_over": ("findings.blured=1",)}, "did you mean findings.blurred"),
        ({"fail_under": ("psnr",)}, "is not NAME=NUMBER"),
        ({"fail_over": ("bpp=nan",)}, "is not NAME=NUMBER"),
        ({"fail_over": ("",)}, "names no threshold"),
        ({"fail_over": ("damaged=0", " , ")}, "names no threshold"),
        ({"metrics": ("vmaf",)}, "`metrics` vmaf: there are psnr"),
        ({"group_by": ("exif:Lens",)}, "EXIF has no such field"),
        ({"group_by": ("size",)}, "neither folder, camera"),
        ({"rotate": 30}, "is for archives"),
        ({"sample": -1.0}, "neither a number of images nor a share"),
        ({"sample": float("nan")}, "neither a number of images nor a share"),
        ({"slice": (0, 5)}, "`slice` 0/5 is no part"),
        ({"slice": (6, 5)}, "`slice` 6/5 is no part"),
        ({"include": ("*.gif",)}, "no files there, or none that `include`"),
        ({"since": "/nowhere"}, "no folder of a finished audit"),
        ({"engine": "cloud"}, "`engine`"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, words, shots, tmp_path):
    with pytest.raises(UsageError) as caught:
        audit(str(shots), **{**ONE, **asked})
    assert words in str(caught.value)


def test_what_is_written_lies_outside_and_a_folder_of_since_is_named_for_what_it_is(shots, exact, tmp_path):
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/audit.json").write_text("{}")
    for asked, words in (
        ({"report": str(exact / "page.html")}, "would become part of it"),
        ({"against": str(shots), "report": str(shots / "page.html")}, "would become part of it"),
        ({"since": str(exact)}, "is an archive, which remembers when"),
        ({"since": str(tmp_path / "begun")}, "not finished: repeat its command"),
    ):
        with pytest.raises(UsageError, match=words):
            audit(str(exact), **{**ONE, **asked})


def test_the_place_that_changed_may_be_the_one_that_is_compared_with(shots, exact, tmp_path, monkeypatch):
    write_tree(tmp_path / "other", {"blank.png": (shots / "blank.png").read_bytes()})
    claim = audit_job.AUDIT.claim

    def changing(*arguments):
        (tmp_path / "other/new.png").write_bytes(b"now")
        return claim(*arguments)

    monkeypatch.setattr(type(audit_job.AUDIT), "claim", lambda _, *arguments: changing(*arguments))
    with pytest.raises(ResumeError, match=r"exact\.tp or .*/other changed while it was audited"):
        audit(str(exact), against=str(tmp_path / "other"), **ONE)


def test_drift_names_what_came_went_and_changed(tmp_path):
    files = {f"s/{n}.png": encoded(image_of("RGB", 60, 80, seed=n), "PNG") for n in range(4)}
    write_tree(tmp_path, files)
    audit(str(tmp_path / "s"), out=str(tmp_path / "may"), **ONE)
    (tmp_path / "s/0.png").unlink()
    write_tree(tmp_path, {"s/1.png": files["s/2.png"], "s/9.png": b"text"})
    report = audit(str(tmp_path / "s"), out=str(tmp_path / "june"), since=str(tmp_path / "may"), **ONE)
    assert report.drift is not None and (report.drift.before, report.drift.now) == (4, 4)
    changes = {(each["path"], each["change"]) for each in table(tmp_path / "june", "drift.parquet")}
    assert {("0.png", "vanished"), ("9.png", "appeared"), ("1.png", "other pixels")} <= changes
    assert ("2.png", "new finding") in changes and report.drift.unchanged == 1
    kept = (tmp_path / "june/drift.parquet").stat()
    audit(str(tmp_path / "s"), out=str(tmp_path / "june"), since=str(tmp_path / "may"), **ONE)
    assert (tmp_path / "june/drift.parquet").stat().st_ino == kept.st_ino  # and not written again
    same = audit(str(tmp_path / "s"), since=str(tmp_path / "june"), **ONE)
    assert not same.drift.changes and same.drift.unchanged == 4


@pytest.mark.slow
@pytest.mark.parametrize("where", ["local", "s3"])
def test_ray_and_s3_give_the_same_rows(where, shots, exact, tmp_path, ray_cluster, request):
    source, archive, out = str(shots), str(exact), str(tmp_path / "out")
    if where == "s3":
        server = request.getfixturevalue("s3_server")
        source, archive, out = server.new_prefix(), server.new_prefix(), server.new_prefix()
        upload(shots, source)
        upload(exact, archive)
    report = audit(archive, against=source, out=out, engine="ray", workers=2)
    assert report.engine == "ray" and report.exit_code == 3
    audit(str(exact), against=str(shots), out=str(tmp_path / "here"), **ONE)
    assert table(out) == table(tmp_path / "here")
    assert audit(archive, against=source, out=out, engine="ray", workers=2).written == []
    day = audit(archive, rotate=2, engine="ray", workers=2)
    assert (2, day.rotation.part) in last_audits(open_storage(archive))


def test_memory_is_asked_for_the_pixels_that_an_archive_declares(tmp_path):
    write_tree(tmp_path, {"s/flat.png": encoded(Image.new("RGB", (2000, 1000)), "PNG")})
    compress(str(tmp_path / "s"), str(tmp_path / "a.tp"), **ONE)
    request, found = asking.asked(asking.AuditConfig(str(tmp_path / "a.tp"))), Survey()
    for item in audit_items(request.options, request.chosen()):
        found.add(item)
    (task,) = audit_tasks(request.options, request.chosen(), found)
    assert task.source_bytes < 20_000 and task.bytes == 6_000_000
