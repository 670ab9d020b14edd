"""What is measured: real bytes and decoded pixels, and what means, BD-rates and plots make of them."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import imagecodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tests.support.evaluations import OUTPUTS, QUALITIES, of, rows
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, picture, write_tree
from tilepress import evaluate
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.registry import DEFAULT_RESIDUAL, load_codec, load_residual, shipped_models
from tilepress.jobs.evaluation.folder import ROW_SCHEMA
from tilepress.pipeline.errors import ResumeError, UsageError
from tilepress.pipeline.quality.ssimulacra2 import ssimulacra2


def test_every_image_has_one_row_for_every_codec_and_quality(evaluated):
    out, report = evaluated
    table = pq.read_table(out / "results.parquet")
    assert table.schema.equals(ROW_SCHEMA) and table.num_rows == 6 * 7
    keys = {(row["image"], row["codec"], row["quality"]) for row in table.to_pylist()}
    assert len(keys) == table.num_rows
    points = [(codec, quality) for codec in ("jpeg", "block-dnn-16") for quality in QUALITIES] + [("jpegxl", None)]
    assert {(codec, quality) for _, codec, quality in keys} == set(points)
    assert {(means.codec, means.quality) for means in report.means} == set(points)
    assert {path.name for path in out.iterdir()} == OUTPUTS | {"crops", "models", "parts"}


def test_figures_are_those_of_the_tiles_real_bytes_and_decoded_pixels(evaluated, mixed):
    row = of(rows(evaluated[0]), "a/large.png", "jpeg", 60)
    original = np.asarray(Image.open(mixed / "a/large.png"))
    decoded, size = np.empty_like(original), 0
    codec = load_codec("jpeg")
    for y in range(0, 170, 32):
        for x in range(0, 165, 32):
            tile = np.ascontiguousarray(original[y : y + 32, x : x + 32])
            spec = TileSpec(*tile.shape, "uint8", 8, "rgb")
            (stream,) = codec.encode(tile[None], spec, Settings(quality=60))
            size += len(stream)
            decoded[y : y + 32, x : x + 32] = codec.decode([stream], spec)[0]
    assert row["outcome"] == "evaluated" and row["bytes"] == size
    assert row["bpp"] == pytest.approx(8 * size / (170 * 165))
    assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(original, decoded))
    similarity = structural_similarity(
        original, decoded, channel_axis=2, gaussian_weights=True, use_sample_covariance=False
    )
    assert row["ssim"] == pytest.approx(similarity, abs=1e-6)
    assert row["max_error"] == abs(original.astype(int) - decoded).max()
    assert 0 < row["ms_ssim"] < 1 and all(row[name] > 0 for name in ("encode_s", "decode_s"))
    assert (row["width"], row["height"], row["mode"], row["format"]) == (165, 170, "RGB", "png")


def test_codecs_that_have_an_effort_are_measured_at_the_one_that_was_asked_for(tmp_path):
    image = image_of("RGB", 40, 48)
    write_tree(tmp_path, {"source/x.png": encoded(image, "PNG")})
    codec, spec = load_codec("png"), TileSpec(40, 48, 3, "uint8", 8, "rgb")
    for effort in (None, 1, 9):
        out = tmp_path / f"out-{effort}"
        report = evaluate(str(tmp_path / "source"), str(out), ["jpeg:50", "png"], effort=effort, **ONE)
        found = {row["codec"]: row for row in rows(out)}
        assert (found["jpeg"]["effort"], found["png"]["effort"]) == (None, effort)
        (stream,) = codec.encode(np.asarray(image)[None], spec, Settings(effort=effort))
        assert found["png"]["bytes"] == len(stream)
        assert {means.codec: means.effort for means in report.means} == {"jpeg": None, "png": effort}
        said = (out / "summary.md").read_text()
        assert ("effort 9 of codecs that have one" in said) == (effort == 9)
        assert f"| png |  | {effort or ''} | 1 |" in said


def test_ms_ssim_is_null_for_images_that_are_too_small_for_it(evaluated):
    found = [row for row in rows(evaluated[0]) if row["outcome"] == "evaluated"]
    assert {row["ms_ssim"] is not None for row in found if row["image"] == "a/large.png"} == {True}
    assert {row["ms_ssim"] for row in found if row["image"] != "a/large.png"} == {None}


def test_a_lossless_codec_has_no_finite_psnr_and_is_called_lossless(evaluated):
    out, report = evaluated
    row = of(rows(out), "a/large.png", "jpegxl")
    assert (row["mse"], row["psnr"], row["ssim"], row["ms_ssim"], row["max_error"]) == (0, None, 1, 1, 0)
    (means,) = (means for means in report.means if means.codec == "jpegxl")
    assert means.lossless and means.psnr is None and means.psnr_of_mse is None and means.equal == means.images == 4
    (line,) = (line for line in (out / "summary.md").read_text().splitlines() if line.startswith("| jpegxl |  |"))
    assert line.count("lossless") == 2


def test_both_means_of_psnr_are_stated(evaluated):
    out, report = evaluated
    for means in report.means:
        mine = [r for r in rows(out) if (r["codec"], r["quality"]) == (means.codec, means.quality) and r["psnr"]]
        if not mine or means.lossless:
            continue
        relative = [row["mse"] / (2 ** row["bit_depth"] - 1) ** 2 for row in mine]
        assert means.psnr == pytest.approx(np.mean([row["psnr"] for row in mine]))
        assert means.psnr_of_mse == pytest.approx(-10 * math.log10(np.mean(relative)))
        assert f"{means.psnr:.2f} | {means.psnr_of_mse:.2f}" in (out / "summary.md").read_text()


def test_bd_rates_are_those_of_the_means_over_common_images(evaluated):
    import bjontegaard

    out, report = evaluated
    found = {c.metric: c for c in report.comparisons if c.curve == "block-dnn-16"}
    names = ("a/gray.png", "a/large.png", "colour.png")

    def curve(codec: str) -> tuple[list[float], list[float]]:
        per_quality = [[of(rows(out), name, codec, quality) for name in names] for quality in QUALITIES]
        return tuple([float(np.mean([row[key] for row in at])) for at in per_quality] for key in ("bpp", "psnr"))

    result = found["psnr"].result
    assert found["psnr"].images == 3 and found["ms_ssim"].images == 1
    wanted = bjontegaard.bd_rate(
        *curve("jpeg"), *curve("block-dnn-16"), method="pchip", require_matching_points=False, min_overlap=0
    )
    assert result.percent == pytest.approx(wanted, abs=0.1)
    stated = f"| {result.percent:+.1f} % | {result.low:.1f} to {result.high:.1f} dB ({100 * result.overlap:.0f} %)"
    assert stated in (out / "summary.md").read_text()
    (lossless,) = (c for c in report.comparisons if c.curve == "jpegxl" and c.metric == "psnr")
    assert lossless.result is None and "lossless" in lossless.reason


def test_the_plots_can_be_opened_and_name_their_curves(evaluated):
    for metric in ("psnr", "ms-ssim"):
        path = evaluated[0] / f"rate-distortion-{metric}.png"
        with Image.open(path) as image:
            assert min(image.size) > 600 and len(np.unique(np.asarray(image))) > 20
        svg = path.with_suffix(".svg").read_text()
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        for words in ("jpeg", "block-dnn-16", "jpegxl: lossless", "bits per pixel"):
            assert f"<!-- {words}" in svg


def test_with_the_residual_every_codec_is_lossless_and_its_bytes_count(mixed, tmp_path):
    name = "colour.png"
    report = evaluate(str(mixed / name), str(tmp_path / "out"), ["block-dnn-16"], fidelity="pixels", **ONE)
    row = of(rows(tmp_path / "out"), name, "block-dnn-16", 50)
    tile = np.asarray(Image.open(mixed / name))
    spec = TileSpec(60, 80, 3, "uint8", 8, "rgb")
    codec = load_codec("block-dnn", shipped_models()["block-dnn-16"])
    (latents,) = codec.encode(tile[None], spec, Settings(quality=50))
    residual = load_residual(DEFAULT_RESIDUAL).encode(tile, codec.decode([latents], spec)[0], spec)
    assert (row["psnr"], row["max_error"], row["mse"]) == (None, 0, 0)
    assert row["bytes"] == len(latents) + len(residual)
    assert all(means.lossless for means in report.means) and report.exit_code == 0
    assert not list((tmp_path / "out").glob("rate-distortion*")) and not (tmp_path / "out/crops").exists()
    assert set(report.plots) == {f"{name}.{kind}" for name in ("rate", "speed-and-rate") for kind in ("svg", "png")}


def test_lossless_codecs_are_compared_by_their_bits_over_the_images_of_both(mixed, tmp_path):
    asked = {"fidelity": "pixels", "qualities": (20,), **ONE, "exclude": ("torn.png", "notes.txt")}
    report = evaluate(str(mixed), str(tmp_path / "out"), ["jpegxl", "png", "block-dnn-16"], **asked)
    found = rows(tmp_path / "out")
    for rate, (codec, quality) in zip(report.lossless, [("png", None), ("block-dnn-16", 20)], strict=True):
        ours = [r for r in found if r["codec"] == codec and r["outcome"] == "evaluated"]
        theirs = [of(found, row["image"], "jpegxl") for row in ours]
        ratio = sum(row["bpp"] for row in ours) / sum(row["bpp"] for row in theirs)
        assert (rate.codec, rate.quality, rate.images) == (codec, quality, len(ours))
        assert rate.percent == pytest.approx(100 * (ratio - 1))
        assert f"{rate.percent:+.1f} %" in (tmp_path / "out/summary.md").read_text()
    assert report.comparisons == []


def test_images_of_16_bits_are_compared_at_their_own_peak(tmp_path):
    samples = picture(64, 48, 1, bits=12)
    write_tree(tmp_path / "s", {"x.png": bytes(imagecodecs.png_encode(samples[:, :, 0]))})
    evaluate(str(tmp_path / "s"), str(tmp_path / "out"), ["block-dnn-16:90"], **ONE)
    (row,) = rows(tmp_path / "out")
    peak = 2 ** row["bit_depth"] - 1
    assert row["psnr"] == pytest.approx(10 * math.log10(peak**2 / row["mse"]))
    assert isinstance(pq.read_table(tmp_path / "out/results.parquet"), pa.Table)


def test_ssimulacra_2_is_measured_where_it_is_asked_for(mixed, tmp_path):
    out, given = tmp_path / "out", str(mixed / "colour.png")
    report = evaluate(given, str(out), ["jpeg:20,90", "png"], metrics=("ssimulacra2",), **ONE)
    original = np.asarray(Image.open(mixed / "colour.png"))
    spec, codec = TileSpec(60, 80, 3, "uint8", 8, "rgb"), load_codec("jpeg")
    decoded = codec.decode(codec.encode(original[None], spec, Settings(quality=20)), spec)[0]
    assert of(rows(out), "colour.png", "jpeg", 20)["ssimulacra2"] == pytest.approx(ssimulacra2(original, decoded, 255))
    low, high, lossless = (means.ssimulacra2 for means in report.means)
    assert low < high < lossless == 100
    assert f"| {low:.2f} |" in (out / "summary.md").read_text() and "SSIMULACRA 2" in (out / "report.html").read_text()
    with pytest.raises(ResumeError, match="metrics was ssimulacra2, now None"):
        evaluate(given, str(out), ["jpeg:20,90", "png"], **ONE)
    with pytest.raises(UsageError, match="named twice"):
        evaluate(given, str(tmp_path / "b"), ["png"], metrics=("ssimulacra2", "ssimulacra2"), **ONE)
