"""What a person who compares codecs is promised: real bytes, every image counted, and nothing measured twice."""

from __future__ import annotations

import io
import json
import math
import shutil
import signal
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import tilepress
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.registry import load_codec, shipped_models
from tilepress.codecs.residual import AdaptiveResidual
from tilepress.jobs.cli import _run
from tilepress.jobs.compress import compress
from tilepress.jobs.evaluate import EvaluateReport, evaluate
from tilepress.jobs.evaluation.folder import ROW_SCHEMA
from tilepress.pipeline.engine import EngineConfig
from tilepress.pipeline.errors import IntegrityError, MissingError, ResumeError, StorageError, UsageError
from tilepress.pipeline.local_storage import LocalStorage
from tilepress.pipeline.storage import open_storage

from .interrupted import ONE, command
from .make_collection import encoded, image_of, picture, png16, write_tree
from .test_s3 import upload

OUTPUTS = {
    "evaluation.json",
    "rate-distortion-ms-ssim.png",
    "rate-distortion-ms-ssim.svg",
    "rate-distortion-psnr.png",
    "rate-distortion-psnr.svg",
    "results.parquet",
    "summary.md",
}
SECONDS = ("encode_s", "decode_s", "encode_cpu_s", "decode_cpu_s")
CODECS = ["jpeg", "jpegxl", "block-dnn-16"]
QUALITIES = (20, 60, 90)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs in colour and gray, one large enough for MS-SSIM, one of 16 bits, a text and a torn file."""
    folder = tmp_path_factory.mktemp("evaluate") / "source"
    whole = encoded(image_of("RGB", 90, 70, seed=5), "PNG")
    files = {
        "a/gray.png": encoded(image_of("L", 60, 80, seed=1), "PNG"),
        "a/large.png": encoded(image_of("RGB", 170, 165, seed=2), "PNG"),
        "colour.png": encoded(image_of("RGB", 60, 80, seed=3), "PNG"),
        "deep.png": png16(1),
        "notes.txt": b"not an image\n",
        "torn.png": whole[: len(whole) // 2],
    }
    write_tree(folder, files)
    return folder


@pytest.fixture(scope="module")
def done(source: Path) -> tuple[Path, EvaluateReport]:
    """A finished evaluation, never written to."""
    out = source.parent / "done"
    return out, evaluate(str(source), str(out), CODECS, qualities=QUALITIES, tile=32, engine=ONE)


def rows(out: Path | str) -> list[dict[str, Any]]:
    return pq.read_table(io.BytesIO(open_storage(str(out)).read("results.parquet"))).to_pylist()


def timeless(out: Path | str) -> list[dict[str, Any]]:
    """Rows without what a clock said."""
    return [{name: value for name, value in row.items() if name not in SECONDS} for row in rows(out)]


def snapshot(out: Path | str) -> dict[str, tuple[bytes, int]]:
    """Every object of a folder, and when it was written."""
    storage = open_storage(str(out))
    return {entry.name: (storage.read(entry.name), entry.modified_ns) for entry in storage.list()}


def of(found: list[dict[str, Any]], image: str, codec: str, quality: int | None = None) -> dict[str, Any]:
    (row,) = (r for r in found if (r["image"], r["codec"], r["quality"]) == (image, codec, quality))
    return row


def test_every_image_has_one_row_for_every_codec_and_quality(done):
    out, report = done
    table = pq.read_table(out / "results.parquet")
    assert table.schema.equals(ROW_SCHEMA) and table.num_rows == 6 * 7
    keys = {(row["image"], row["codec"], row["quality"]) for row in table.to_pylist()}
    assert len(keys) == table.num_rows
    points = [(codec, quality) for codec in ("jpeg", "block-dnn-16") for quality in QUALITIES] + [("jpegxl", None)]
    assert {(codec, quality) for _, codec, quality in keys} == set(points)
    assert {(means.codec, means.quality) for means in report.means} == set(points)
    assert {path.name for path in out.iterdir()} == OUTPUTS | {"models", "parts"}


def test_figures_are_those_of_the_tiles_real_bytes_and_decoded_pixels(done, source):
    row = of(rows(done[0]), "a/large.png", "jpeg", 60)
    original = np.asarray(Image.open(source / "a/large.png"))
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


def test_ms_ssim_is_null_for_images_that_are_too_small_for_it(done):
    found = [row for row in rows(done[0]) if row["outcome"] == "evaluated"]
    assert {row["ms_ssim"] is not None for row in found if row["image"] == "a/large.png"} == {True}
    assert {row["ms_ssim"] for row in found if row["image"] != "a/large.png"} == {None}


def test_a_lossless_codec_has_no_finite_psnr_and_is_called_lossless(done):
    out, report = done
    row = of(rows(out), "a/large.png", "jpegxl")
    assert (row["mse"], row["psnr"], row["ssim"], row["ms_ssim"], row["max_error"]) == (0, None, 1, 1, 0)
    (means,) = (means for means in report.means if means.codec == "jpegxl")
    assert means.lossless and means.psnr is None and means.psnr_of_mse is None and means.equal == means.images == 4
    (line,) = (line for line in (out / "summary.md").read_text().splitlines() if line.startswith("| jpegxl |  |"))
    assert line.count("lossless") == 2


def test_both_means_of_psnr_are_stated(done):
    out, report = done
    for means in report.means:
        mine = [r for r in rows(out) if (r["codec"], r["quality"]) == (means.codec, means.quality) and r["psnr"]]
        if not mine or means.lossless:
            continue
        relative = [row["mse"] / (2 ** row["bit_depth"] - 1) ** 2 for row in mine]
        assert means.psnr == pytest.approx(np.mean([row["psnr"] for row in mine]))
        assert means.psnr_of_mse == pytest.approx(-10 * math.log10(np.mean(relative)))
        assert f"{means.psnr:.2f} | {means.psnr_of_mse:.2f}" in (out / "summary.md").read_text()


def test_what_is_not_evaluated_is_counted_with_the_reason(done):
    out, report = done
    assert report.files == 6 and report.images == 4 and report.exit_code == 3
    assert report.unknown == [("notes.txt", "not an image file that tilepress knows")]
    ((name, reason),) = report.unreadable
    assert name == "torn.png" and "truncated" in reason
    assert report.unsupported == {"jpeg": 1}
    row = of(rows(out), "deep.png", "jpeg", 20)
    assert (row["outcome"], row["reason"]) == ("unsupported", "jpeg cannot represent L images of 16 bits")
    assert row["bpp"] is None and of(rows(out), "deep.png", "block-dnn-16", 20)["outcome"] == "evaluated"
    assert {row["outcome"] for row in rows(out) if row["image"] == "torn.png"} == {"unreadable"}
    text = (out / "summary.md").read_text()
    assert all(words in text for words in ("torn.png", "notes.txt", "jpeg cannot represent 1 of the images"))


def test_bd_rates_are_those_of_the_means_over_common_images(done):
    import bjontegaard

    out, report = done
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


def test_the_plots_can_be_opened_and_name_their_curves(done):
    for metric in ("psnr", "ms-ssim"):
        path = done[0] / f"rate-distortion-{metric}.png"
        with Image.open(path) as image:
            assert min(image.size) > 600 and len(np.unique(np.asarray(image))) > 20
        svg = path.with_suffix(".svg").read_text()
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        for words in ("jpeg", "block-dnn-16", "jpegxl: lossless", "bits per pixel"):
            assert f"<!-- {words}" in svg


def test_with_the_residual_every_codec_is_lossless_and_its_bytes_count(source, tmp_path):
    name = "colour.png"
    report = evaluate(str(source / name), str(tmp_path / "out"), ["block-dnn-16"], fidelity="pixels", engine=ONE)
    row = of(rows(tmp_path / "out"), name, "block-dnn-16", 50)
    tile = np.asarray(Image.open(source / name))
    spec = TileSpec(60, 80, 3, "uint8", 8, "rgb")
    codec = load_codec("block-dnn", shipped_models()["block-dnn-16"])
    (latents,) = codec.encode(tile[None], spec, Settings(quality=50))
    residual = AdaptiveResidual().encode(tile, codec.decode([latents], spec)[0], spec)
    assert (row["psnr"], row["max_error"], row["mse"]) == (None, 0, 0)
    assert row["bytes"] == len(latents) + len(residual)
    assert all(means.lossless for means in report.means) and report.exit_code == 0
    assert report.plots == [] and not list((tmp_path / "out").glob("rate-distortion*"))


def test_lossless_codecs_are_compared_by_their_bits_over_the_images_of_both(source, tmp_path):
    asked = {"fidelity": "pixels", "qualities": (20,), "engine": ONE, "exclude": ("torn.png", "notes.txt")}
    report = evaluate(str(source), str(tmp_path / "out"), ["jpegxl", "png", "block-dnn-16"], **asked)
    found = rows(tmp_path / "out")
    for rate, (codec, quality) in zip(report.lossless, [("png", None), ("block-dnn-16", 20)], strict=True):
        ours = [r for r in found if r["codec"] == codec and r["outcome"] == "evaluated"]
        theirs = [of(found, row["image"], "jpegxl") for row in ours]
        ratio = sum(row["bpp"] for row in ours) / sum(row["bpp"] for row in theirs)
        assert (rate.codec, rate.quality, rate.images) == (codec, quality, len(ours))
        assert rate.percent == pytest.approx(100 * (ratio - 1))
        assert f"{rate.percent:+.1f} %" in (tmp_path / "out/summary.md").read_text()
    assert report.comparisons == []


def test_an_archive_is_evaluated_as_the_files_in_it(done, source, tmp_path):
    compress(str(source), str(tmp_path / "a.tp"), engine=ONE)
    report = evaluate(str(tmp_path / "a.tp"), str(tmp_path / "out"), CODECS, qualities=QUALITIES, tile=32, engine=ONE)
    for row, wanted in zip(timeless(tmp_path / "out"), timeless(done[0]), strict=True):
        assert row | {"reason": "", "source_bytes": 0} == wanted | {"reason": "", "source_bytes": 0}
    assert report.exit_code == 3 and report.images == 4


def test_the_folder_holds_the_models_it_needs(done):
    hashes = {row["reference"].partition("@")[2] for row in rows(done[0])} - {""}
    assert {path.name for path in (done[0] / "models").iterdir()} == hashes and len(hashes) == 1


@pytest.mark.parametrize("where", [pytest.param("local", marks=pytest.mark.slow), "s3"])
def test_ray_gives_the_same_rows_and_no_cpu_times_of_what_ran_in_actors(where, done, source, ray_cluster, request):
    place = str(source.parent / "on-ray")
    given = str(source)
    if where == "s3":
        server = request.getfixturevalue("s3_server")
        given, place = server.new_prefix(), server.new_prefix()
        upload(source, given)
    engine = EngineConfig("ray", 2)
    report = evaluate(given, place, CODECS, qualities=QUALITIES, tile=32, engine=engine)
    assert report.engine == "ray" and report.exit_code == 3
    assert timeless(place) == timeless(done[0])
    evaluated = [row for row in rows(place) if row["outcome"] == "evaluated"]
    assert all((row["encode_cpu_s"] is None) == (row["codec"] == "block-dnn-16") for row in evaluated)
    assert all(row["encode_s"] > 0 for row in evaluated)
    assert {name for name in snapshot(place) if "/" not in name} == OUTPUTS
    assert evaluate(given, place, CODECS, qualities=QUALITIES, tile=32, engine=engine).written == []


def test_a_complete_evaluation_is_told_again_and_nothing_is_written(done, source):
    out, first = done
    before = snapshot(out)
    again = evaluate(str(source), str(out), CODECS, qualities=QUALITIES, tile=32, engine=ONE)
    assert snapshot(out) == before and again.written == [] and again.exit_code == first.exit_code
    assert (again.means, again.comparisons) == (first.means, first.comparisons)


class KilledError(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def test_killed_before_or_after_any_object_it_goes_on_without_measuring_anything_twice(source, tmp_path, monkeypatch):
    options: dict[str, Any] = {"qualities": (30,), "tile": 32, "engine": ONE, "include": ("*.png",)}
    evaluate(str(source), str(tmp_path / "wanted"), ["jpeg", "png"], **options)
    out, create, left = tmp_path / "out", LocalStorage.create, 0

    def killing(storage: LocalStorage, name: str, data: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KilledError
        create(storage, name, data)
        if left == -1:  # the first one this time: the answer never arrives
            raise KilledError

    monkeypatch.setattr(LocalStorage, "create", killing)
    kills, kept = 0, dict[str, tuple[bytes, int]]()
    for moment in [0, 1] * 30:
        left = moment
        try:
            evaluate(str(source), str(out), ["jpeg", "png"], **options)
            break
        except KilledError:
            kills += 1
        now = snapshot(out) if out.exists() else {}
        assert {name: now[name] for name in kept} == kept
        kept = now
    assert kills >= len(snapshot(out)) >= len(OUTPUTS) + 5
    assert timeless(out) == timeless(tmp_path / "wanted")


def test_killed_for_real_the_same_command_goes_on(source, plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0.5")
    out = tmp_path / "out"
    arguments = ["evaluate", source, "--codec", "test-slow", "--out", out, "--engine", "local", "-j", "1"]
    driver = command(*arguments)
    while not list(out.glob("parts/*.parquet")):
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.communicate(timeout=20)
    before = snapshot(out)
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0")
    report = evaluate(str(source), str(out), ["test-slow"], engine=ONE)
    assert 1 <= report.resumed_tasks < report.tasks == 6
    after = snapshot(out)
    assert all(after[name] == content for name, content in before.items())


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"codecs": ["jpeg"]}, "codecs was jpeg:20,60,90 jpegxl block-dnn-16:20,60,90, now jpeg:20,60,90"),
        ({"qualities": (20, 60)}, "codecs was"),
        ({"tile": 64}, "tile was 32, now 64"),
        ({"anchor": "block-dnn-16"}, "anchor was 'jpeg', now 'block-dnn-16'"),
        ({"fidelity": "pixels", "codecs": ["jpegxl"], "qualities": ()}, "fidelity was 'lossy', now 'pixels'"),
        ({"exclude": ("*.txt",)}, "exclude was"),
        ({"source": "elsewhere"}, "source was"),
    ],
)
def test_another_evaluation_in_the_same_folder_is_refused_and_named(changed, named, done, source, tmp_path):
    write_tree(tmp_path, {"elsewhere/x.png": encoded(image_of("L", 20, 20), "PNG")})
    asked = {"source": str(source), "codecs": CODECS, "qualities": QUALITIES, "tile": 32} | changed
    if "source" in changed:
        asked["source"] = str(tmp_path / "elsewhere")
    before = snapshot(done[0])
    with pytest.raises(ResumeError, match="another evaluation") as caught:
        evaluate(asked.pop("source"), str(done[0]), asked.pop("codecs"), engine=ONE, **asked)
    assert named in str(caught.value) and caught.value.exit_code == 2
    assert snapshot(done[0]) == before


def test_images_that_changed_since_are_refused(tmp_path):
    write_tree(tmp_path, {"source/x.png": encoded(image_of("L", 40, 40), "PNG")})
    asked = (str(tmp_path / "source"), str(tmp_path / "out"), ["png"])
    evaluate(*asked, engine=ONE)
    (tmp_path / "source/x.png").write_bytes(encoded(image_of("L", 40, 41), "PNG"))
    with pytest.raises(ResumeError, match="the source has other images now"):
        evaluate(*asked, engine=ONE)


def test_a_model_that_was_trained_anew_under_the_same_name_is_refused(source, tmp_path):
    models, mine = shipped_models(), tmp_path / "mine"
    shutil.copytree(models["block-dnn-16"], mine)
    asked = (str(source / "colour.png"), str(tmp_path / "out"), [f"{mine}:50"])
    evaluate(*asked, engine=ONE)
    shutil.rmtree(mine)
    shutil.copytree(models["block-dnn-8"], mine)
    with pytest.raises(ResumeError, match="models was"):
        evaluate(*asked, engine=ONE)


def test_a_damaged_part_is_found_and_named(source, tmp_path):
    asked = (str(source / "colour.png"), str(tmp_path / "out"), ["png"])
    evaluate(*asked, engine=ONE)
    part = tmp_path / "out/parts/00000.parquet"
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 1
    part.write_bytes(data)
    (tmp_path / "out/results.parquet").unlink()
    with pytest.raises(IntegrityError, match="00000"):
        evaluate(*asked, engine=ONE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"codecs": ["jpgxl"]}, "Did you mean jpegxl"),
        ({"codecs": []}, "at least one --codec"),
        ({"codecs": ["jpegxl:10"]}, "no quality to choose"),
        ({"codecs": ["jpeg:10,300"]}, "quality 300 of --codec jpeg is not within 1 to 100"),
        ({"codecs": ["jpegxl"], "qualities": (10,)}, "--quality has no effect"),
        ({"codecs": ["jpeg:10", "png"], "qualities": (10,)}, "--quality has no effect"),
        ({"codecs": ["block-dnn", "block-dnn-16"]}, "block-dnn and --codec block-dnn-16 are the same codec"),
        ({"codecs": ["jpeg:10", "jpeg:10,20"]}, "named twice"),
        ({"codecs": ["jpeg", "png"], "anchor": "jpegxl"}, "--anchor jpegxl is not among the codecs: jpeg, png"),
        ({"codecs": ["jpeg"], "fidelity": "pixels"}, "does not decode the same on every machine"),
        ({"codecs": ["png"], "fidelity": "file"}, "neither lossy nor pixels"),
        ({"codecs": ["png"], "tile": 8}, "--tile 8"),
        ({"codecs": ["png"], "include": ("*.gif",)}, "no files there, or none that --include"),
        ({"codecs": ["png"], "engine": EngineConfig("cloud")}, "--engine"),
    ],
)
def test_what_cannot_be_done_as_asked_is_refused_before_anything_is_written(arguments, words, source, tmp_path):
    with pytest.raises(UsageError) as caught:
        evaluate(str(source), str(tmp_path / "out"), arguments.pop("codecs"), **{"engine": ONE, **arguments})
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_empty_source_and_a_folder_of_something_else_are_refused(source, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no files there"):
        evaluate(str(tmp_path / "empty"), str(tmp_path / "out"), ["png"], engine=ONE)
    write_tree(tmp_path / "mine", {"letter.txt": b"dear"})
    with pytest.raises(UsageError, match=r"neither empty nor an evaluation \(it holds letter.txt\)"):
        evaluate(str(source), str(tmp_path / "mine"), ["png"], engine=ONE)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    with pytest.raises(UsageError, match="lies within the source"):
        evaluate(str(source), str(source / "results"), ["png"], engine=ONE)


def test_a_source_without_any_image_ends_with_3(tmp_path):
    write_tree(tmp_path / "source", {"notes.txt": b"nothing"})
    report = evaluate(str(tmp_path / "source"), str(tmp_path / "out"), ["jpeg"], engine=ONE)
    assert report.exit_code == 3 and report.images == 0 and report.means[0].bpp is None


def test_files_that_are_no_images_do_not_count_as_failures(tmp_path):
    write_tree(tmp_path / "s", {"notes.txt": b"nothing", "x.png": encoded(image_of("L", 40, 40), "PNG")})
    report = evaluate(str(tmp_path / "s"), str(tmp_path / "out"), ["png"], engine=ONE)
    assert report.exit_code == 0 and report.unknown


@pytest.mark.parametrize(("error", "words"), [(MissingError, "vanished"), (StorageError, "permission denied")])
def test_an_image_that_cannot_be_fetched_is_counted_and_the_others_go_on(error, words, source, tmp_path, monkeypatch):
    read = LocalStorage.open_source

    def refuse(storage: LocalStorage, name: str, *args: Any, **options: Any) -> Any:
        if name == "colour.png":
            raise error(words)
        return read(storage, name, *args, **options)

    monkeypatch.setattr(LocalStorage, "open_source", refuse)
    report = evaluate(str(source), str(tmp_path / "out"), ["png"], exclude=("torn.png",), engine=ONE)
    assert report.unreadable == [("colour.png", words)] and report.exit_code == 3 and report.images == 3


def test_a_codec_that_fails_on_an_image_has_a_row_that_says_so(source, tmp_path, monkeypatch):
    from tilepress.codecs.classical import Png
    from tilepress.codecs.errors import StreamError

    def refuse(self: Png, data: bytes, spec: TileSpec) -> np.ndarray:
        raise StreamError("torn in two")

    monkeypatch.setattr(Png, "decode_tile", refuse)
    report = evaluate(str(source / "colour.png"), str(tmp_path / "out"), ["png", "jpegxl"], engine=ONE)
    assert report.failed == [("colour.png", "png: torn in two")] and report.exit_code == 3
    assert [row["outcome"] for row in rows(tmp_path / "out")] == ["failed", "evaluated"]


@pytest.mark.slow
def test_on_ray_a_codec_that_crashes_its_worker_has_a_row_that_says_so_too(source, ray_cluster, tmp_path):
    from tilepress_test_codecs import ENCODING_ABORTS

    bomb = encoded(Image.new("L", (40, 40), ENCODING_ABORTS), "PNG")
    write_tree(tmp_path / "source", {"bomb.png": bomb, "x.png": encoded(image_of("L", 40, 40), "PNG")})
    given, out = str(tmp_path / "source"), tmp_path / "out"
    report = evaluate(given, str(out), ["test-bomb", "png"], engine=EngineConfig("ray", 2))
    ((name, reason),) = report.failed
    assert name == "bomb.png" and reason.startswith("test-bomb: it crashed the worker") and report.exit_code == 3
    outcomes = {(row["image"], row["codec"]): row["outcome"] for row in rows(out)}
    assert outcomes.pop(("bomb.png", "test-bomb")) == "failed" and set(outcomes.values()) == {"evaluated"}


def test_a_lossless_codec_that_is_not_is_found_out(source, tmp_path, monkeypatch):
    from tilepress.codecs.classical import Png

    decode = Png.decode_tile
    monkeypatch.setattr(Png, "decode_tile", lambda self, data, spec: decode(self, data, spec) ^ 1)
    report = evaluate(str(source / "colour.png"), str(tmp_path / "out"), ["png"], engine=ONE)
    ((name, reason),) = report.failed
    assert name == "colour.png" and "should be lossless" in reason


def test_codecs_have_their_own_qualities_after_a_colon_and_models_make_one_curve(source, tmp_path):
    names = ["jpeg:80,20", "png", "block-dnn-16:50"]
    report = evaluate(str(source / "colour.png"), str(tmp_path / "out"), names, anchor="jpeg", engine=ONE)
    found = [(means.codec, means.quality) for means in report.means]
    assert found == [("jpeg", 20), ("jpeg", 80), ("png", None), ("block-dnn-16", 50)]
    assert {c.curve: c.reason for c in report.comparisons if c.metric == "psnr"} == {
        "png": "no curve: png is lossless",
        "block-dnn-16": "no curve: block-dnn-16 has one point",
    }


def test_a_model_folder_is_a_codec_too(source, tmp_path):
    folder = shipped_models()["block-dnn-16"]
    evaluate(str(source / "colour.png"), str(tmp_path / "out"), [f"{folder}:50"], engine=ONE)
    (row,) = rows(tmp_path / "out")
    assert row["codec"] == str(folder) and row["outcome"] == "evaluated"


def test_the_command_prints_what_the_summary_says_and_json_for_programs(source, tmp_path, capfd):
    arguments = ["evaluate", str(source), "--codec", "jpeg:30", "--codec", "png", "--out", str(tmp_path / "out")]
    assert _run([*arguments, "-j", "1"]) == 3
    said = capfd.readouterr().out
    assert "lossless" in said and "torn.png" in said and "summary.md" in said
    assert _run([*arguments, "--json"]) == 3
    content = json.loads(capfd.readouterr().out)
    assert [means["codec"] for means in content["means"]] == ["jpeg", "png"]
    assert content["exit_code"] == 3 and content["written"] == [] and content["images"] == 4
    assert _run([*arguments]) == 3
    assert "was complete already, nothing was written" in capfd.readouterr().out


@pytest.mark.parametrize("text", ["10,x", "0", "10,,20", "101", "٣"])
def test_a_list_of_qualities_that_is_none_is_refused_with_2(text, source, tmp_path, capfd):
    out = tmp_path / "out"
    assert _run(["evaluate", str(source), "--codec", "jpeg", "--quality", text, "--out", str(out)]) == 2
    assert "not a list of qualities" in capfd.readouterr().err and not out.exists()


def test_evaluate_is_a_function_of_the_package():
    assert tilepress.evaluate is evaluate


def test_images_of_16_bits_are_compared_at_their_own_peak(tmp_path):
    samples = picture(64, 48, 1, bits=12)
    write_tree(tmp_path / "s", {"x.png": bytes(imagecodecs.png_encode(samples[:, :, 0]))})
    evaluate(str(tmp_path / "s"), str(tmp_path / "out"), ["block-dnn-16:90"], engine=ONE)
    (row,) = rows(tmp_path / "out")
    peak = 2 ** row["bit_depth"] - 1
    assert row["psnr"] == pytest.approx(10 * math.log10(peak**2 / row["mse"]))
    assert isinstance(pq.read_table(tmp_path / "out/results.parquet"), pa.Table)
