"""Near-lossless coding in evaluations, and what is saved against the files that were there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.support.evaluations import of, rows
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress import evaluate
from tilepress.codecs.classical.jpegls import JpegLs
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.registry import load_codec
from tilepress.pipeline.errors import ResumeError, UsageError

BOUNDED = ["jpegls", "block-dnn-16:50", "png", "webp:60"]


@pytest.fixture(scope="module")
def bounded(mixed, tmp_path_factory):
    out = tmp_path_factory.mktemp("bounded") / "out"
    return out, evaluate(str(mixed / "colour.png"), str(out), BOUNDED, max_error=3, anchor="png", **ONE)


def test_every_codec_that_has_a_bound_is_held_to_it_and_the_others_are_as_they_are(bounded, mixed):
    out, report = bounded
    errors = {row["codec"]: row["max_error"] for row in rows(out)}
    assert errors["png"] == 0 and errors["webp"] > 3 and 1 <= errors["jpegls"] <= 3 and 1 <= errors["block-dnn-16"] <= 3
    tile = np.asarray(Image.open(mixed / "colour.png"))
    streams = load_codec("jpegls").encode(tile[None], TileSpec(60, 80, 3, "uint8", 8, "rgb"), Settings(max_error=3))
    assert of(rows(out), "colour.png", "jpegls")["bytes"] == len(streams[0])
    bounds = {"jpegls": 3, "block-dnn-16": 3, "png": None, "webp": None}
    assert {means.codec: means.bound for means in report.means} == bounds


def test_what_is_within_the_bound_is_compared_by_its_bits(bounded):
    out, report = bounded
    assert [rate.codec for rate in report.lossless] == ["jpegls", "block-dnn-16"]
    assert next(rate for rate in report.lossless if rate.codec == "jpegls").percent < -20
    text = (out / "summary.md").read_text()
    assert "within 3 levels by codecs that can be held to it" in text and "## Lossless or within the bound" in text


def test_fidelity_pixels_with_a_bound_is_within_it_too(mixed, tmp_path):
    evaluate(
        str(mixed / "colour.png"),
        str(tmp_path / "out"),
        ["block-dnn-16:50", "png"],
        fidelity="pixels",
        max_error=2,
        **ONE,
    )
    found = {row["codec"]: row["max_error"] for row in rows(tmp_path / "out")}
    assert 1 <= found["block-dnn-16"] <= 2 and found["png"] == 0


def test_an_encoder_that_misses_its_bound_has_failed(mixed, tmp_path, monkeypatch):
    decode = JpegLs.decode_tile
    monkeypatch.setattr(JpegLs, "decode_tile", lambda self, data, spec: decode(self, data, spec) ^ 8)
    report = evaluate(str(mixed / "colour.png"), str(tmp_path / "out"), ["jpegls", "png"], max_error=2, **ONE)
    ((name, reason),) = report.failed
    assert name == "colour.png" and "levels off, not within 2" in reason and report.exit_code == 3


def test_images_that_compress_keeps_exact_are_exact_here_as_well(tmp_path):
    write_tree(tmp_path, {"s/x.png": encoded(image_of("1", 40, 48), "PNG")})
    evaluate(str(tmp_path / "s"), str(tmp_path / "out"), ["jpegls"], max_error=2, **ONE)
    assert [row["max_error"] for row in rows(tmp_path / "out")] == [0]


def test_a_bound_is_part_of_what_was_asked(bounded, mixed):
    source, out = str(mixed / "colour.png"), str(bounded[0])
    again = evaluate(source, out, BOUNDED, max_error=3, anchor="png", **ONE)
    assert again.written == [] and again.means == bounded[1].means
    for other, words in ((2, "max_error was 3, now 2"), (None, "max_error was 3, now None")):
        with pytest.raises(ResumeError, match=words):
            evaluate(source, out, BOUNDED, max_error=other, anchor="png", **ONE)


def test_a_folder_of_a_release_without_bounds_is_gone_on_with(evaluated, mixed):
    asked = json.loads((evaluated[0] / "evaluation.json").read_text())["asked"]
    assert "max_error" not in asked


@pytest.mark.parametrize(
    ("codecs", "bound", "words"),
    [
        (["png", "webp:50"], 2, "`max_error` has no effect: none of the codecs"),
        (["jpegls"], 0, "not within 1 to 65535"),
    ],
)
def test_a_bound_without_effect_is_refused(codecs, bound, words, mixed, tmp_path):
    with pytest.raises(UsageError, match=words):
        evaluate(str(mixed), str(tmp_path / "out"), codecs, max_error=bound, **ONE)
    assert not (tmp_path / "out").exists()


def test_what_is_saved_is_told_against_the_source_files_and_apart_for_jpegs(tmp_path):
    image = image_of("RGB", 90, 120)
    write_tree(tmp_path / "s", {"x.jpg": encoded(image, "JPEG"), "y.png": encoded(image, "PNG")})
    report = evaluate(str(tmp_path / "s"), str(tmp_path / "out"), ["jpegxl"], **ONE)
    found = {row["image"]: row for row in rows(tmp_path / "out")}
    sizes = {name: (tmp_path / "s" / name).stat().st_size for name in found}
    (means,) = report.means
    coded = sum(row["bytes"] for row in found.values())
    assert means.saved == pytest.approx(100 * (1 - coded / sum(sizes.values())))
    assert (
        means.saved_jpeg == pytest.approx(100 * (1 - found["x.jpg"]["bytes"] / sizes["x.jpg"])) and means.saved_jpeg < 0
    )
    said = f"| {means.saved:.1f} % (JPEG {means.saved_jpeg:.1f} %) |"
    assert said in (tmp_path / "out/summary.md").read_text()
