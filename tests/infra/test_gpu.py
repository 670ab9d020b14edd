"""infra/gpu on the processor: what a machine with a GPU will run is known to work, and to find a wrong bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tilepress.codecs.codec import Symbols
from tilepress.codecs.registry import codec_class, load_codec, resolve, shipped_models
from tilepress.jobs.recipes.recipe import load_plan
from tilepress.jobs.training.checkpoints import latest
from tilepress.jobs.training.learner import Learner
from tilepress.pipeline.sources.crops import held_out, split
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.base import open_storage

GPU = Path(__file__).parents[2] / "infra/gpu"
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(GPU))
    import check
    import exactness
    import pack
    import resident
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
    assert all(0 < row["decode"] < row["synthesise"] for row in report["speed"])
    text = (tmp_path / "report.md").read_text()
    assert f"| {MODEL} | True | {5 * (6 * 6 + 1)} |" in text and text in capsys.readouterr().out


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
    call = str(tmp_path / "photos"), str(tmp_path / "out"), tmp_path / "list.yaml"
    assert train.main(*call) == 2
    assert "no_such_key" in capfd.readouterr().err and not list(tmp_path.glob("out/never*"))
    made = (tmp_path / "out/small/model.json").read_bytes()
    assert train.main(*call) == 2 and (tmp_path / "out/small/model.json").read_bytes() == made


def test_crops_drawn_on_the_device_are_windows_in_all_eight_symmetries():
    picture = np.random.default_rng(1).integers(0, 256, (1, 6, 6, 3), np.uint8)
    drawn = resident.crops(
        torch.from_numpy(picture), 4000, resident.Windows(5), torch.Generator().manual_seed(1)
    ).numpy()
    windows = [picture[0, y : y + 5, x : x + 5] for y in (0, 1) for x in (0, 1)]
    mirrored = [each for window in windows for each in (window, window[:, ::-1])]
    wanted = {np.rot90(each, turns).tobytes() for each in mirrored for turns in range(4)}
    assert len(wanted) == 32 and {each.tobytes() for each in drawn} == wanted


def test_a_training_on_resident_pictures_leaves_a_checkpoint_that_tilepress_train_takes(tmp_path):
    pictures = np.random.default_rng(1).integers(0, 256, (4, 512, 512, 3), np.uint8)
    keys = ["steps=3", "batch_size=8", "crop=32", "validate_every=2", "checkpoint_every=2", "channels=4", "layers=1"]
    state = resident.train("jpeg-dncnn", pictures, str(tmp_path), 60, keys)
    found = latest(open_storage(str(tmp_path)))
    assert found and found[0].step == state.step == 3 and found[0].stopped_by == "steps"
    learner = Learner(load_plan("jpeg-dncnn", keys))
    learner.restore(found[1])
    assert learner.network.state_dict()["deviations"][0] > 1


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (np.zeros((4, 32, 32, 3), np.float32), "float32"),
        (np.zeros((4, 32, 32), np.uint8), "not uint8"),
        (np.zeros((4, 32, 32, 4), np.uint8), "not uint8"),
        (np.zeros((1, 32, 32, 3), np.uint8), "one is held out"),
        (np.zeros((4, 32, 31, 3), np.uint8), "smaller than crop=32"),
        (np.array([{}, None]), "allow_pickle"),
    ],
)
def test_pictures_that_cannot_be_trained_on_are_refused_in_one_line(tmp_path, capsys, monkeypatch, pictures, said):
    np.save(tmp_path / "pictures.npy", pictures, allow_pickle=True)
    call = ["jpeg-dncnn", tmp_path / "pictures.npy", tmp_path / "out", "--seconds", "60", "crop=32"]
    monkeypatch.setattr("sys.argv", ["resident.py", *map(str, call)])
    with pytest.raises(SystemExit, match="2"):
        resident.main()
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_resident_pictures_may_have_sides_that_are_no_whole_blocks(tmp_path):
    pictures = np.random.default_rng(1).integers(0, 256, (3, 35, 260, 3), np.uint8)
    keys = ["steps=1", "batch_size=2", "crop=32", "channels=4", "layers=0"]
    assert resident.train("jpeg-dncnn", pictures, str(tmp_path), 60, keys).step == 1


def test_without_flips_crops_are_windows_as_they_are():
    picture = np.random.default_rng(1).integers(0, 256, (1, 6, 6, 3), np.uint8)
    windows = resident.Windows(5, flips=False)
    drawn = resident.crops(torch.from_numpy(picture), 400, windows, torch.Generator().manual_seed(1)).numpy()
    wanted = {picture[0, y : y + 5, x : x + 5].tobytes() for y in (0, 1) for x in (0, 1)}
    assert {each.tobytes() for each in drawn} == wanted


def test_packed_pictures_hold_out_those_that_tilepress_train_holds_out(tmp_path):
    rng = np.random.default_rng(1)
    pictures = {f"{n}.png": rng.integers(0, 256, (16, 16, 3), np.uint8) for n in range(8)}
    for name, samples in pictures.items():
        Image.fromarray(samples).save(tmp_path / name)
    divided = split(Source(str(tmp_path)).absolute().open(), 0.25)
    packed = pack.packed(tmp_path)
    assert len(divided.validation) == held_out(len(pictures), 0.25) == 2
    assert [pictures[item.name].tolist() for item in divided.validation] == packed[:2].tolist()
