"""Training gdn-factorized: where it begins, what a few steps bring, and how little the export loses."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.learned.training import figures_of
from tilepress import train
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.gdn.codec import GdnFactorized
from tilepress.codecs.model import SHIPPED, Model
from tilepress.jobs.recipes.export.rounding import gram, round_in_turn
from tilepress.jobs.recipes.gdn.export import export
from tilepress.jobs.recipes.gdn.network import GdnNetwork
from tilepress.jobs.recipes.gdn.recipe import GdnFactorizedRecipe
from tilepress.jobs.recipes.networks.density import Density
from tilepress.jobs.recipes.networks.pictures import pictures
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import TrainingPlan, load_plan, recipe_class
from tilepress.jobs.training.learner import Learner

from .test_cnn_ae import learn, waves

SMALL = {"channels": [48, 48, 96], "rates": [0.01, 0.2], "default_level": 1}
SPEC = TileSpec(64, 64, 3, "uint8", 8, "rgb")


def learner() -> Learner:
    new = Learner(TrainingPlan("test", "gdn-factorized", Options(crop=64, seed=3, lr=3e-4), SMALL))
    new.initialise(waves(16, 64))
    return new


@cache
def trained() -> tuple[GdnNetwork, GdnFactorized]:
    """A network after a few steps, and what was exported of it."""
    new = learner()
    learn(new, 6)
    network = new.network
    assert isinstance(network, GdnNetwork)
    model = export(network.eval(), list(waves(12, 64)), new.recipe.model, {"seed": 3}, "CC0-1.0")
    return network, GdnFactorized(model)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def test_training_begins_as_a_fair_transform_codec() -> None:
    figures = figures_of(learner(), waves(8, 64, seed=9))
    assert figures["mse"] < 10**-3.0
    assert figures["bpp"] < 3


def test_a_few_steps_lower_the_loss_from_random_weights() -> None:
    fresh = Learner(TrainingPlan("test", "gdn-factorized", Options(crop=64, seed=3, lr=1e-3), SMALL))
    crops = waves(8, 64, seed=9)
    before = figures_of(fresh, crops)["loss"]
    learn(fresh, 10)
    assert figures_of(fresh, crops)["loss"] < 0.8 * before


def test_the_exported_integers_decode_as_the_float_network_does() -> None:
    network, codec = trained()
    codec = GdnFactorized(replace(codec.model, config={**codec.model.config, "dead_zone": [0.0, 0.0]}))
    tiles = waves(6, 64, seed=30)
    for level, quality in ((0, 1), (1, 100)):
        decoded = codec.decode(codec.encode(tiles, SPEC, Settings(quality=quality)), SPEC)
        with torch.no_grad():
            coded = network(pictures(torch.from_numpy(tiles)), torch.full((6,), level))
        wanted = np.rint(np.clip(coded.pictures.permute(0, 2, 3, 1).numpy() * 256, 0, 255))
        assert abs(psnr(decoded, tiles) - psnr(wanted, tiles)) < 0.25


def test_real_bytes_are_what_the_training_estimated() -> None:
    network, codec = trained()
    tiles = waves(8, 64, seed=31)
    streams = codec.encode(tiles, SPEC, Settings(quality=100))
    with torch.no_grad():
        coded = network(pictures(torch.from_numpy(tiles)), torch.ones(8, dtype=torch.long))
        bits = float(coded.bits.sum()) * 64 * 64
    assert 0.7 * bits < 8 * sum(map(len, streams)) < 1.1 * bits


def test_the_density_of_a_channel_sums_to_one() -> None:
    density = Density(3)
    with torch.no_grad():
        density.raw.normal_(0, 0.05)
        values = torch.arange(-4000, 4001)[None, None, :, None].expand(1, 3, -1, 1) * 0.25
        mass = density(values.float(), torch.full((1, 3), 0.25)).sum(dim=2)
    torch.testing.assert_close(mass, torch.ones_like(mass), rtol=1e-3, atol=1e-3)


def test_a_network_that_is_not_finite_is_not_exported() -> None:
    network = learner().network
    assert isinstance(network, GdnNetwork)
    with torch.no_grad():
        network.raw_gains[0, 0, 0] = torch.nan
    with pytest.raises(ModelError, match="finite"):
        export(network.eval(), list(waves(2, 64)), GdnFactorizedRecipe(SMALL).model, {}, "CC0-1.0")


def test_rounding_in_turn_loses_less_than_rounding_to_nearest() -> None:
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(2, 6, 20, 20)).cumsum(axis=2).cumsum(axis=3).cumsum(axis=1)
    x = torch.from_numpy(smooth.astype(np.float32))
    layer = torch.nn.Conv2d(6, 5, 3, padding=1)
    moments = gram(layer, [x])
    weight = rng.normal(0, 3, (5, 6, 3, 3))
    loss = []
    for rounded in (round_in_turn(weight, moments, 127), np.rint(weight)):
        assert (rounded == np.rint(rounded)).all()
        error = (rounded - weight).reshape(5, -1)
        loss.append(float(np.einsum("od,de,oe->", error, moments, error)))
    assert loss[0] < 0.3 * loss[1]
    assert np.abs(round_in_turn(100 * weight, moments, 127)).max() == 127


def test_a_training_from_pictures_to_a_model_that_codes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for i, picture in enumerate(waves(6, 96)):
        Image.fromarray(picture).save(tmp_path / "data" / f"{i}.png")
    overrides = (
        "steps=2",
        "batch_size=2",
        "crop=32",
        "minutes=0",
        "channels=[4, 6, 8]",
        "rates=[0.01, 0.1]",
        "default_level=0",
    )
    train("gdn-factorized", tmp_path / "data", tmp_path / "model", overrides=overrides)
    codec = GdnFactorized(Model.load(tmp_path / "model"))
    assert codec.config.channels == (4, 6, 8)
    tiles = waves(2, 64, seed=5)
    assert codec.decode(codec.encode(tiles, SPEC), SPEC).shape == tiles.shape


def test_the_shipped_model_came_from_the_shipped_recipe() -> None:
    record = Model.load(SHIPPED / "gdn-factorized").training
    plan, family = load_plan("gdn-factorized").to_json(), recipe_class("gdn-factorized")
    assert family(record["model"]).model == plan["model"], "keys that came later are as they were without"
    for key in ("lr", "batch_size", "crop", "seed", "precision"):
        assert record[key] == plan[key]
