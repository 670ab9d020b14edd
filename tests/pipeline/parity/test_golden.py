"""Parity that was once written restores for ever. tests/golden/make_parity.py is not the remedy for a failure here."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

import tilepress
from tests.pipeline.parity import independent
from tests.support.interrupted import ONE
from tilepress.jobs.protection.by_parity import restore_by_parity
from tilepress.jobs.protection.checking import find_checks
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.parity.check import check_parity
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.storage.base import open_storage

GOLDEN = Path(__file__).parent.parent.parent / "golden"
SHA256 = "18fe4cb5415b4a239617d4b34b8f0fe2df6d57ffd11ada04d4da25f0afd99fdf"  # as make_parity.py gave it, once


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "run-report.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The golden archive with its parity."""
    for folder in ("format-1/archive", "parity-1"):
        shutil.copytree(GOLDEN / folder, tmp_path / "archive", dirs_exist_ok=True)
    return tmp_path / "archive"


def damage(archive: Path) -> None:
    """Lose what parity of a quarter restores: whole files, the end of a part, a model, bytes of another part."""
    (archive / "runs/0001/manifest.parquet").unlink()
    (archive / "runs/0001/plan.parquet").unlink()
    part = archive / "runs/0002/parts/00000.parquet"
    part.write_bytes(part.read_bytes()[:-5000])
    model = next((archive / "models").glob("*/weights*"))
    model.unlink()
    (archive / "archive.json").write_text("{}")
    for part in archive.glob("runs/0001/parts/*"):
        data = bytearray(part.read_bytes())
        for at in range(100, len(data), max(1, len(data) // 5)):
            data[at] ^= 0xFF
        part.write_bytes(data)


def test_the_golden_parity_is_the_one_that_was_written():
    out = hashlib.sha256()
    for name, data in sorted(contents(GOLDEN / "parity-1").items()):
        out.update(f"{name}\n{hashlib.sha256(data).hexdigest()}\n".encode())
    assert out.hexdigest() == SHA256


def test_it_is_right_and_the_same_parity_is_made_today(archive, tmp_path):
    check = find_checks(open_archive(archive))
    assert (check.problems, check.notes, len(check.tasks)) == ([], [], 3)
    storage = open_storage(str(archive))
    assert [check_parity(task, storage, CodecPool(storage))[1] for task in check.tasks] == [[], [], []]
    shutil.copytree(GOLDEN / "format-1/archive", tmp_path / "again")
    tilepress.protect(tmp_path / "again", parity=25, **ONE)
    assert contents(tmp_path / "again") == contents(archive)


def test_it_restores(archive):
    expected = contents(archive)
    damage(archive)
    done = restore_by_parity(open_archive(archive), {name for name in expected if "parity" not in name})
    assert done.failed == {} and len(done.files) == 6
    assert contents(archive) == expected


def test_a_program_that_was_written_from_the_format_alone_restores_the_same(archive):
    expected = contents(archive)
    damage(archive)
    restored = {}
    for description in archive.rglob("parity/*.json"):
        restored |= independent.restore(archive, description)
    assert {name: expected[name] for name in restored} == restored
    assert "runs/0002/parts/00000.parquet" in restored and "archive.json" in restored


def test_every_key_follows_from_what_the_format_says():
    for path in (GOLDEN / "parity-1").rglob("*.json"):
        group = json.loads(path.read_text())
        files = [[file["name"], file["bytes"], file["seal"]] for file in group["files"]]
        asked = [group["folder"], files, group["block"], group["data"], group["parity"]]
        assert hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16] == group["key"] == path.stem
