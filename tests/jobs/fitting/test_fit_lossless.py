"""What a person who fits the lossless codec is promised: honest figures, a model that is exact, never a loss."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tilepress
from tests.support.make_collection import encoded, image_of
from tilepress import fit_lossless
from tilepress.codecs.codec import Settings
from tilepress.codecs.lossless.levels import DEFAULT, FAST
from tilepress.codecs.lossless.model import model_of, starts_of
from tilepress.codecs.lossless.stack import StartState, plain_start
from tilepress.codecs.model import Model
from tilepress.codecs.registry import load_codec
from tilepress.jobs.cli.app import _run
from tilepress.jobs.fitting.fit import Fitted
from tilepress.jobs.fitting.fit_lossless import LEVEL_NAMES, FitConfig
from tilepress.jobs.fitting.images import Chosen, choose
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.sources.dataset import Source

QUICK = {"levels": ("default",), "epochs": 1.0, "hidden": {"default": (8, 8)}, "held_out": 2}


@pytest.fixture(scope="module")
def fitted(pictures, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model fitted to the pictures from nothing."""
    out = str(tmp_path_factory.mktemp("fitted") / "model")
    fit_lossless(pictures, out=out, start="none", licence="CC0", **QUICK)
    return out


def chosen(source: str, images: int = 40, held_out: int = 10, seed: int = 0, *, gray_too: bool = False) -> Chosen:
    return choose([Source(source)], images, held_out, seed, gray_too=gray_too)


def test_an_archive_becomes_a_model_that_compress_takes(pictures, fitted, tmp_path):
    archive = str(tmp_path / "archive")
    done = tilepress.compress(pictures, archive, codec=fitted)
    assert done.exit_code == 0 and "lossless" in done.summary.images
    assert tilepress.verify(archive, against=pictures).exit_code == 0


def test_fitting_gains_on_images_that_it_did_not_see(fitted):
    (figure,) = Model.load(fitted).training["figures"]
    assert (figure["level"], figure["images"], figure["count"]) == ("default", "all", 2)
    assert figure["fitted"] < figure["start"]
    assert figure["against_start"] == pytest.approx(100 * (figure["fitted"] / figure["start"] - 1), abs=0.01)
    assert figure["against_jpegxl"] == pytest.approx(100 * (figure["fitted"] / figure["jpegxl"] - 1), abs=0.01)


def test_the_figures_are_bytes_of_the_codec_with_that_model(pictures, fitted):
    model = Model.load(fitted)
    codec = load_codec("lossless", model)
    windows = chosen(pictures, 40, 2).held_out
    sizes = [len(codec.encode(w.samples[None], w.spec, Settings(effort=5))[0]) for w in windows]
    assert sum(sizes) == model.training["figures"][0]["fitted"]


def test_the_model_says_how_it_was_made(fitted):
    model = Model.load(fitted)
    wanted = {"fitted_images": 8, "held_out_images": 2, "skipped_files": 0, "seed": 0, "start": "none", "epochs": 1.0}
    assert {key: model.training[key] for key in wanted} == wanted
    assert model.licence == "CC0" and len(model.training["data"]) == 64 and model.training["seconds"] > 0
    assert "photos" not in json.dumps(dict(model.training))


def test_levels_that_were_not_fitted_keep_their_start(fitted):
    priors = starts_of(Model.load(fitted))
    assert priors[FAST.code].network is None
    assert priors[DEFAULT.code].network is not None
    assert Model.load(fitted).config["levels"]["default"]["hidden"] == [8, 8]


def test_the_same_fitting_gives_the_same_weights(pictures, fitted, tmp_path):
    fit_lossless(pictures, out=str(tmp_path / "again"), start="none", **QUICK)
    before, after = Model.load(fitted).tensors, Model.load(tmp_path / "again").tensors
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_repeating_the_command_finds_the_model_and_another_command_is_refused(pictures, fitted):
    sha256 = Model.load(fitted).name
    report = fit_lossless(pictures, out=fitted, start="none", **QUICK)
    assert not report.written and report.sha256 == sha256 and report.figures
    with pytest.raises(UsageError, match="another model"):
        fit_lossless(pictures, out=fitted, start="none", **QUICK, seed=5)


