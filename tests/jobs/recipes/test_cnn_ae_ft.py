"""Training cnn-ae-ft: what comes out is a model whose decoder can be tuned."""

from __future__ import annotations

import numpy as np
import pytest

from tests.jobs.recipes.test_cnn_ae import SMALL, learn, waves
from tests.support.learned.training import exported
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.cnn_ae_ft.codec import CnnAeFt
from tilepress.codecs.registry import load_codec
from tilepress.jobs.recipes.cnn_ae_ft.recipe import CnnAeFtRecipe
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import TrainingPlan, load_plan
from tilepress.jobs.training.learner import Learner

SPEC = TileSpec(160, 160, 3, "uint8", 8, "rgb")


@pytest.mark.parametrize("cut", [{}, {"block": 32}], ids=["whole", "blocks"])
def test_a_model_comes_out_that_is_tuned_to_an_image(cut: dict[str, int]) -> None:
    learner = Learner(TrainingPlan("test", "cnn-ae-ft", Options(crop=64, seed=3), {**SMALL, **cut, "told": False}))
    learner.initialise(waves(16, 64))
    learn(learner, 4)
    codec = load_codec("cnn-ae-ft", exported(learner, list(waves(4, 64))))
    assert isinstance(codec, CnnAeFt)
    tiles = waves(1, 160, seed=9)
    for effort in (None, 7):
        settings = Settings(quality=100, effort=effort)
        shared = codec.prepare(list(tiles), SPEC, settings)
        errors = []
        for common in (b"", shared):
            decoded = codec.decode(codec.encode(tiles, SPEC, settings, common), SPEC, common)
            errors.append(np.square(decoded.astype(float) - tiles).mean())
        assert shared and errors[1] < 0.95 * errors[0]


def test_the_published_configuration_has_the_narrow_decoder_of_the_article() -> None:
    plan = load_plan("cnn-ae-ft-published")
    assert plan.model["synthesis"] == ["up", "conv 8 7", "relu", "up", "conv 3 7"]
    recipe = plan.recipe()
    assert isinstance(recipe, CnnAeFtRecipe) and plan.model["block"] == 32
    assert recipe.shape.analysis.outputs * plan.model["bits"] * 16 == 16 * 24, "bits of 4 x 4 pixels: 16:1"
