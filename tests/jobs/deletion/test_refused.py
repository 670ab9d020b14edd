"""Certificates by which nothing is removed: old, forged, of other runs, of an archive that is damaged by now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tilepress
from tests.jobs.deletion.conftest import FILES
from tests.jobs.deletion.originals import delete, files
from tests.support.interrupted import ONE, damage_image
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.errors import IntegrityError, UsageError
from tilepress.jobs.certification.rows import ROW_SCHEMA
from tilepress.jobs.deletion import delete_source as job
from tilepress.pipeline.archive.sealed import SealedWriter, read_json, seal_json


def test_an_old_certificate_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEPRESS_DATE", "2026-12-28")
    with pytest.raises(UsageError, match="more than 30 days ago"):
        delete(place)
    assert delete(place, max_age=60, yes=False).removed == len(FILES)
    monkeypatch.setenv("TILEPRESS_DATE", "2026-11-20")
    with pytest.raises(UsageError, match="yet to come"):
        delete(place)
    assert files(place / "source") == FILES


@pytest.mark.parametrize("verb", ["compress", "forget", "compact"])
def test_runs_since_the_certificate_refuse_it(place: Path, verb: str) -> None:
    if verb == "compress":
        write_tree(place / "source", {"z.png": encoded(image_of("L", 9, 9), "PNG")})
        tilepress.compress(place / "source", place / "archive", **ONE)
    else:
        tilepress.forget(place / "archive", include=["a/"])
        if verb == "compact":
            tilepress.compact(place / "archive", write=True, **ONE)
            tilepress.compact(place / "archive", remove=True, **ONE)
    with pytest.raises(UsageError, match="has runs that the certificate does not know"):
        delete(place)
    assert files(place / "source").items() >= FILES.items()


def test_a_run_that_begins_meanwhile_ends_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = job.remove_tasks

    def forgetting(*arguments: Any) -> Any:
        tilepress.forget(place / "archive", include=["a/"])
        return original(*arguments)

    monkeypatch.setattr(job, "remove_tasks", forgetting)
    with pytest.raises(UsageError, match="got another run meanwhile"):
        delete(place)
    assert files(place / "source") == FILES


def test_a_damaged_archive_removes_nothing(place: Path) -> None:
    part = place / "archive/runs/0001/parts/00000.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(IntegrityError, match="has not the"):
        delete(place)
    part.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        delete(place)
    assert files(place / "source") == FILES


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The weights of the model that an archive of one picture needs; it lies in `tmp_path`, and is certified."""
    write_tree(tmp_path / "source", {"a.png": encoded(image_of("L", 64, 64), "PNG")})
    tilepress.compress(tmp_path / "source", tmp_path / "archive", codec="lossless", **ONE)
    assert tilepress.certify(tmp_path / "archive", out=tmp_path / "certificate", **ONE).exit_code == 0
    return next((tmp_path / "archive/models").glob("*/weights.safetensors.zst"))


def test_a_model_that_is_lost_or_damaged_removes_nothing(tmp_path: Path, weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-9] + bytes(9))
    with pytest.raises(IntegrityError, match=weights.parent.name):
        delete(tmp_path)
    weights.unlink()
    with pytest.raises(IntegrityError, match="lacks a model"):
        delete(tmp_path, yes=False)
    with pytest.raises(IntegrityError, match="lacks a model"):
        tilepress.certify(tmp_path / "archive", check=tmp_path / "certificate")
    assert set(files(tmp_path / "source")) == {"a.png"}


def test_a_model_that_is_lost_meanwhile_ends_it(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = job.remove_tasks

    def losing(*arguments: Any) -> Any:
        weights.unlink()
        return original(*arguments)

    monkeypatch.setattr(job, "remove_tasks", losing)
    with pytest.raises(IntegrityError, match="is missing: images cannot be decoded"):
        delete(tmp_path)
    assert set(files(tmp_path / "source")) == {"a.png"}


def test_damage_is_found_before_there_is_a_certificate(place: Path) -> None:
    damage_image(place / "archive", "a/0.png")
    assert tilepress.certify(place / "archive", out=place / "anew", **ONE).exit_code == 4
    with pytest.raises(UsageError, match="no certificate"):
        tilepress.delete_source(place / "archive", place / "source", place / "anew", yes=True)


def forge(place: Path, change: dict[str, Any]) -> None:
    """Another certificate of the same runs, whose rows say something else; its seals are right."""
    folder = place / "certificate"
    rows = [row | change for row in pq.read_table(folder / "files.parquet").to_pylist()]
    with (folder / "files.parquet").open("wb+") as out:
        writer = SealedWriter(out, ROW_SCHEMA)
        writer.write(pa.Table.from_pylist(rows, schema=ROW_SCHEMA))
        seal = writer.close({})
    content = read_json((folder / "certificate.json").read_bytes(), "certificate")
    content["files"]["seal"] = seal
    (folder / "certificate.json").write_bytes(seal_json(content))


@pytest.mark.parametrize(
    "change",
    [
        {"returned_sha256": bytes(32)},
        {"part_seal": "0" * 64},
        {"source_bytes": 1},
        {"part": "runs/0001/parts/7.parquet"},
    ],
)
def test_a_certificate_that_contradicts_the_archive_removes_nothing(place: Path, change: dict[str, Any]) -> None:
    forge(place, change)
    report = delete(place)
    assert report.removed == 0 and files(place / "source") == FILES


def test_a_certificate_must_be_signed_where_a_key_is_given(place: Path) -> None:
    from tests.jobs.certification.test_certify import keys

    _, public = keys(place, "ours")
    with pytest.raises(IntegrityError, match="not signed"):
        delete(place, public_key=public)
    with pytest.raises(UsageError, match="require_independent"):
        delete(place, require_independent=True)
    assert files(place / "source") == FILES
