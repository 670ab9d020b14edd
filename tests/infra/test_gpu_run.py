"""infra/gpu's one command, on the processor and with tiny trainings: what a GPU machine will run is known to work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tilepress.codecs.codec import Settings, Symbols
from tilepress.codecs.model import Model
from tilepress.codecs.registry import codec_class, load_codec, shipped_models

sys.path.append(str(Path(__file__).parents[2]))

from infra.gpu import exactness, run, speed, state, training
from infra.gpu.collect import collect
from infra.gpu.environment import Environment, probe
from infra.gpu.pack import pack, unpack
from infra.gpu.subjects import Subject, kinds, tiles

REPOSITORY = Path(__file__).parents[2]
SHIPPED = {name: Model.load(folder) for name, folder in shipped_models().items()}
NETWORKS = {name: model for name, model in SHIPPED.items() if codec_class(model.codec_id).networks}
NAME, MODEL = next(iter(NETWORKS.items()))
TINY = exactness.Extent(24, 4, (1, 4))
TRAINING = "{{name: {name}, recipe: block-dnn, overrides: [{overrides}]}}"
SMALL = "batch_size=2, crop=32, export_tiles=2, validate_every=10, checkpoint_every=5, model.block=8, model.ratio=16"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed training set of six small pictures."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "in").mkdir()
    for number in range(6):
        y, x = np.mgrid[:72, :80]
        samples = np.stack([x * (number + 1), y * 2 + x, x + y * number], axis=-1) % 256
        Image.fromarray(samples.astype(np.uint8)).save(folder / "in" / f"{number}.png")
    pack(str(folder / "in"), folder / "photos.zip", 10**6, "CC0", 64)
    return folder / "photos.zip"


def trainings(folder: Path, **overrides: str) -> Path:
    path = folder / "trainings.yaml"
    lines = [f"- {TRAINING.format(name=name, overrides=f'{text}, {SMALL}')}" for name, text in overrides.items()]
    path.write_text("\n".join(lines))
    return path


def arguments(folder: Path, photos: Path, out: str, *stages: str) -> list[str]:
    given = {
        "photos": photos,
        "state": folder / ".gpu/state",
        "trainings": folder / "trainings.yaml",
        "out": folder / out,
    }
    words = [word for name, path in given.items() for word in (f"--{name}", str(path))]
    return [*words, "--packages", "--device", "cpu", "--tiny", "--minutes", "4", "--stages", *stages]


def test_one_command_trains_checks_and_reports_and_the_next_call_goes_on(tmp_path, photos, capsys):
    trainings(tmp_path, small="steps=10")
    call = [*arguments(tmp_path, photos, "out", *run.STAGES[:2], "training"), "--models", NAME, "small"]
    assert run.main(call) == 0, capsys.readouterr().out
    results = json.loads((tmp_path / "out/report.json").read_text())
    assert results["trainings"]["small"]["state"] == "finished"
    assert set(results["exactness"]) == set(results["speed"]) == {NAME, "small"}
    assert all(each["passed"] and each["checks"] > 50 for each in results["exactness"].values())
    text = (tmp_path / "out/report.md").read_text()
    assert "| small | pass |" in text and "| small | finished | 10 |" in text
    files = list((tmp_path / "out").iterdir())
    assert len(files) <= 7 and all(path.stat().st_size <= 16 << 20 for path in files)

    kept = collect(tmp_path / "out", tmp_path / ".gpu")
    model = Model.load(kept / "models/small")
    assert model.licence == "Weights trained on CC0 photographs; keep that notice with them"
    assert (kept / "models/small.training/curves.png").is_file()
    capsys.readouterr()
    assert run.main(call) == 0
    assert "exactness of" not in capsys.readouterr().out, "what is done is not done again"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_shipped_model_and_the_busy_share_as_a_person_would_run_it(tmp_path, photos):
    environment = os.environ | {"RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    call = [
        sys.executable,
        "-m",
        "infra.gpu.run",
        *arguments(tmp_path, photos, "out", "exactness", "busy"),
        "--minutes",
        "25",
    ]
    done = subprocess.run(call, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "out/report.json").read_text())
    assert {name for name, each in results["exactness"].items() if each["passed"]} == set(NETWORKS)
    (figures,) = results["busy"].values()
    assert figures["images"] == 6 and 0 < figures["actor_busy"] <= 1
    assert figures["actor_busy"] <= figures["actor_busy_inside"] <= 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_that_a_slice_cuts_goes_on_in_the_next_from_its_last_checkpoint(tmp_path, photos):
    (listed,) = training.read_list(trainings(tmp_path, endless="steps=1000000, minutes=1.5"))
    step = 0
    for turn, seconds in enumerate((25, 40, 60, 80, 240, 240)):
        work, folder = tmp_path / f"work{turn}", tmp_path / f"photos{turn}"
        state.load(tmp_path / "state", work)
        unpack(photos, folder)  # another machine, another folder: the same data all the same
        found = training.slice_of([listed], folder, work, "CC0", "cpu", time.monotonic() + seconds)["endless"]
        state.save(work, tmp_path / "state")
        if found["state"] == "finished":
            break
        assert found["state"] == "stopped" and found["step"] >= step, found
        step = found["step"]
    assert found["state"] == "finished" and found["stopped_by"] == "minutes", found
    assert 0 < step < found["trained_steps"]
    assert f"(from step {step:,})" in found["log"]


class Inexact:
    """A codec that is right for whole batches on one processor only, as float networks are."""

    def __init__(self, wrong_on: str, device: str):
        self._codec = load_codec(MODEL.codec_id, MODEL)
        self._wrong = device == wrong_on

    def __getattr__(self, name: str):
        return getattr(self._codec, name)

    def synthesise(self, symbols: Symbols, shared: bytes = b"", level: int | None = None) -> np.ndarray:
        out = self._codec.synthesise(symbols, shared, level)
        if self._wrong and len(out) == 1:
            out = out.copy()
            out[0, 0, 0, 0] ^= 1
        return out


def test_one_wrong_bit_in_one_batch_size_is_found_and_named():
    class Doubtful(Subject):
        def load(self, device: str):
            self.loads.append(device)
            return Inexact("second", "first" if len(self.loads) == 1 else "second")

    subject = Doubtful("doubtful", MODEL)
    object.__setattr__(subject, "loads", [])
    verdict = exactness.check(subject, "cpu", TINY, time.monotonic() + 60).to_json()
    assert not verdict["passed"]
    assert verdict["failures"] and all("batch 1," in failure for failure in verdict["failures"])
    told = run.markdown({"exactness": {"doubtful": verdict}})
    assert "| doubtful | FAIL |" in told and verdict["failures"][0] in told
    assert not run.passed({"exactness": {"doubtful": verdict}})


def test_a_check_that_runs_out_of_time_says_so_instead_of_passing():
    subject = Subject(NAME, MODEL)
    with pytest.raises(TimeoutError, match=f"{NAME} was not checked to the end"):
        exactness.check(subject, "cpu", TINY, time.monotonic() - 1)


def test_pytorch_is_told_everything_that_changes_how_a_gpu_computes_and_is_left_as_it_was():
    told = exactness.settings_of("cuda")
    grid = [tuple(each.values()) for each in told if set(each) == {"cudnn", "benchmark", "deterministic", "tf32"}]
    assert len(set(grid)) == 16 and any("autocast" in each for each in told)

    def now() -> tuple[bool, ...]:
        cudnn = torch.backends.cudnn
        return cudnn.enabled, cudnn.benchmark, cudnn.deterministic, torch.backends.cuda.matmul.allow_tf32

    before = now()
    with exactness.told("cuda", {"cudnn": False, "benchmark": True, "deterministic": True, "tf32": True}):
        assert now() == (False, True, True, True)
    assert now() == before


def test_speed_is_told_for_every_step_side_by_side():
    subject = Subject(NAME, MODEL)
    (row,) = speed.measure(subject, "cpu", speed.Load(32, (2,), 1, 0.1))
    assert row["device"] == "cpu" and all(row[step] > 0 for step in (*speed.STEPS, "encode", "decode"))
    assert row["encode"] < row["analyse"] and row["decode"] < row["synthesise"]


def test_tiles_are_of_every_kind_the_codec_takes_and_always_the_same():
    codec = load_codec(MODEL.codec_id, MODEL)
    for spec in kinds(codec, 24):
        made = tiles(spec, 4)
        assert made.shape == (4, *spec.shape) and made.dtype == spec.dtype and made.max() <= spec.maximum
        assert np.array_equal(made, tiles(spec, 4))
        assert codec.encode(made, spec, Settings())


def test_what_a_machine_lacks_is_named_and_only_the_stages_that_need_it_are_left_out(tmp_path, photos, monkeypatch):
    here = probe("cpu")
    assert here.why_not("speed") == "" and here.facts["packages"]["numpy"] == np.__version__
    without = Environment("cpu", here.facts, {**here.missing, "training": ["tensorboardX", "PIL"]})
    assert "lacks tensorboardX pillow" in without.why_not("training")
    monkeypatch.setattr(run.environment, "probe", lambda device: without)
    trainings(tmp_path, small="steps=10")
    assert run.main(arguments(tmp_path, photos, "out", "training")) == 0
    assert "- training: this machine lacks tensorboardX pillow" in (tmp_path / "out/report.md").read_text()


def test_a_training_that_fails_fails_the_call_and_shows_why(tmp_path, photos):
    trainings(tmp_path, wrong="no_such_key=1")
    assert run.main(arguments(tmp_path, photos, "out", "training")) == 1
    assert "no_such_key" in (tmp_path / "out/report.md").read_text()


def test_the_list_of_trainings_names_recipes_that_exist():
    from tilepress.jobs.recipes.recipe import load_plan

    for listed in training.read_list(REPOSITORY / "infra/gpu/trainings.yaml"):
        plan = load_plan(listed.recipe, listed.overrides)
        assert plan.options.minutes > 0, "a lease is short: every training has an end in minutes"


def test_a_command_is_asked_to_end_at_its_deadline(tmp_path):
    program = "import time\ntry:\n    time.sleep(60)\nfinally:\n    open('ended', 'w').close()"
    polite = f"import signal, sys\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(143))\n{program}"
    with (tmp_path / "log").open("wb") as log:
        started = time.monotonic()
        code = training.run_until([sys.executable, "-c", polite], log, started + 3, tmp_path)
    assert code == 143 and (tmp_path / "ended").exists() and time.monotonic() - started < 30
