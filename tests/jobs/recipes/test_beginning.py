"""Trainings that begin with the weights of a model: they go on where it was, and other networks are refused."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest
import torch

from tests.support.learned.training import crops, exported, figures_of, learner_of
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.registry import DEFAULT_MODELS, load_codec
from tilepress.jobs.recipes.recipe import load_plan
from tilepress.jobs.training.learner import Learner
from tilepress.pipeline.errors import UsageError

SEEN = torch.from_numpy(crops(8, seed=20))
HELD_OUT, TILES = crops(8, seed=9), list(crops(6, 64))
BEGUN = ["block-dnn", "cae", "cnn-ae", "cnn-rnn-ae", "gan", "gan-ae", "gdn-factorized"]


@cache
def trained(family: str) -> tuple[dict[str, float], Model]:
    """Figures of a network after some steps, on pictures never seen, and the model of it."""
    learner = learner_of(family, {}, lr=1e-3)
    for step in range(12):
        learner.learn(SEEN, step, 0.0)
    return figures_of(learner, HELD_OUT), exported(learner, TILES)


@pytest.mark.parametrize(
    "family", [pytest.param(each, marks=[] if each in ("cae", "gan") else pytest.mark.slow) for each in BEGUN]
)
def test_weights_of_a_model_are_begun_with_as_they_decode(family: str) -> None:
    before, model = trained(family)
    begun = learner_of(family, {}, model, lr=1e-4)
    after = figures_of(begun, HELD_OUT)
    assert all(after[name] < 1.03 * before[name] for name in before if name.endswith("mse"))
    if "bpp" in after:
        assert after["bpp"] < 1.2 * before["bpp"]
    for step in range(4):
        begun.learn(SEEN, step, 0.0)
    assert figures_of(begun, HELD_OUT)["mse"] < 1.2 * after["mse"]  # it goes on from there


@pytest.mark.slow
def test_normalisation_begins_as_what_changes_nothing() -> None:
    before, model = trained("gan-ae")
    begun = learner_of("gan-ae", {"synthesis": ["conv 12 3", "norm", "relu", "conv 48 3", "shuffle 4"]}, model)
    after = figures_of(begun, HELD_OUT)
    assert all(after[name] < 1.03 * before[name] for name in before if name.endswith("mse"))


@pytest.mark.parametrize("family", ["cae", "gan"])
def test_an_encoder_that_stays_is_that_of_the_model(family: str) -> None:
    model = trained(family)[1]
    begun, other = (learner_of(family, {"freeze": "encoder"}, model) for _ in range(2))
    begun.learn(SEEN, 0, 0.0)
    weights, wanted = begun.network.state_dict(), other.network.state_dict()
    encoder = [name for name in weights if "analysis" in name or "downs" in name or "heads" in name]
    assert encoder and all(torch.equal(weights[name], wanted[name]) for name in encoder)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BEGUN, "cnn-ae-ft", "block-dnn-sigmoid-16"])
def test_models_that_ship_can_be_begun_with(name: str) -> None:
    """As their recipes name the networks; after one step they are exported again."""
    model = Model.load(SHIPPED / DEFAULT_MODELS.get(name, name))
    activation = ["activation=sigmoid"] if "sigmoid" in name else []
    learner = Learner(replace(load_plan(model.codec_id, ["crop=64", "batch_size=2", *activation]), start=model))
    learner.recipe.require_start(model)
    learner.initialise(crops(12, 64))
    assert figures_of(learner, crops(4, 64, seed=9))["mse"] < 10**-2.5
    learner.learn(torch.from_numpy(crops(2, 64)), 0, 0.0)
    load_codec(model.codec_id, exported(learner, list(crops(4, 128))))


@pytest.mark.parametrize(
    ("theirs", "recipe", "override", "said"),
    [
        ("cnn-ae", "cnn-ae-ft", "rate=1", "a model of cnn-ae is no beginning for one of cnn-ae-ft"),
        ("cnn-ae", "cae", "rate=1", "no beginning"),
        ("cnn-ae", "pca", "ratio=4", "not learned from a start"),
        ("cnn-ae", "rbm-autoencoder", "epochs=1", "begins as Boltzmann machines"),
        ("cnn-ae", "cnn-ae", "told=false", "another told: set told=true"),
        ("cnn-ae", "cnn-ae", "synthesis=[conv 48 3, shuffle 4]", "another synthesis: set synthesis=[conv 64 3, relu,"),
        ("cae", "cae", "latents=[16, 24, 31]", "another latents: set latents=[16, 24, 32]"),
        ("cnn-rnn-ae", "cnn-rnn-ae", "shifts=[0, 0, 1]", "another shifts: set shifts=[0, 0, 0]"),
        ("gdn-factorized", "gdn-factorized", "rates=[1, 2, 3, 4]", "has 6 levels: set as many rates"),
        ("gdn-factorized", "gdn-factorized", "channels=[8, 12, 20]", "set channels=[64, 96, 256]"),
        ("block-dnn-16", "block-dnn", "extra=9", "another extra: set extra=32"),
        ("block-dnn-16", "block-dnn", "ratio=4", "another ratio: set ratio=16"),
        ("gan-ae", "gan-ae", "analysis=[unshuffle 4, conv 6 3]", "another analysis: set analysis=[unshuffle 4,"),
        ("gan", "gan-ae", "rate=1", "a model of gan is no beginning for one of gan-ae"),
    ],
)
def test_a_model_of_other_networks_is_no_beginning(theirs: str, recipe: str, override: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        load_plan(recipe, [override]).recipe().require_start(Model.load(SHIPPED / theirs))
