"""What anyone may ask a recipe for on the command line ends in a model or in one sentence, never in a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import Module

from tests.support.in_process import run
from tests.support.learned.training import SLIM, crops, learner_of
from tilepress.jobs.recipes.recipe import load_plan, recipe_names
from tilepress.pipeline.errors import UsageError


@pytest.mark.parametrize("name", recipe_names())
def test_a_crop_that_the_network_cannot_take_is_refused_with_one_that_it_can(name: str) -> None:
    unit = load_plan(name).recipe().crop_unit
    assert load_plan(name, [f"crop={3 * unit}"]).options.crop == 3 * unit
    if unit > 1:
        with pytest.raises(UsageError, match=rf"crop must be a multiple of {unit} .* try crop={3 * unit}"):
            load_plan(name, [f"crop={3 * unit + 1}"])


@pytest.mark.parametrize("name", recipe_names())
def test_networks_of_every_recipe_are_within_the_limits_of_models(name: str) -> None:
    assert isinstance(load_plan(name).recipe().build(), Module)


@pytest.mark.parametrize("family", SLIM)
def test_a_model_keeps_the_averaged_weights_when_its_network_has_its_own_again(family: str) -> None:
    learner = learner_of(family, {}, ema=0.99)
    for step in range(3):
        learner.learn(torch.from_numpy(crops(4, seed=step)), step, 0.0)
    with learner.exported() as network, torch.no_grad():
        model = learner.recipe.export(network, list(crops(12)), {"seed": 3}, "")
        averaged = {name: array.copy() for name, array in model.tensors.items()}
    assert [name for name in averaged if not np.array_equal(averaged[name], model.tensors[name])] == []


@pytest.mark.parametrize(
    ("recipe", "wrong", "said"),
    [
        ("cnn-rnn-ae", "crop=30", "crop must be a multiple of"),
        ("gdn-factorized", "crop=30", "crop must be a multiple of"),
        ("pca", "steps=2", "nothing to learn by steps"),
        ("block-dnn", "crop=8", "smaller than a block"),
    ],
)
def test_wrong_options_are_told_apart_from_faults(
    recipe: str, wrong: str, said: str, photos: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capfd, "train", recipe, "--data", photos, "--out", tmp_path / "model", "steps=2", wrong)
    assert code == 2, err
    assert said in " ".join(err.split())
