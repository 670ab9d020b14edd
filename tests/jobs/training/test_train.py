"""What a person who trains is promised: a model that compress takes, reproducible, resumable, with its record."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.jobs.archives.test_s3 import upload
from tilepress import compress, restore, train
from tilepress.codecs.model import Model
from tilepress.jobs.cli.app import _run
from tilepress.jobs.recipes.recipe import load_plan, recipe_names
from tilepress.jobs.training import checkpoints
from tilepress.pipeline.errors import IntegrityError, ResumeError, UsageError
from tilepress.pipeline.storage.base import open_storage

LOCAL = {"engine": "local", "workers": 1}


def weights(model: str) -> dict[str, np.ndarray]:
    return dict(Model.load(model).tensors)


def assert_equal_weights(one: str, other: str) -> None:
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name])


def test_a_recipe_and_a_folder_become_a_model_that_compress_takes(recipe, photos, tmp_path):
    report = train(recipe, photos, str(tmp_path / "model"), **LOCAL)
    assert (report.steps, report.stopped_by, report.images) == (40, "steps", 5)
    done = compress(photos, str(tmp_path / "archive"), codec=str(tmp_path / "model"), **LOCAL)
    assert done.exit_code == 0 and set(done.summary.images) == {"test-tiny"}
    assert restore(str(tmp_path / "archive"), str(tmp_path / "out"), **LOCAL).exit_code == 0
    for path in Path(photos).iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_training_learns_and_says_how_well(recipe, photos, tmp_path):
    train(recipe, photos, str(tmp_path / "model"), **LOCAL, overrides=("steps=200",))
    log = pq.read_table(tmp_path / "model.training/log.parquet").to_pydict()
    validated = [(step, mse) for step, mse in zip(log["step"], log["val_mse"], strict=True) if mse is not None]
    assert [step for step, _ in validated] == list(range(10, 201, 10))
    assert validated[-1][1] < validated[0][1] / 2
    assert all(speed > 0 for speed in log["images_per_s"] if speed is not None)
    with Image.open(tmp_path / "model.training/curves.png") as curves:
        assert curves.size[0] > 600
    assert any((tmp_path / "model.training/tensorboard").iterdir())
    assert not list((tmp_path / "model.training").glob("checkpoints/*"))


def test_the_model_says_how_it_was_made(recipe, photos, tmp_path):
    overrides = ("seed=7", "latents=3", "licence=for tests", "ema=0.9", "clip=1", "warmup=3")
    train(recipe, photos, str(tmp_path / "model"), **LOCAL, overrides=overrides)
    model = Model.load(tmp_path / "model")
    training = model.training
    assert model.licence == "for tests"
    wanted = {"recipe": "tiny", "family": "test-tiny", "seed": 7, "batch_size": 4, "steps": 40, "trained_steps": 40}
    assert {key: training[key] for key in wanted} == wanted
    assert training["model"] == {"latents": 3, "colour": "rgb", "fails": False, "game": ""}
    assert len(training["data"]) == 64 and training["trained_images"] == 5 and training["held_out_images"] == 1
    assert {"tilepress", "torch", "numpy", "python"} <= training["versions"].keys()
    assert training["final"]["psnr"] == pytest.approx(-10 * np.log10(training["final"]["mse"]), abs=1e-3)


def test_the_same_training_gives_the_same_weights(recipe, photos, tmp_path):
    for name in ("one", "two"):
        train(recipe, photos, str(tmp_path / name), **LOCAL)
    assert_equal_weights(str(tmp_path / "one"), str(tmp_path / "two"))
    train(recipe, photos, str(tmp_path / "three"), **LOCAL, overrides=("seed=2",))
    assert not np.array_equal(
        weights(str(tmp_path / "one"))["analysis.weight"], weights(str(tmp_path / "three"))["analysis.weight"]
    )


def test_an_archive_teaches_the_same_as_the_folder_it_was_made_of(recipe, photos, tmp_path):
    compress(photos, str(tmp_path / "archive"), **LOCAL)
    for name, data in (("one", photos), ("two", str(tmp_path / "archive"))):
        train(recipe, data, str(tmp_path / name), **LOCAL)
    assert_equal_weights(str(tmp_path / "one"), str(tmp_path / "two"))


def test_a_model_that_is_there_is_not_trained_again_and_never_overwritten(recipe, photos, tmp_path):
    out = str(tmp_path / "model")
    first = train(recipe, photos, out, **LOCAL)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = train(recipe, photos, out, **LOCAL)
    assert not again.trained and again.sha256 == first.sha256
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    with pytest.raises(UsageError, match="another model"):
        train(recipe, photos, out, **LOCAL, overrides=("seed=2",))


GOING_ON = ("ema=0.95", "game=wasserstein")


def _train_child(recipe: str, data: str, out: str, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    train(recipe, data, out, **LOCAL, overrides=GOING_ON)


def kill_when(condition: Any, *args: Any) -> None:
    """Train in a process of its own, and kill it as soon as a condition holds."""
    child = multiprocessing.get_context("spawn").Process(target=_train_child, args=args)
    child.start()
    deadline = time.monotonic() + 120
    while not condition() and child.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert child.is_alive(), "it was over before it could be killed"
    child.kill()
    child.join()


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(recipe, photos, tmp_path):
    out = str(tmp_path / "killed")
    work = open_storage(f"{out}.training")
    environment = {"TILEPRESS_TEST_STEP_SECONDS": "0.1", "PYTHONPATH": os.environ["PYTHONPATH"]}
    kill_when(lambda: 20 in checkpoints.saved_steps(work), recipe, photos, out, environment)
    report = train(recipe, photos, out, **LOCAL, overrides=GOING_ON)
    assert report.resumed_at in (20, 30) and report.steps == 40
    train(recipe, photos, str(tmp_path / "whole"), **LOCAL, overrides=GOING_ON)
    assert_equal_weights(out, str(tmp_path / "whole"))
    log = pq.read_table(f"{out}.training/log.parquet").to_pydict()
    assert log["step"] == sorted(set(log["step"])) and log["step"][0] == 2


def test_another_recipe_or_data_set_does_not_go_on_with_a_training(recipe, photos, tmp_path):
    out = str(tmp_path / "model")
    with pytest.raises(UsageError, match=r"diverged at step 1 .*lower lr"):
        train(recipe, photos, out, **LOCAL, overrides=("fails=true",))
    with pytest.raises(ResumeError, match=r"seed was 1, now 2"):
        train(recipe, photos, out, **LOCAL, overrides=("fails=true", "seed=2"))


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    import torch

    storage = open_storage(str(tmp_path))
    for step in (10, 20, 30):
        checkpoints.save(storage, checkpoints.TrainingState(step=step), {"a": torch.full((3,), float(step))})
    assert checkpoints.saved_steps(storage) == [20, 30]
    path = tmp_path / "checkpoints/00000030.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(IntegrityError, match="damaged checkpoint"):
        checkpoints.load(storage, 30)
    state, tensors = checkpoints.latest(storage)
    assert state.step == 20 and float(tensors["a"][0]) == 20
    (tmp_path / "checkpoints/00000020.json").write_text("[]")
    assert checkpoints.latest(storage) is None


@pytest.mark.parametrize(
    ("override", "stopped_by"),
    [("stop_mse=0.05", "mse"), ("patience=2", "plateau"), ("minutes=0.004", "minutes"), ("steps=17", "steps")],
)
def test_training_ends_by_a_limit_a_plateau_or_a_threshold(override, stopped_by, recipe, photos, tmp_path):
    rest = () if override.startswith("steps") else ("steps=100000",)
    rest += ("lr=0.0",) if stopped_by == "plateau" else ()
    report = train(recipe, photos, str(tmp_path / "model"), **LOCAL, overrides=(override, *rest))
    assert report.stopped_by == stopped_by and 0 < report.steps < 100_000
    if stopped_by == "mse":
        assert report.figures["mse"] < 0.05


def test_training_runs_from_and_to_a_bucket(recipe, photos, s3_server, tmp_path):
    source, out = s3_server.new_prefix(), s3_server.new_prefix() + "/model"
    upload(Path(photos), source)
    report = train(recipe, source, out, **LOCAL, overrides=("feed=resident",))  # which decodes in threads
    train(recipe, photos, str(tmp_path / "model"), **LOCAL)
    storage = open_storage(out)
    stored = Model.from_bytes(storage.read("model.json"), storage.read("weights.safetensors"))
    assert stored.name == report.sha256
    np.testing.assert_array_equal(
        stored.tensors["analysis.weight"], weights(str(tmp_path / "model"))["analysis.weight"]
    )
    kept = {entry.name.split("/")[0] for entry in open_storage(out + ".training").list()}
    assert kept == {"curves.png", "log.parquet", "tensorboard", "training.json"}
    assert compress(photos, str(tmp_path / "archive"), codec=out, **LOCAL).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("against", [(), ("game=dcgan",), ("optimiser=soap",)])
def test_workers_on_ray_learn_together_and_a_killed_one_is_replaced(against, recipe, photos, ray_cluster, tmp_path):
    killed: list[int] = []
    work = open_storage(str(tmp_path / "model.training"))

    def kill_a_worker() -> None:
        while not checkpoints.saved_steps(work):
            time.sleep(0.05)
        for process in psutil.Process().children(recursive=True):
            if "RayTrainWorker" in " ".join(process.cmdline()):
                process.kill()
                killed.append(process.pid)
                return

    thread = threading.Thread(target=kill_a_worker, daemon=True)
    thread.start()
    out, asked = str(tmp_path / "model"), ("steps=150", *against)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TILEPRESS_TEST_STEP_SECONDS", "0.1")
        report = train(recipe, photos, out, engine="ray", workers=2, gpus_per_actor=0, overrides=asked)
    assert killed and (report.workers, report.steps, report.engine) == (2, 150, "ray")
    alone = train(recipe, photos, str(tmp_path / "alone"), **LOCAL, overrides=(*asked, "batch_size=8"))
    assert report.figures["mse"] == pytest.approx(alone.figures["mse"], rel=0.25)
    log = pq.read_table(f"{out}.training/log.parquet").to_pydict()
    assert log["step"] == sorted(set(log["step"])) and log["step"][-1] == 150


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_comes_with_tilepress_is_complete(name):
    plan = load_plan(name)
    assert plan.recipe().channels in (1, 3)
    assert json.loads(json.dumps(plan.to_json())) == plan.to_json()


def test_a_recipe_that_explains_nothing_is_printed_with_all_its_keys(recipe, capsys, tmp_path):
    assert _run(["recipes", recipe]) == 0
    (tmp_path / f"{load_plan(recipe).name}.yaml").write_text(capsys.readouterr().out)
    assert load_plan(str(tmp_path / f"{load_plan(recipe).name}.yaml")).to_json() == load_plan(recipe).to_json()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family: test-tiny\nstep: 3", r"no key 'step'. Did you mean steps"),
        ("family: test-tiny\nmodel: {latent: 3}", r"no key 'model.latent'. Did you mean latents"),
        ("family: test-tiny\nsteps: many", r"steps must be like 1000, not 'many'"),
        ("family: test-tiny\nminutes: .nan", r"minutes must be like 0.0, not nan"),
        ("family: test-tiny\nmodel: 3", "`model` is not a mapping"),
        ("family: nobody", "no recipe for family 'nobody'"),
        ("- a\n- b", "not a mapping"),
        ("a: [", "not a readable YAML"),
        ("a: " + "[" * 3000, "not a readable YAML"),
        ("family: test-tiny\nmodel: {1: 2}", "no key 'model.1'"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(text, message, tmp_path):
    (tmp_path / "wrong.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_plan(str(tmp_path / "wrong.yaml"))


def test_values_are_typed_and_named_on_the_command_line(recipe):
    plan = load_plan(recipe, ("lr=3e-4", "steps=5", "model.latents=4", "flips=no"))
    assert (plan.options.lr, plan.options.steps, plan.options.flips) == (3e-4, 5, False)
    assert plan.recipe().model["latents"] == 4
    for wrong, message in (
        *(("lr", "key=value"), ("latents=many", "latents must be"), ("lattents=3", "mean latents")),
        *(("steps=2024-13-45", "steps: the value is not YAML"), (f"steps=1{5000 * '0'}", "steps: the value is not")),
        *((f"minutes=1{400 * '0'}", "minutes must be like"), (f"steps={3000 * '['}", "steps: the value is not YAML")),
    ):
        with pytest.raises(UsageError, match=message):
            load_plan(recipe, (wrong,))


def test_the_command_prints_what_came_of_it(recipe, photos, tmp_path, capsys):
    arguments = ["train", recipe, "--data", photos, "--out", str(tmp_path / "m"), "steps=20", "--engine", "local"]
    assert _run(arguments) == 0
    said = capsys.readouterr().out
    assert "trained test-tiny on 5 images: 20 steps" in said and f"--codec {tmp_path}/m" in said
    assert _run(arguments) == 0
    assert "already this model" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "m")
    assert _run([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 20
    assert _run(["train", "nothing", "--data", photos, "--out", str(tmp_path / "x")]) == 2
    assert _run(["recipes"]) == 0
