"""Training cnn-rnn-ae: where each iteration begins, what a few steps bring, what is exported, what is published."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.learned.training import crops, errors_of, exported, figures_of
from tests.support.photo_like import psnr
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.cnn_rnn_ae.codec import CnnRnnAe
from tilepress.jobs.recipes.cnn_rnn_ae.recipe import CnnRnnAeRecipe
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import TrainingPlan, load_plan
from tilepress.jobs.training.learner import Learner
from tilepress.pipeline.errors import UsageError

SMALL = {
    "analysis": ["unshuffle 4", "conv 12 1", "relu", "conv 6 3"],
    "synthesis": ["conv 12 3", "relu", "conv 48 1", "shuffle 4"],
    "quantisation_steps": [48, 12],
    "default_level": 1,
}
WAYS = {
    "own": {},
    "shared": {"shared": True, "shifts": [0, 2]},
    "blocks": {"shifts": [0, 1], "block": 16, "overlap": 4},
}
every_way = pytest.mark.parametrize("way", WAYS)


def learner_of(model: dict[str, object], **options: object) -> Learner:
    learner = Learner(
        TrainingPlan("test", "cnn-rnn-ae", Options(**{"crop": 32, "seed": 3, **options}), {"shifts": [0, 0], **model})
    )
    learner.initialise(crops(24))
    return learner


def test_each_iteration_begins_as_principal_components_of_what_is_left() -> None:
    """With the finest steps, the second iteration adds what the components of the first leave out."""
    learner, tiles = learner_of(SMALL | {"quantisation_steps": [2, 1]}), crops(24)
    cells = tiles.reshape(24, 8, 4, 8, 4, 3).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 48) / 256.0
    values = np.linalg.eigvalsh(np.cov(cells.T, bias=True))
    with learner.exported() as network, torch.no_grad():
        errors = errors_of(network(torch.from_numpy(tiles)), tiles)
    rounding = (2 / 256) ** 2 / 12
    for left, error in zip((values[:-6].sum() / 48, values[:-12].sum() / 48), errors, strict=True):
        assert left < error < 1.1 * left + rounding


def test_some_steps_lower_the_loss_on_pictures_never_seen() -> None:
    learner, held_out, seen = learner_of(SMALL, lr=2e-3), crops(8, seed=9), torch.from_numpy(crops(32, seed=20))
    before = figures_of(learner, held_out)
    for step in range(60):
        learner.learn(seen[step % 4 :: 4], step, step / 60)
    after = figures_of(learner, held_out)
    assert after["loss"] < 0.97 * before["loss"]
    assert set(after) == {"loss", "mse", "bpp"}


@every_way
def test_what_is_exported_decodes_as_the_network_did_in_as_many_bytes(way: str) -> None:
    learner, tiles = learner_of(SMALL | WAYS[way]), crops(12, 64, seed=5)
    model, figures = exported(learner, list(tiles)), figures_of(learner, tiles)
    codec, spec = CnnRnnAe(model), TileSpec(64, 64, 3, "uint8", 8, "rgb")
    streams = codec.encode(tiles, spec)
    assert 10 ** (-psnr(codec.decode(streams, spec), tiles) / 10) < 1.1 * figures["mse"]
    assert 8 * sum(map(len, streams)) / tiles[..., 0].size == pytest.approx(figures["bpp"], rel=0.6)
    assert (codec.config.shared, codec.config.block) == (way == "shared", 16 if way == "blocks" else 0)
    assert model.training["integer_loss"] < 0.03
    assert model.licence == "terms of the data"


def test_the_published_configuration_is_sixteen_to_one_and_exports_exactly() -> None:
    plan = load_plan("cnn-rnn-ae-published", ["crop=32", "batch_size=2"])
    learner = Learner(plan)
    learner.initialise(crops(4))
    figures = [learner.learn(torch.from_numpy(crops(2, seed=step % 2)), step, 0.0) for step in range(4)]
    assert figures[-1]["mse"] < figures[0]["mse"]
    codec = CnnRnnAe(exported(learner, list(crops(3, seed=5))))
    symbols = codec.analyse(crops(1), TileSpec(32, 32, 3, "uint8", 8, "rgb"), Settings(quality=100))
    latents = [array for name, array in symbols.arrays.items() if name.startswith("latents")]
    assert [array.shape for array in latents] == [(1, 1, 8, 8, 4)] * 3
    assert {int(high) for quantiser in codec.levels[-1].quantisers.values() for high in quantiser.high} == {3}
    assert 32 * 32 * 24 == 16 * (3 * 8 * 8 * 4 * 2)
    assert codec.config.shared


@pytest.mark.parametrize(
    "model",
    [{"analysis": ["conv 8"]}, {"synthesis": ["conv 3 3"]}, {"block": 33}, {"overlap": 4}, {"default_level": 9},
     {"quantisation_steps": [8, 16]}, {"shifts": [0]}, {"quantisation_steps": [0, 0, 0]}, {"bits": 40}],
)  # fmt: skip
def test_a_configuration_that_cannot_be_trained_is_refused_at_once(model: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        CnnRnnAeRecipe(model)
