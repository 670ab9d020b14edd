"""What a certificate says is what comes back; nothing of it, and nothing of the archive, can change unnoticed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import tilepress
from tests.support.interrupted import ONE, Killed, damage_image, dying
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.errors import IntegrityError, TilepressError, UsageError
from tilepress.jobs.archives import compress
from tilepress.jobs.certification import certify as job
from tilepress.jobs.certification import decoder
from tilepress.jobs.certification import marked as marked_rows
from tilepress.jobs.certification.asking import CertifyReport
from tilepress.jobs.certification.rows import ROW_SCHEMA
from tilepress.pipeline.archive.parquet.reading import footer_metadata, open_parquet
from tilepress.pipeline.archive.sealed import SEAL_KEY, SealedWriter

_WRONG = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
PNG = encoded(image_of("RGB", 150, 150), "PNG")
FILES = {
    "a/0.png": PNG,
    "a/1.jpg": encoded(image_of("RGB", 150, 150, 1), "JPEG"),
    "b/notes.txt": b"not an image\n" * 40,
    "b/small-0.png": encoded(image_of("L", 20, 30, 2), "PNG"),
    "b/small-1.png": encoded(image_of("L", 20, 30, 3), "PNG"),
    "b/twin.png": PNG,
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A source and its archive."""
    write_tree(tmp_path / "source", FILES)
    assert tilepress.compress(tmp_path / "source", tmp_path / "archive", **ONE).exit_code == 0
    return tmp_path


def certify(place: Path, **options: Any) -> CertifyReport:
    return tilepress.certify(place / "archive", out=place / "certificate", **options, **ONE)


def rows(place: Path) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in pq.read_table(place / "certificate/files.parquet").to_pylist()}


def certificate(place: Path) -> dict[str, Any]:
    return json.loads((place / "certificate/certificate.json").read_text())


def keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Files of a private and a public key, as openssl makes them."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another machine than the one that compressed."""
    decoder._machine_facts.cache_clear()
    monkeypatch.setattr(decoder, "this_machine", lambda: {"machine": "other", "boot": "other"})
    yield
    decoder._machine_facts.cache_clear()


def test_every_file_is_certified_by_the_hash_of_what_came_back(place: Path) -> None:
    report = certify(place)
    assert (report.exit_code, report.files, report.comes_back) == (0, len(FILES), {"file": len(FILES)})
    found = rows(place)
    assert {path: row["returned_sha256"] for path, row in found.items()} == {
        path: hashlib.sha256(data).digest() for path, data in FILES.items()
    }
    assert [row["source_bytes"] for row in found.values()] == [len(FILES[path]) for path in found]
    assert {path for path, row in found.items() if row["verbatim"]} == {"a/1.jpg", "b/notes.txt"}
    assert {path for path, row in found.items() if not row["pixels_sha256"]} == {"a/1.jpg", "b/notes.txt"}
    decoders = {each["id"]: each for each in certificate(place)["decoders"]}
    assert {row["decoder"] for row in found.values()} == set(decoders)
    versions = next(iter(decoders.values()))["versions"]
    assert {"tilepress", "numpy", "torch", "libjxl", "zlib", "imagecodecs"} <= set(versions)


def test_what_is_not_the_same_file_is_not_called_so(place: Path) -> None:
    data = encoded(image_of("RGB", 150, 150, 9), "PNG")
    write_tree(place / "other", {"a.png": data})
    tilepress.compress(place / "other", place / "archive", codec="jpeg", fidelity="lossy", **ONE)
    assert certify(place).comes_back == {"file": len(FILES), "lossy": 1}
    row = rows(place)["a.png"]
    assert row["source_sha256"] == hashlib.sha256(data).digest() != row["returned_sha256"]
    pixels = tilepress.open(place / "archive", include_deleted=True)["a.png"].array()
    assert row["pixels_sha256"] == hashlib.sha256(pixels.tobytes()).digest()


def test_the_same_command_gives_the_same_answer(place: Path) -> None:
    first = certify(place)
    before = {path: path.read_bytes() for path in (place / "certificate").rglob("*") if path.is_file()}
    second = certify(place)
    assert {path: path.read_bytes() for path in (place / "certificate").rglob("*") if path.is_file()} == before
    assert (first.written, second.written) == (True, False)
    assert vars(second) | {"written": True} == vars(first)


