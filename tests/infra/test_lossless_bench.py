"""The table of lossless coders: its coders give images back, its sums are right, and it refuses what is wrong."""

from __future__ import annotations

import csv
import os
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from tilepress.codecs.codec import Settings, TileCodec

sys.path.append(str(Path(__file__).parent.parent.parent / "infra" / "bench"))

with patch.dict(os.environ):  # the tool asks for one thread, which the other tests shall not inherit
    import lossless
    import lossless_tilepress
from lossless_coders import CLASSICAL, Classical, green_added, green_subtracted, jpegls
from lossless_images import Image, describe, luma
from lossless_table import Measurement, row, table


def image(channels: int, dtype: str = "uint8", height: int = 40, width: int = 50) -> Image:
    """Noise on a ramp, in 8 bits or in 12 of 16."""
    noise = np.random.default_rng(1).integers(0, 30, (height, width, channels))
    samples = (noise + 3 * np.arange(width)[:, None]).astype(dtype) * (16 if dtype == "uint16" else 1)
    return Image("a group", "an image", samples, describe(samples))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "gray.tif", image(1, "uint16", 70, 90).samples[:, :, 0])
    Picture.fromarray(image(3, height=70, width=90).samples).save(tmp_path / "colour.png")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["lossless.py", *map(str, words)])
    lossless.main()


@given(st.integers(1, 16), st.integers(0, 2**32))
def test_the_colour_transform_of_jpeg_ls_is_reversible_at_every_depth(bits: int, seed: int) -> None:
    samples = np.random.default_rng(seed).integers(0, 1 << bits, (3, 4, 3)).astype(np.uint16)
    planes = green_subtracted(samples, bits)
    assert planes.max() < 1 << bits
    assert np.array_equal(green_added(planes, bits), samples)


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_classical_coder_gives_every_kind_of_image_back(name: str, channels: int, dtype: str) -> None:
    sample, coder = image(channels, dtype), CLASSICAL[name]
    if coder.supports(sample.spec):
        assert 0 < lossless.measure(coder, sample).bytes < 2 * sample.samples.nbytes
    else:
        assert (name == "webp" and dtype == "uint16") or channels == 4


@pytest.mark.parametrize("channels", [1, 3])
def test_near_lossless_jpeg_ls_keeps_its_bound_and_shrinks_with_it(channels: int) -> None:
    sizes = [lossless.measure(jpegls(near), image(channels)).bytes for near in (0, 1, 2, 4)]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 4


def test_a_coder_that_does_not_keep_its_promise_ends_the_run() -> None:
    with pytest.raises(SystemExit, match=r"jpeg-ls near 2 is wrong by [12] on a group, an image"):
        lossless.measure(replace(jpegls(2), max_error=0), image(1))


def test_a_coder_that_gives_another_type_of_samples_ends_the_run() -> None:
    wrong = Classical("wide", lambda a, spec: a.tobytes(), lambda data, spec: np.frombuffer(data, np.uint8).astype(int))
    with pytest.raises(SystemExit, match="wide gave int64"):
        lossless.measure(wrong, image(3))


