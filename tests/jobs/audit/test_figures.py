"""What an audit measures and finds, of archives and sources, alone and beside a source."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import tilepress
from tests.jobs.audit.conftest import by_path, table
from tests.support.interrupted import ONE, damage_image
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress import audit, compress
from tilepress.jobs.audit import readers
from tilepress.jobs.audit.items import AuditItem
from tilepress.jobs.audit.readers import Reader
from tilepress.jobs.audit.summary import sentences
from tilepress.pipeline.errors import StorageError
from tilepress.pipeline.formats.picture import Limits

TABLES = {"audit.json", "findings.parquet", "groups.parquet", "images.parquet", "parts", "report.html", "summary.md"}


def test_a_source_alone_gives_what_its_files_are_and_damage_never_ends_it(shots, tmp_path):
    report = audit(str(shots), out=str(tmp_path / "out"), **ONE)
    rows = by_path(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == TABLES
    assert {name: row["outcome"] for name, row in rows.items() if row["outcome"] != "audited"} == {
        "notes.txt": "no image",
        "torn.png": "damaged",
    }
    assert report.exit_code == 4 and report.files == 8 and report.images == 7 and report.no_images == 1
    assert "torn.png" in dict(report.problems) and "truncated" in rows["torn.png"]["reason"]
    row = rows["2024/camera.png"]
    assert (row["format"], row["mode"], row["width"], row["height"], row["bits"]) == ("png", "RGB", 80, 60, 8)
    assert (row["camera"], row["taken"]) == ("Nikon D1", "2024:05:01 12:00:00")
    assert row["bpp"] == pytest.approx(8 * (shots / "2024/camera.png").stat().st_size / 4800)
    assert {row[name] for row in rows.values() for name in ("psnr", "ssim", "max_error")} == {None}


def test_images_too_large_to_be_looked_at_are_named_with_the_limit_and_never_called_sound(shots, exact, monkeypatch):
    monkeypatch.setattr(readers, "LIMITS", Limits(max_pixels=20_000))
    large = {"include": ["2024/large.png"], **ONE}
    of_source, both = audit(str(shots), **large), audit(str(shots), include=["2024/*"], **ONE)
    of_archive, compared = audit(str(exact), **large), audit(str(exact), against=str(shots), **large)
    for report in (of_source, both, of_archive, compared):
        assert report.outcomes["too large"] == 1 and "the limit is 20000" in dict(report.problems[:1])["2024/large.png"]
    told = [" ".join(sentences(report)).partition(". ")[2] for report in (of_source, both)]
    assert told[0] == "1 image is too large to be looked at, and not decoded."
    assert told[1] == f"{told[0]} Nothing that was decoded is damaged."
    assert "and proven by hash only. Nothing is damaged." in " ".join(sentences(of_archive))
    assert of_archive.exit_code == 0 and compared.exit_code == 3 and compared.counts["differing"] == 1


def test_images_of_equal_pixels_are_one_group_and_blank_ones_are_found(shots, tmp_path):
    report = audit(str(shots), out=str(tmp_path / "out"), **ONE)
    rows = by_path(tmp_path / "out")
    assert {name for name, row in rows.items() if row["duplicates"] == 1} == {"2023/a.png", "2023/again.png"}
    assert report.findings["duplicate"] == 2 and report.duplicate_groups == 1
    assert [each["kind"] for each in rows["blank.png"]["findings"]] == ["blank"]
    found = table(tmp_path / "out", "findings.parquet")
    assert {(each["path"], each["kind"], each["group"]) for each in found} >= {
        ("2023/a.png", "duplicate", 1),
        ("2023/again.png", "duplicate", 1),
        ("blank.png", "blank", None),
    }


def test_figures_against_a_source_are_those_of_the_pixels(shots, lossy, tmp_path):
    report = audit(str(lossy), against=str(shots), out=str(tmp_path / "out"), **ONE)
    row = by_path(tmp_path / "out")["2024/large.png"]
    original = np.asarray(Image.open(shots / "2024/large.png"))
    decoded = tilepress.open(lossy)["2024/large.png"].array()
    assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(original, decoded))
    wanted = structural_similarity(
        original, decoded, channel_axis=2, gaussian_weights=True, use_sample_covariance=False
    )
    assert row["ssim"] == pytest.approx(wanted, abs=1e-6) and 0 < row["ms_ssim"] < 1
    assert row["max_error"] == np.abs(original.astype(int) - decoded).max()
    assert row["measured"] == "source" and row["codec"] == "jpeg" and row["fidelity"] == "lossy"
    assert report.figures["psnr"]["least"] == min(r["psnr"] for r in table(tmp_path / "out") if r["psnr"])
    assert report.worst[0]["path"] and report.saved == pytest.approx(1 - report.stored_bytes / report.source_bytes)


def test_a_lossy_archive_alone_has_the_psnr_of_its_encoding_and_an_exact_one_is_proven(shots, lossy, exact, tmp_path):
    audit(str(lossy), out=str(tmp_path / "alone"), **ONE)
    audit(str(lossy), against=str(shots), out=str(tmp_path / "beside"), **ONE)
    alone, beside = by_path(tmp_path / "alone")["2024/large.png"], by_path(tmp_path / "beside")["2024/large.png"]
    assert alone["measured"] == "encoding" and alone["psnr"] == pytest.approx(beside["psnr"], abs=1e-3)
    assert alone["tile_psnr"] == pytest.approx(beside["tile_psnr"], abs=1e-3)
    report = audit(str(exact), out=str(tmp_path / "exact"), **ONE)
    row = by_path(tmp_path / "exact")["2024/large.png"]
    assert (row["measured"], row["max_error"], row["psnr"]) == ("hash", 0, None)
    assert report.equal == report.outcomes["audited"] == 6 and report.quarantined == {"damaged": 1}
    assert report.exit_code == 3


def test_the_worst_tile_is_where_the_error_is(tmp_path):
    one = np.full((700, 900, 1), 100, np.uint8)
    other = one.copy()
    other[600:610, 600:640] += 9
    for name, pixels in (("one", one), ("other", other)):
        write_tree(tmp_path, {f"{name}/x.png": encoded(Image.fromarray(pixels[:, :, 0]), "PNG")})
    report = audit(str(tmp_path / "other"), against=str(tmp_path / "one"), out=str(tmp_path / "out"), **ONE)
    row = by_path(tmp_path / "out")["x.png"]
    assert [row[f"tile_{name}"] for name in "xywh"] == [512, 512, 388, 188] and row["max_error"] == 9
    mse = 400 * 81 / (388 * 188)
    assert row["tile_psnr"] == pytest.approx(10 * np.log10(255**2 / mse)) and report.exit_code == 0


def test_a_damaged_image_of_an_archive_is_a_row_with_the_reason(shots, tmp_path):
    compress(str(shots), str(tmp_path / "a.tp"), **ONE)
    damage_image(tmp_path / "a.tp", "2024/large.png")
    report = audit(str(tmp_path / "a.tp"), out=str(tmp_path / "out"), **ONE)
    rows = by_path(tmp_path / "out")
    assert rows["2024/large.png"]["outcome"] == "damaged" and "CRC" in rows["2024/large.png"]["reason"]
    assert sum(row["outcome"] == "damaged" for row in rows.values()) == 1 and report.exit_code == 4


def test_what_either_side_lacks_or_has_otherwise_is_said(shots, exact, tmp_path):
    write_tree(tmp_path, {"s/2023/a.png": encoded(image_of("L", 60, 80), "PNG"), "s/new.png": b"x" * 10_000})
    write_tree(tmp_path, {"s/2024/large.png": encoded(image_of("RGB", 170, 165, seed=4), "PNG")})
    report = audit(str(exact), against=str(tmp_path / "s"), out=str(tmp_path / "out"), **ONE)
    rows = by_path(tmp_path / "out")
    assert "another kind: L" in rows["2023/a.png"]["compared"]
    assert rows["2024/large.png"]["compared"] == "the source has other pixels than were stored"
    assert rows["new.png"]["outcome"] == "missing" and "no longer" in rows["blank.png"]["compared"]
    assert report.counts["missing"] == 1 and report.exit_code == 3
    assert report.source_bytes == sum(row["source_bytes"] for row in rows.values()) - 10_000  # it is not "saved"


def test_links_are_no_images_and_a_source_that_has_them_has_nothing_more(tmp_path):
    """A source is read with its links as the files that they lead to; an archive has them as links."""
    write_tree(tmp_path, {"s/a.png": encoded(image_of("L", 60, 80), "PNG")})
    (tmp_path / "s/link.png").symlink_to("a.png")
    compress(str(tmp_path / "s"), str(tmp_path / "a.tp"), **ONE)
    report = audit(str(tmp_path / "a.tp"), against=str(tmp_path / "s"), sample=10, **ONE)
    assert (report.exit_code, report.files, report.images, report.counts["missing"]) == (0, 1, 1, 0)


def test_a_source_that_cannot_be_read_is_no_damage_of_the_archive(shots, exact, monkeypatch):
    def refused(reader: Reader, item: AuditItem) -> None:
        raise StorageError(f"{item.name}: permission denied")

    monkeypatch.setattr(Reader, "see_original", refused)
    report = audit(str(exact), against=str(shots), include=("2023/*",), **ONE)
    assert report.exit_code == 3 and not report.outcomes["damaged"] and report.counts["differing"] == 2
    assert "permission denied" in report.problems[0][1]


def test_a_run_that_is_not_complete_is_noted(shots, tmp_path):
    compress(str(shots), str(tmp_path / "a.tp"), **ONE)
    (tmp_path / "a.tp/runs/0001/manifest.parquet").unlink()  # as a killed `compress` leaves it
    report = audit(str(tmp_path / "a.tp"), out=str(tmp_path / "out"), **ONE)
    assert report.notes == ["runs/0001 is not complete: only what it has committed so far is read"]
    for name in ("summary.md", "report.html"):
        assert "runs/0001 is not complete" in (tmp_path / "out" / name).read_text()


def test_an_image_that_takes_many_more_bits_than_its_kind_is_found(tmp_path):
    files = {f"s/{n:02d}.png": encoded(image_of("L", 60, 80, seed=n), "PNG") for n in range(24)}
    odd = np.random.default_rng(0).integers(0, 256, (60, 80), np.uint8)
    odd[:50] = 128
    write_tree(tmp_path, files | {"s/odd.png": encoded(Image.fromarray(odd), "PNG")})
    audit(str(tmp_path / "s"), out=str(tmp_path / "out"), **ONE)
    found = {row["path"]: [each["kind"] for each in row["findings"]] for row in table(tmp_path / "out")}
    assert "bits" in found["odd.png"] and not any("bits" in kinds for name, kinds in found.items() if name != "odd.png")


@pytest.mark.parametrize("name", ["archive.json", "runs/0001/manifest.parquet", "runs/0001/index.parquet"])
def test_what_an_archive_lost_besides_images_is_damage(name, exact, tmp_path):
    shutil.copytree(exact, tmp_path / "a.tp")
    (tmp_path / "a.tp" / name).unlink()
    report = audit(str(tmp_path / "a.tp"), out=str(tmp_path / "out"), **ONE)
    assert report.archive and report.exit_code == 4 and report.outcomes["audited"] == 6
    assert name in dict(report.problems) and name in (tmp_path / "out/summary.md").read_text()
    assert "Nothing is damaged" not in (tmp_path / "out/summary.md").read_text()
