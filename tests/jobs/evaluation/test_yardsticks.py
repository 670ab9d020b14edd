"""Lossy formats of today as yardsticks: they take part in evaluations, and in nothing that stores."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from tests.support.evaluations import of, rows
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, picture, write_tree
from tilepress import compress, evaluate
from tilepress.codecs.registry import YARDSTICKS
from tilepress.jobs.cli.app import _run
from tilepress.pipeline.errors import UsageError


def test_yardsticks_are_measured_as_whole_images(tmp_path):
    image = picture(150, 120, 3)
    write_tree(tmp_path, {"s/x.png": encoded(Image.fromarray(image), "PNG")})
    report = evaluate(str(tmp_path / "s"), str(tmp_path / "out"), [f"{n}:60" for n in YARDSTICKS], tile=32, **ONE)
    found = rows(tmp_path / "out")
    webp = bytes(imagecodecs.webp_encode(image, level=60, lossless=False))
    assert of(found, "x.png", "webp", 60)["bytes"] == len(webp)
    assert {row["reference"] for row in found} == {f"yardstick:{name}" for name in YARDSTICKS}
    assert all(means.psnr and means.encode_mp_s and means.decode_mp_s for means in report.means)
    assert "tiles of 32 (jpeg2000, webp, avif, jpegxl-lossy: whole images)" in (tmp_path / "out/summary.md").read_text()


def test_images_of_16_bits_are_measured_where_the_format_has_them(tmp_path):
    samples = picture(64, 48, 1, bits=16)
    write_tree(tmp_path, {"s/x.png": bytes(imagecodecs.png_encode(np.ascontiguousarray(samples[:, :, 0])))})
    evaluate(str(tmp_path / "s"), str(tmp_path / "out"), [f"{name}:80" for name in YARDSTICKS], **ONE)
    outcomes = {row["codec"]: row["outcome"] for row in rows(tmp_path / "out")}
    assert outcomes == dict(zip(YARDSTICKS, ("evaluated", "unsupported", "unsupported", "evaluated"), strict=True))


@pytest.mark.parametrize("name", YARDSTICKS)
def test_no_archive_is_written_with_a_yardstick(name, mixed, tmp_path):
    for fidelity in ("pixels", "lossy"):
        with pytest.raises(UsageError, match=f"codec {name} is there to compare with, in `tilepress evaluate`"):
            compress(str(mixed), str(tmp_path / "a.tp"), codec=name, fidelity=fidelity, **ONE)
    assert not (tmp_path / "a.tp").exists()


def test_a_name_mistyped_is_answered_with_yardsticks_only_where_they_may_be_asked_for(mixed, tmp_path):
    with pytest.raises(UsageError, match=r"no codec, .* 'avifx'.* avif, jpegxl-lossy,"):
        evaluate(str(mixed), str(tmp_path / "out"), ["avifx"], **ONE)
    with pytest.raises(UsageError, match="'avifx'") as refused:
        compress(str(mixed), str(tmp_path / "a.tp"), codec="avifx", **ONE)
    assert "jpegxl-lossy" not in str(refused.value)


def test_nothing_exact_is_built_on_a_yardstick(mixed, tmp_path):
    with pytest.raises(UsageError, match="does not decode the same on every machine"):
        evaluate(str(mixed), str(tmp_path / "out"), ["webp"], fidelity="pixels", **ONE)


def test_the_list_of_codecs_has_them_apart(capfd):
    assert _run(["codecs"]) == 0
    stored, compared = capfd.readouterr().out.split("To compare with, in `tilepress evaluate` alone")
    assert all(f"\n{name} " in compared and f"\n{name} " not in stored for name in YARDSTICKS)