def test_a_certificate_lies_in_the_archive_unless_told_otherwise(place: Path) -> None:
    found = Path(tilepress.certify(place / "archive", **ONE).certificate)
    assert found.is_relative_to(place / "archive/certificates") and found.is_file()
    assert tilepress.verify(place / "archive", **ONE).exit_code == 0
    assert tilepress.certify(place / "archive", **ONE).certificate == str(found)
    write_tree(place / "around", {"x.png": PNG})
    shutil.copytree(place / "archive", place / "around/archive")
    assert tilepress.compress(place / "around", place / "b.tp", **ONE).planned_files == 1


@pytest.mark.parametrize("nth", range(1, 8))
def test_a_killed_certify_goes_on(place: Path, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    with monkeypatch.context() as patch:
        dying(patch, ("create", "create_file", "write"), nth)
        with pytest.raises(Killed):
            certify(place)
            raise Killed
    report = certify(place)
    assert (report.exit_code, report.files) == (0, len(FILES))
    assert {path: row["returned_sha256"] for path, row in rows(place).items()} == {
        path: hashlib.sha256(data).digest() for path, data in FILES.items()
    }


def test_damage_is_never_certified(place: Path) -> None:
    part = damage_image(place / "archive", "a/0.png")
    report = certify(place)
    assert report.exit_code == 4 and not report.certificate
    assert {problem[0] for problem in report.problems} == {str(part.relative_to(place / "archive"))}
    assert not (place / "certificate/certificate.json").exists()
    assert tilepress.repair(place / "archive", **ONE).exit_code == 0
    with pytest.raises(UsageError, match="holds another certify"):
        certify(place)


def test_an_unfinished_run_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(place / "source", {"new.png": PNG[:-4]})
    with monkeypatch.context() as patch:
        patch.delattr(compress, "write_manifest")
        with pytest.raises(NameError):
            tilepress.compress(place / "source", place / "archive", **ONE)
    with pytest.raises(UsageError, match="is not complete"):
        certify(place)


def test_it_says_whether_another_machine_decoded(place: Path) -> None:
    assert not certify(place).independent
    with pytest.raises(UsageError, match=r"`require_independent`: .* written by that machine, too"):
        certify(place, require_independent=True)


def test_another_machine_is_independent(place: Path, elsewhere: None) -> None:
    assert certify(place, require_independent=True).independent
    (place / "archive/runs/0001/run.json").unlink()  # nobody knows any more who wrote
    with pytest.raises(UsageError, match="does not say which machine wrote it"):
        tilepress.certify(place / "archive", out=place / "second", require_independent=True, **ONE)


def test_a_signature_holds_for_its_key_alone(place: Path) -> None:
    (private, public), (other, strange) = keys(place, "ours"), keys(place, "theirs")
    report = certify(place, key=private)
    check = {"check": place / "certificate"}
    assert report.signed_by and tilepress.certify(place / "archive", **check).files == len(FILES)
    assert tilepress.certify(place / "archive", **check, public_key=public).confirmed
    with pytest.raises(IntegrityError, match="not by the key that was given"):
        tilepress.certify(place / "archive", **check, public_key=strange)
    with pytest.raises(UsageError, match="holds another certify"):
        certify(place, key=other)
    (place / "certificate/certificate.sig").unlink()
    with pytest.raises(IntegrityError, match="signed"):
        tilepress.certify(place / "archive", **check)


def replanted(path: Path, rows: pa.Table) -> None:
    """Put these rows in the place of a sealed file's, under the metadata that it has: what anybody can."""
    with path.open("rb") as file:
        known = footer_metadata(open_parquet(file, path.name))
    with path.open("wb+") as out:
        writer = SealedWriter(out, ROW_SCHEMA)
        writer.write(rows)
        writer.close({key: text for key, text in known.items() if key != SEAL_KEY})


@pytest.mark.parametrize("marked", [True, False])
def test_rows_that_were_planted_are_not_signed(place: Path, monkeypatch: pytest.MonkeyPatch, marked: bool) -> None:
    private, public = keys(place, "ours")
    with monkeypatch.context() as patch:  # killed behind its part, and once its MAC is in it
        patch.setattr(marked_rows, "_MAC", "tilepress.mac" if marked else "tilepress.other")
        patch.setattr(job, "write_table", dead)
        with pytest.raises(Killed):
            certify(place, key=private)
    part = place / "certificate/parts/00000.parquet"
    made = pq.read_table(part)
    lies = [row | {"returned_sha256": bytes(32)} for row in made.to_pylist()] if marked else made.to_pylist()
    replanted(part, pa.Table.from_pylist(lies, schema=ROW_SCHEMA))
    with pytest.raises(IntegrityError, match="was not written with the key"):
        certify(place, key=private)
    assert not (place / "certificate/certificate.json").exists()
    part.unlink()  # as it says
    assert certify(place, key=private).files == len(FILES)
    assert tilepress.certify(place / "archive", check=place / "certificate", public_key=public).confirmed


def test_a_table_that_was_planted_is_not_certified(place: Path) -> None:
    certify(place)
    (place / "certificate/certificate.json").unlink()
    table = place / "certificate/files.parquet"
    data, found = table.read_bytes(), pq.read_table(table)
    replanted(table, pa.Table.from_pylist(found.to_pylist()[1:], schema=ROW_SCHEMA))
    with pytest.raises(IntegrityError, match="does not hold the rows of the parts"):
        certify(place)
    table.write_bytes(data)  # what an earlier attempt wrote is taken
    assert certify(place).files == len(FILES)


def dead(*_: object) -> None:
    raise Killed


def test_an_unsigned_certificate_is_not_taken_for_a_signed_one(place: Path) -> None:
    _, public = keys(place, "ours")
    certify(place)
    with pytest.raises(IntegrityError, match="not signed"):
        tilepress.certify(place / "archive", check=place / "certificate", public_key=public)


@pytest.mark.parametrize("name", ["certificate.json", "certificate.sig", "files.parquet"])
def test_no_byte_of_it_changes_unnoticed(place: Path, name: str) -> None:
    private, _ = keys(place, "ours")
    certify(place, key=private)
    path = place / "certificate" / name
    data = path.read_bytes()
    for at in range(0, len(data), max(1, len(data) // 40)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        with pytest.raises(TilepressError):
            tilepress.certify(place / "archive", check=place / "certificate")
    path.write_bytes(data)
    assert tilepress.certify(place / "archive", check=place / "certificate").exit_code == 0


def test_a_certificate_is_of_one_archive_with_its_runs(place: Path) -> None:
    certify(place)
    check = {"check": place / "certificate"}
    tilepress.compress(place / "source", place / "other.tp", **ONE)
    with pytest.raises(UsageError, match="another archive"):
        tilepress.certify(place / "other.tp", **check)
    part = place / "archive/runs/0001/parts/00000.parquet"
    data = part.read_bytes()
    part.write_bytes(data[:-1])
    with pytest.raises(IntegrityError, match="has not the"):
        tilepress.certify(place / "archive", **check)
    part.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        tilepress.certify(place / "archive", **check)
    part.write_bytes(data)
    tilepress.forget(place / "archive", include=["b/"])
    with pytest.raises(UsageError, match="has runs that the certificate does not know"):
        tilepress.certify(place / "archive", **check)


@pytest.mark.parametrize(
    "text", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"]
)
def test_a_wrong_key_file_is_refused_and_never_shown(place: Path, text: bytes) -> None:
    (place / "key.pem").write_bytes(text)
    with pytest.raises(UsageError) as refused:
        certify(place, key=place / "key.pem")
    assert "c2VjcmV0" not in str(refused.value) and not (place / "certificate").exists()


def test_on_s3(place: Path, s3_url: str) -> None:
    tilepress.compress(place / "source", f"{s3_url}/archive", **ONE)
    report = tilepress.certify(f"{s3_url}/archive", **ONE)
    assert report.files == len(FILES) and report.certificate.startswith(f"{s3_url}/archive/certificates/")
    assert tilepress.certify(f"{s3_url}/archive", check=report.certificate).exit_code == 0


@pytest.mark.slow
def test_on_ray(place: Path, ray_cluster: object) -> None:
    report = tilepress.certify(place / "archive", out=place / "certificate", engine="ray", workers=2)
    assert report.comes_back == {"file": len(FILES)} and not report.independent