def test_gray_is_the_luma_of_bt_601_rounded() -> None:
    assert luma(np.array([[[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).ravel().tolist() == [
        255,
        76,
        150,
        29,
    ]


def measurement(image: str, coder: str, size: int, seconds: float = 1.0) -> Measurement:
    return Measurement("g", image, coder, 0, 10**6, size, 0, seconds, 2 * seconds)


def test_ratios_are_of_the_total_of_the_images_and_of_the_worst() -> None:
    found = row("x", [measurement("a", "x", 50), measurement("b", "x", 300)], {"a": 100, "b": 200})
    assert (found.bytes, found.ratio, found.mean_ratio, found.worst_ratio) == (350, 350 / 300, 1.0, 1.5)
    assert (found.bits_per_pixel, found.encode, found.decode) == (350 * 8 / 2e6, 1.0, 0.5)


def test_rows_are_sorted_by_size_and_what_supports_no_image_comes_last_with_dashes() -> None:
    measured = [
        measurement("a", "reference", 100, 1),
        measurement("a", "small", 90, 2),
        measurement("a", "big", 110, 3),
    ]
    lines = table(measured, ["none", "big", "reference", "small"], "reference").splitlines()
    assert [line.split()[0] for line in lines] == ["coder", "small", "reference", "big", "none"]
    assert lines[-1].split()[1:] == ["-"] * 7


@pytest.mark.slow
def test_the_table_has_gray_and_rgb_classical_coders_codecs_and_bases(folder, monkeypatch, capsys, tmp_path) -> None:
    out = tmp_path / "out.csv"
    words = [folder, "--coder", "jpeg-ls", "--coder", "jpegxl:3", "--base", "middle", "--tile", 0, "--tile", 64]
    words += ["--residual", "lossless-1"]
    run(monkeypatch, *words, "--max-error", 2, "--csv", out)
    text = capsys.readouterr().out
    for group in ("gray", "rgb", "gray, 16 bit"):
        assert f"{folder.parts[-2]}/{folder.name}, {group}: 1 images, ratios to jxl-e7" in text
        assert f"{folder.parts[-2]}/{folder.name}, {group}, largest error 2: 1 images, ratios to jpeg-ls near 2" in text
    lines = list(csv.DictReader(out.open()))
    tiled = "middle + lossless-1, tiles 64"
    coders = {"jxl-e7", "jpeg-ls", "jpegxl effort 3", "jpegxl effort 3, tiles 64", "middle + lossless-1", tiled}
    assert {line["coder"] for line in lines} == coders | {"jpeg-ls near 2"}
    assert len(lines) == 3 * 7 and tiled in text


def test_tiles_that_hold_the_whole_image_are_measured_and_shown_once(folder, monkeypatch, capsys, tmp_path) -> None:
    out = tmp_path / "out.csv"
    run(monkeypatch, folder, "--rgb", "--coder", "jpegxl:3", "--csv", out)
    assert "tiles 512" not in capsys.readouterr().out
    whole, tiled = (line for line in csv.DictReader(out.open()) if line["coder"].startswith("jpegxl"))
    assert whole | {"coder": ""} == tiled | {"coder": ""}


def test_ratios_may_be_to_any_row(folder, monkeypatch, capsys) -> None:
    run(monkeypatch, folder, "--rgb", "--coder", "png-9", "--against", "png-9")
    assert "png-9 " in capsys.readouterr().out.split("ratios to png-9")[1]
    with pytest.raises(SystemExit):
        run(monkeypatch, folder, "--against", "nothing")


@pytest.mark.parametrize("words", [["--coder", "jpeg"], ["--base", "jpegxl"], ["--coder", "jpegxl:best"]])
def test_what_makes_no_sense_is_refused(folder, monkeypatch, words) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, folder, *words)


class Quantised(TileCodec):
    """Steps of `factor` times the bound, and one: kept if the factor is 1, broken if it is 4."""

    codec_id, summary, exact, lossless = "quantised", "a test", True, True
    options = frozenset({"max_error"})
    factor = 1

    def encode_tile(self, tile, spec, settings):
        step = self.factor * (settings.max_error or 0) + 1
        return bytes([step]) + (tile // step).tobytes()

    def decode_tile(self, data, spec):
        return np.frombuffer(data[1:], spec.dtype).reshape(spec.shape) * np.uint8(data[0])


@pytest.mark.parametrize("factor", [1, 4])
def test_the_bound_of_a_near_lossless_codec_is_checked(folder, monkeypatch, capsys, factor: int) -> None:
    codec = Quantised()
    codec.factor = factor
    monkeypatch.setattr(lossless_tilepress, "_resolve", lambda name: (codec, name, Settings()))
    words = [folder, "--rgb", "--coder", "quantised", "--tile", 0, "--max-error", 2]
    if factor == 4:
        with pytest.raises(SystemExit, match="quantised, error 2 is wrong by"):
            run(monkeypatch, *words)
        return
    run(monkeypatch, *words)
    assert "\nquantised, error 2 " in capsys.readouterr().out.split("largest error 2")[1]
