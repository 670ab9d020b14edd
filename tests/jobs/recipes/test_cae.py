"""Training cae: where each unit begins, what a few steps bring, what is exported, what is published."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.learned.training import SLIM, crops, errors_of, exported, figures_of
from tests.support.photo_like import picture, psnr
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.cae.codec import Cae
from tilepress.jobs.recipes.cae.recipe import CaeRecipe
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import TrainingPlan, load_plan
from tilepress.jobs.training.learner import Learner
from tilepress.pipeline.errors import UsageError

SMALL = SLIM["cae"]


def learner_of(model: dict[str, object], **options: object) -> Learner:
    learner = Learner(TrainingPlan("test", "cae", Options(**{"crop": 32, "seed": 3, **options}), model))
    learner.initialise(crops(24))
    return learner


def test_each_unit_begins_as_principal_components_of_what_it_sees() -> None:
    """With the finest steps, a level leaves what the components of its units leave out."""
    learner, tiles = learner_of(SMALL | {"quantisation_steps": [1, 2]}), crops(24)
    cells = tiles.reshape(24, 8, 4, 8, 4, 3).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 48) / 256.0
    values, vectors = np.linalg.eigh(np.cov(cells.T, bias=True))
    components = (cells @ vectors[:, -6:]).reshape(24, 4, 2, 4, 2, 6).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 24)
    deeper = np.linalg.eigvalsh(np.cov(components.T, bias=True))
    left = [values[:-6].sum() / 48]
    left.insert(0, left[0] + deeper[:-8].sum() / (4 * 48))
    with learner.exported() as network, torch.no_grad():
        coded = network(torch.from_numpy(tiles))
    for wanted, error in zip(left, errors_of(coded, tiles), strict=True):
        assert wanted < error < 1.02 * wanted + (2 / 256) ** 2 / 12


def test_some_steps_lower_the_loss_on_pictures_never_seen() -> None:
    """Not by much: of pictures as simple as these, principal components are nearly all that there is to know."""
    learner, held_out, seen = learner_of(SMALL, lr=1e-3), crops(8, seed=9), torch.from_numpy(crops(32, seed=20))
    before = figures_of(learner, held_out)
    for step in range(60):
        learner.learn(seen[step % 4 :: 4], step, step / 60)
    after = figures_of(learner, held_out)
    assert after["loss"] < 0.995 * before["loss"]
    assert after["bpp"] < 0.95 * before["bpp"]
    assert set(after) == {"loss", "mse", "bpp"}


def test_what_is_exported_decodes_as_the_network_did_in_as_many_bytes() -> None:
    learner, tiles = learner_of(SMALL), crops(12, 64, seed=5)
    model, spec = exported(learner, list(tiles)), TileSpec(64, 64, 3, "uint8", 8, "rgb")
    codec = Cae(model)
    with learner.exported() as network, torch.no_grad():
        coded = network(torch.from_numpy(tiles))
    for quality, error, bits in zip((1, 100), errors_of(coded, tiles), coded.bits.mean(dim=1), strict=True):
        streams = codec.encode(tiles, spec, Settings(quality=quality))
        assert 10 ** (-psnr(codec.decode(streams, spec), tiles) / 10) < 1.1 * error
        assert 8 * sum(map(len, streams)) / tiles[..., 0].size == pytest.approx(float(bits), rel=0.7)
    assert model.training["integer_loss"] < 0.03
    assert model.licence == "terms of the data"


def test_energy_stands_for_the_rate_where_that_is_asked_for() -> None:
    """As published: latents shrink, because their squares cost something, and bits are not looked at."""
    sizes = []
    for energy in (0.0, 1.0):
        learner = learner_of(SMALL | {"rate": 0.0, "energy": energy}, lr=2e-3)
        for step in range(10):
            learner.learn(torch.from_numpy(crops(4, seed=step)), step, 0.0)
        with learner.exported() as network, torch.no_grad():
            sizes.append(float(network(torch.from_numpy(crops(4, seed=50))).energies.mean()))
    assert sizes[1] < 0.9 * sizes[0]


def test_the_published_configuration_has_three_symmetric_units_and_exports_exactly() -> None:
    learner = Learner(load_plan("cae-published", ["crop=16", "batch_size=2"]))
    learner.initialise(crops(4, 16))
    figures = [learner.learn(torch.from_numpy(crops(2, 16)), step, 0.0) for step in range(3)]
    assert figures[-1]["loss"] < figures[0]["loss"]
    codec = Cae(exported(learner, list(crops(3, seed=5))))
    assert [codec.config.cut(unit).stride for unit in range(3)] == [2, 4, 8]
    assert codec.config.features == [3, 32, 64, 128]
    spec = TileSpec(24, 16, 3, "uint8", 8, "rgb")
    assert codec.decode(codec.encode(picture(spec), spec), spec).shape == (1, *spec.shape)


@pytest.mark.parametrize(
    "model",
    [{"down": [["conv 8"]] * 3}, {"up": [["conv 3 3"]] * 3}, {"latents": [16]}, {"default_level": 9}, {"margin": 99},
     {"quantisation_steps": [8, 16]}, {"quantisation_steps": [0, 0, 0]}, {"rate": -1.0}, {"energy": -1.0}],
)  # fmt: skip
def test_a_configuration_that_cannot_be_trained_is_refused_at_once(model: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        CaeRecipe(model)
