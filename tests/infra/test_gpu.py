"""infra/gpu on the processor: what a machine with a GPU will run is known to work, and to find a wrong bit."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image

from tilepress.codecs.codec import Symbols
from tilepress.codecs.registry import codec_class, load_codec, resolve, shipped_models
from tilepress.jobs.recipes.recipe import load_plan

GPU = Path(__file__).parents[2] / "infra/gpu"
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(GPU))
    import check
    import exactness
    import train

MODEL = "block-dnn-sigmoid-16"  # the smallest
SMALL = "steps=4 batch_size=2 crop=32 export_tiles=2 validate_every=2 checkpoint_every=2 model.block=8 model.ratio=16"
TINY = ["--device", "cpu", "--side", "24", "--timed-side", "32", "--batches", "1", "3"]


class Inexact:
    """A codec that is right for whole batches only, as float networks are."""

    def __init__(self) -> None:
        self._codec = load_codec("block-dnn", resolve(MODEL).model_folder)

    def __getattr__(self, name: str):
        return getattr(self._codec, name)

    def synthesise(self, symbols: Symbols, side_information: bytes = b"") -> np.ndarray:
        out = self._codec.synthesise(symbols, side_information).copy()
        out[0, 0, 0, 0] ^= len(out) == 1
        return out


@pytest.fixture(autouse=True)
def _timed_once(monkeypatch) -> None:
    monkeypatch.setattr(check, "MOST_S", 0.0)


def test_one_command_checks_times_and_reports(tmp_path, capsys):
    assert check.main(["--out", str(tmp_path), "--models", MODEL, "--seconds", "60", *TINY]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["GPU"] == "none: the processor alone" and report["failures"] == []
    assert {row["batch"] for row in report["speed"]} == {1, 3}
    assert all(0 < row["decode"] <= row["synthesise"] for row in report["speed"])
    text = (tmp_path / "report.md").read_text()
    assert f"| {MODEL} | True | {5 * (6 * 6 + 1)} |" in text and text in capsys.readouterr().out


def test_the_best_batch_stands_beside_what_shall_be_reached() -> None:
    speed = [
        {"model": "cnn-ae", "device": device, "batch": batch, "synthesise": batch * (10.0 if device == "cuda" else 2.0)}
        for device in ("cuda", "cpu")
        for batch in (1, 8)
    ]
    speed.append({"model": "gdn-factorized", "device": "cuda", "batch": 1, "decode": "no time left"})
    (row,) = check.reached(speed, "cuda")
    assert row == {"model": "cnn-ae", "step": "synthesise", "device": 80, "processor": 16, "share": 0.2, "reach": 400}


def test_without_time_nothing_passes(tmp_path):
    assert check.main(["--out", str(tmp_path), "--models", MODEL, "--seconds", "0", *TINY]) == 1
    text = (tmp_path / "report.md").read_text()
    assert f"FAIL {MODEL}: time ran out after 1 checks" in text and "no time left" in text


@pytest.mark.slow
def test_every_shipped_model_is_exact_on_this_processor(tmp_path):
    assert check.main(["--out", str(tmp_path), "--seconds", "280", *TINY]) == 0
    checked = {row["model"] for row in json.loads((tmp_path / "report.json").read_text())["exactness"]}
    assert checked == {name for name in shipped_models() if codec_class(resolve(name).codec_id).networks}


def test_one_wrong_bit_in_one_batch_size_is_found_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "loaded", lambda name, device: Inexact())
    assert check.main(["--out", str(tmp_path), "--models", MODEL, "--seconds", "60", *TINY]) == 1
    failures = json.loads((tmp_path / "report.json").read_text())["failures"]
    assert failures and all("batch 1," in failure for failure in failures)
    assert f"| {MODEL} | False |" in (tmp_path / "report.md").read_text()


def test_pytorch_is_told_everything_that_changes_how_a_gpu_computes_and_is_left_as_it_was():
    told = exactness.settings_of("cuda")
    assert len({str(each) for each in told}) == 16 + 3 and sum("autocast" in each for each in told) == 2
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul

    def now() -> tuple[bool, ...]:
        return cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32

    before = now()
    flags = {"enabled": False, "benchmark": True, "deterministic": True, "allow_tf32": True}
    with exactness.told("cuda", {"cudnn": flags, "precision": "high"}):
        assert now() == (False, True, True, True, True)
    assert now() == before


def test_the_list_names_recipes_that_exist_and_trainings_that_end():
    for listed in yaml.safe_load((GPU / "trainings.yaml").read_text()):
        assert load_plan(listed["recipe"], listed["overrides"]).options.minutes > 0, listed["name"]


@pytest.mark.slow
def test_what_is_trained_is_passed_and_what_fails_stops_the_list(tmp_path, capfd):
    (tmp_path / "photos").mkdir()
    for number in range(4):
        samples = np.random.default_rng(number).integers(0, 256, (64, 72, 3), np.uint8)
        Image.fromarray(samples).save(tmp_path / "photos" / f"{number}.png")
    names = ("small", "wrong", "never")
    wanted = [{"name": name, "recipe": "block-dnn", "overrides": SMALL.split()} for name in names]
    wanted[1]["overrides"] = ["no_such_key=1"]
    (tmp_path / "list.yaml").write_text(yaml.safe_dump(wanted))
    call = [str(tmp_path / "photos"), str(tmp_path / "out"), "--list", str(tmp_path / "list.yaml")]
    assert train.main(call) == 2
    out, err = capfd.readouterr()
    assert "no_such_key" in err and not list(tmp_path.glob("out/never*"))
    assert re.search(r"^small: [0-9.]+ steps/s, [0-9.]+ MP/s of crops, GPU busy: (no GPU|[01]\.[0-9]+)$", out, re.M)
    made = (tmp_path / "out/small/model.json").read_bytes()
    assert train.main(call) == 2 and (tmp_path / "out/small/model.json").read_bytes() == made
    with pytest.raises(SystemExit, match="2"):
        train.main([*call, "other"])


def test_a_watch_counts_what_is_between_the_first_checkpoint_and_the_last(tmp_path, monkeypatch):
    shares: list[float | None] = [0.25, 0.75, 0.5, None]
    said = []
    monkeypatch.setattr(train, "_EVERY_S", 0.01)
    monkeypatch.setattr(train, "utilisation", lambda: said.append(shares[min(len(said), 3)]) or said[-1])
    with train.Watch(tmp_path) as watch:
        (tmp_path / "00000250.json").write_text("{}")
        os.utime(tmp_path / "00000250.json", (time.time() + 60, time.time() + 60))
        while len(said) < len(shares):
            time.sleep(0.01)
    assert watch.first_step == 250 and watch.busy == 0.5


def test_speed_is_that_of_the_log_from_a_step_on(tmp_path):
    log = {
        "step": [10.0, 20.0, 30.0, 40.0],
        "seconds": [9.0, 10.0, None, 14.0],
        "images_per_s": [1.0, 40.0, None, 20.0],
    }
    pq.write_table(pa.table(log), tmp_path / "log.parquet")
    assert train.speed(tmp_path / "log.parquet", 20) == (5.0, 30.0)
