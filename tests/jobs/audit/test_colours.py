"""What samples mean is minded: indices are compared by their colours, and inks have no figures of perception."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

from tests.jobs.audit.conftest import by_path
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, picture, write_tree
from tilepress import audit, compress, evaluate
from tilepress.pipeline.quality.metrics import distortion
from tilepress.pipeline.quality.ssimulacra2 import ssimulacra2

METRICS = ("psnr", "ssim", "ms_ssim", "max_error", "ssimulacra2")
COLOURS = [(7 * at) % 256 for at in range(768)]


def indexed(colours: Sequence[int], seed: int = 0, **options: Any) -> bytes:
    """A PNG file of indices 0..31."""
    image = image_of("P", 60, 80, seed=seed)
    image.putpalette(list(colours))
    return encoded(image, "PNG", **options)


def test_equal_indices_are_duplicates_where_the_colours_that_occur_are_equal(tmp_path: Path) -> None:
    unused = [*COLOURS[:750], *range(18)]
    other = [*COLOURS[3:], 1, 2, 3]
    files = {"a.png": indexed(COLOURS), "unused.png": indexed(unused), "other.png": indexed(other)}
    files["clear.png"] = indexed(COLOURS, transparency=bytes([0, 128]))
    write_tree(tmp_path / "s", files)
    compress(str(tmp_path / "s"), str(tmp_path / "a.tp"), **ONE)
    for place in ("s", "a.tp"):
        audit(str(tmp_path / place), out=str(tmp_path / f"out-{place}"), **ONE)
        rows = by_path(tmp_path / f"out-{place}")
        assert len({row["pixels_sha256"] for row in rows.values()}) == 1
        assert {name for name, row in rows.items() if row["duplicates"]} == {"a.png", "unused.png"}


def test_palettes_are_compared_by_their_colours(tmp_path: Path) -> None:
    write_tree(tmp_path, {"s/p.png": indexed(COLOURS), "s/same.png": indexed(COLOURS, seed=1)})
    compress(str(tmp_path / "s"), str(tmp_path / "a.tp"), **ONE)
    lighter = [min(255, value + 20) for value in COLOURS]
    write_tree(tmp_path, {"s/p.png": indexed(lighter)})
    audit(str(tmp_path / "a.tp"), against=str(tmp_path / "s"), out=str(tmp_path / "out"), metrics=METRICS, **ONE)
    rows = by_path(tmp_path / "out")
    before, after = (np.asarray(Image.open(io.BytesIO(indexed(each))).convert("RGB")) for each in (lighter, COLOURS))
    wanted = vars(distortion(before, after, 255)) | {"ssimulacra2": ssimulacra2(before, after, 255)}
    assert {name: rows["p.png"][name] for name in METRICS} == {name: wanted[name] for name in METRICS}
    assert rows["p.png"]["compared"] == "the source has other pixels than were stored"
    assert [rows["same.png"][name] for name in METRICS] == [None, 1.0, None, 0, 100.0]
    assert rows["same.png"]["compared"] == ""


@pytest.fixture(scope="module")
def inks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of inks, and one of colours."""
    place, out = tmp_path_factory.mktemp("inks") / "s", io.BytesIO()
    tifffile.imwrite(out, picture(60, 80, 4), photometric="separated")
    write_tree(place, {"inks.tif": out.getvalue(), "rgb.png": encoded(image_of("RGB", 60, 80), "PNG")})
    return place


def test_inks_have_psnr_and_the_largest_error_and_why_no_more_is_said(inks: Path, tmp_path: Path) -> None:
    archive = str(tmp_path / "a.tp")
    compress(str(inks), archive, codec="lossless", max_error=3, **ONE)
    asked = {"against": str(inks), "metrics": METRICS, **ONE}
    report = audit(archive, out=str(tmp_path / "out"), fail_under=("ssim=0.1,psnr=5",), **asked)
    rows = by_path(tmp_path / "out")
    assert rows["inks.tif"]["mode"] == "CMYK" and rows["inks.tif"]["psnr"] > 10 and rows["inks.tif"]["max_error"] > 0
    assert [rows["inks.tif"][name] for name in ("ssim", "ms_ssim", "ssimulacra2")] == [None] * 3
    assert "inks" in rows["inks.tif"]["unmeasured"] and rows["rgb.png"]["unmeasured"] == ""
    assert rows["rgb.png"]["ssim"] > 0.1 and rows["rgb.png"]["ssimulacra2"] is not None
    assert [(each.limit, each.path) for each in report.missed] == [("ssim under 0.1", "inks.tif")]
    assert "1 image has neither SSIM nor SSIMULACRA 2: how inks look" in (tmp_path / "out/summary.md").read_text()


def test_inks_that_came_back_exactly_keep_every_limit(inks: Path, tmp_path: Path) -> None:
    compress(str(inks), str(tmp_path / "a.tp"), **ONE)
    limits = {"fail_under": ("ssim=1,ssimulacra2=100",), "fail_over": ("max_error=0",)}
    assert audit(str(tmp_path / "a.tp"), against=str(inks), metrics=METRICS, **limits, **ONE).exit_code == 0


def test_evaluate_says_the_same_of_inks_and_indices(inks: Path, tmp_path: Path) -> None:
    write_tree(tmp_path, {"s/inks.tif": (inks / "inks.tif").read_bytes(), "s/p.png": indexed(COLOURS)})
    evaluate(
        str(tmp_path / "s"), str(tmp_path / "out"), ["lossless", "png"], max_error=3, metrics=("ssimulacra2",), **ONE
    )
    found = pq.read_table(tmp_path / "out/results.parquet").to_pylist()
    rows = {(row["image"], row["codec"]): row for row in found}
    lossy, exact = rows["inks.tif", "lossless"], rows["p.png", "png"]
    assert lossy["psnr"] > 10 and lossy["ssim"] is lossy["ssimulacra2"] is None and "inks" in lossy["reason"]
    assert (exact["max_error"], exact["ssim"], exact["ssimulacra2"], exact["reason"]) == (0, 1.0, 100.0, "")
