"""Audits of a part a day: what an archive remembers of them, and which parts are overdue."""

from __future__ import annotations

import json

from tests.jobs.audit.conftest import table
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress import audit, compact, compress, restore, verify
from tilepress.jobs.archives.listing import archive_info
from tilepress.pipeline.archive.audits import overdue, part_of_day


def test_a_rotation_looks_at_everything_in_its_days_and_the_archive_remembers(shots, exact, tmp_path, monkeypatch):
    compress(str(shots), str(tmp_path / "a.tp"), **ONE)
    seen: list[int] = []
    for day in range(1, 4):
        monkeypatch.setenv("TILEPRESS_DATE", f"2026-11-{day:02d}T10:00:00Z")
        report = audit(str(tmp_path / "a.tp"), rotate=3, out=str(tmp_path / f"{day}"), **ONE)
        seen += [report.rotation.part]
        again = audit(str(tmp_path / "a.tp"), rotate=3, **ONE)
        assert again.rotation.repeated and not again.files and again.exit_code == report.exit_code
    assert sorted(seen) == [1, 2, 3]
    paths = [row["path"] for day in range(1, 4) for row in table(tmp_path / f"{day}")]
    assert len(paths) == len(set(paths)) == 8
    assert len(list((tmp_path / "a.tp/audits/0003").iterdir())) == 3
    monkeypatch.setenv("TILEPRESS_DATE", "2026-11-06T10:00:00Z")
    late = audit(str(tmp_path / "a.tp"), rotate=3, **ONE)
    assert late.rotation.overdue == sorted(
        part_of_day(f"2026-11-0{day}", 3) for day in (1, 2)
    )  # nobody came on 4 and 5


def test_no_verb_trips_over_what_an_archive_remembers(shots, tmp_path):
    compress(str(shots), str(tmp_path / "holds/a.tp"), **ONE)
    audit(str(tmp_path / "holds/a.tp"), rotate=2, **ONE)
    (name,) = (tmp_path / "holds/a.tp/audits/0002").iterdir()
    assert json.loads(name.read_text())["format"] == "tilepress-archive-audit-1"
    assert verify(str(tmp_path / "holds/a.tp"), **ONE).exit_code == 0
    assert compress(str(shots), str(tmp_path / "holds/a.tp"), **ONE).run is None
    assert restore(str(tmp_path / "holds/a.tp"), str(tmp_path / "back"), **ONE).exit_code == 0
    assert compact(str(tmp_path / "holds/a.tp"), write=True, remove=True, **ONE).exit_code == 0 and name.exists()
    info = archive_info(str(tmp_path / "holds/a.tp"))
    assert [(each["parts"], each["audited"]) for each in info.audits] == [(2, 1)]
    write_tree(tmp_path, {"holds/x.png": encoded(image_of("L", 20, 20), "PNG")})
    assert compress(str(tmp_path / "holds"), str(tmp_path / "b.tp"), **ONE).planned_files == 1


def test_a_damaged_memory_is_named_and_made_again(shots, tmp_path):
    compress(str(shots), str(tmp_path / "a.tp"), include=("2023/*",), **ONE)
    audit(str(tmp_path / "a.tp"), rotate=2, **ONE)
    (name,) = (tmp_path / "a.tp/audits/0002").iterdir()
    name.write_text(name.read_text().replace('"damaged": 0', '"damaged": 1'))
    report = verify(str(tmp_path / "a.tp"), **ONE)
    assert report.exit_code == 0 and any(name.name in note for note in report.notes)
    assert not audit(str(tmp_path / "a.tp"), rotate=2, **ONE).rotation.repeated
    assert audit(str(tmp_path / "a.tp"), rotate=2, **ONE).rotation.repeated
    assert not verify(str(tmp_path / "a.tp"), **ONE).notes


def test_a_slice_with_damage_is_looked_at_again_the_same_day(shots, tmp_path):
    compress(str(shots), str(tmp_path / "a.tp"), **ONE)
    (part,) = (tmp_path / "a.tp/runs/0001/parts").iterdir()
    sound = part.read_bytes()
    part.write_bytes(sound[:200] + bytes(byte ^ 255 for byte in sound[200:-4000]) + sound[-4000:])
    found = [audit(str(tmp_path / "a.tp"), rotate=2, **ONE) for _ in range(2)]
    assert [(each.exit_code, each.rotation.repeated) for each in found] == [(4, False)] * 2
    part.write_bytes(sound)
    assert audit(str(tmp_path / "a.tp"), rotate=2, **ONE).exit_code < 4
    assert audit(str(tmp_path / "a.tp"), rotate=2, **ONE).rotation.repeated


def test_slices_are_overdue_a_round_and_a_day_after_they_were_looked_at():
    last = {(3, 1): "2026-11-01", (3, 2): "2026-11-05"}
    assert overdue(last, 3, "2026-11-04") == []
    assert overdue(last, 3, "2026-11-05") == [1, 3] and overdue({}, 3, "2026-11-05") == []
    assert {part_of_day(f"2026-11-{day:02d}", 30) for day in range(1, 31)} == set(range(1, 31))