def test_a_folder_that_holds_anything_else_does_not_become_a_model(pictures):
    before = sorted(Path(pictures).iterdir())
    with pytest.raises(UsageError, match=r"holds other files, such as .*: name a new folder"):
        fit_lossless(pictures, out=pictures, start="none", **QUICK)
    assert sorted(Path(pictures).iterdir()) == before


def test_a_level_that_does_not_gain_keeps_its_start(pictures, tmp_path, monkeypatch, capsys):
    def wasted(level, hidden, start, windows, schedule, tell):
        return Fitted(StartState(start.network, -plain_start().mixing), 0, True)

    monkeypatch.setattr("tilepress.jobs.fitting.fit_lossless.fit_level", wasted)
    out = str(tmp_path / "model")
    assert _run(["fit-lossless", pictures, "--out", out, "--from", "none", "--levels", "fast", "--held-out", "2"]) == 0
    assert "fast: fitting gained nothing" in capsys.readouterr().out
    model = Model.load(out)
    assert model.training["figures"][0]["fitted"] > model.training["figures"][0]["start"]
    plain = model_of(dict.fromkeys(LEVEL_NAMES, plain_start()), {}, "")
    assert all(np.array_equal(model.tensors[name], plain.tensors[name]) for name in plain.tensors)


@pytest.mark.parametrize("change", [lambda images: images[:3], lambda images: []])
def test_too_few_images_are_refused(pictures, tmp_path, change: Callable[[list[Path]], list[Path]]):
    for path in change(sorted(Path(pictures).iterdir())):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with pytest.raises(UsageError, match="at least 4"):
        fit_lossless(str(tmp_path), out=str(tmp_path / "model"), start="none")


def test_jpegs_palettes_and_single_bits_are_no_images_to_fit_to(pictures, tmp_path):
    for name, mode, kind in (("j.jpg", "RGB", "JPEG"), ("p.png", "P", "PNG"), ("b.png", "1", "PNG")):
        (tmp_path / name).write_bytes(encoded(image_of(mode, 60, 60), kind))
    with pytest.raises(UsageError, match=r"holds 0 images .*\(3 others"):
        chosen(str(tmp_path))
    for path in Path(pictures).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert sorted(name for name, _ in chosen(str(tmp_path)).skipped) == ["b.png", "j.jpg", "p.png"]


def test_images_that_say_nothing_are_refused(tmp_path):
    for n in range(6):
        Image.fromarray(np.full((64, 64), n, np.uint8)).save(tmp_path / f"{n}.png")
    with pytest.raises(UsageError, match="samples that say anything"):
        fit_lossless(str(tmp_path), out=str(tmp_path / "model"), start="none", **QUICK)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"levels": ("slow",)}, "no level 'slow'"),
        ({"hidden": {"fast": (4, 4)}}, "8 to 128 wide"),
        ({"held_out": 1}, "at least 2"),
        ({"start": "block-dnn-16"}, "not a model of codec lossless"),
        ({"start": "nowhere"}, "nowhere"),
        ({"levels": ("fast",), "hidden": {"max": (8, 8)}}, "network for level max would have no effect"),
        ({"epochs": math.inf}, "finite"),
        ({"epochs": math.nan}, "finite"),
        ({"minutes": math.inf}, "finite"),
    ],
)
def test_impossible_wishes_are_refused(pictures, tmp_path, options, words):
    with pytest.raises(UsageError, match=words):
        fit_lossless(pictures, out=str(tmp_path / "model"), **options)


def test_the_command_prints_a_table_or_json(pictures, tmp_path, capsys):
    command = ["fit-lossless", pictures, "--images", "4", "--held-out", "2", "--levels", "fast", "--gray-too"]
    assert _run([*command, "--out", str(tmp_path / "one")]) == 0
    text = capsys.readouterr().out
    assert "JPEG XL e7" in text and "source 1, gray" in text and f"--codec {tmp_path / 'one'}" in text
    assert _run([*command, "--out", str(tmp_path / "one"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["fitted_images"] == 4 and not report["written"] and len(report["start"]) == 64
    assert _run([*command, "--out", str(tmp_path / "two"), "--network", "default=8"]) == 2


def test_settings_have_the_defaults_that_the_help_names():
    config = FitConfig(("a",), "b")
    assert (config.images, config.held_out, config.levels, config.start) == (40, 10, LEVEL_NAMES, "lossless")
