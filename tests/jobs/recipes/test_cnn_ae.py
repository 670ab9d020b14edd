"""Training cnn-ae: where it begins, what a few steps bring, what is exported, and the published configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.learned.training import exported, figures_of
from tilepress import train
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.cnn_ae.codec import CnnAe
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.cnn_ae.recipe import CnnAeRecipe
from tilepress.jobs.recipes.networks.bounded import bounded
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import TrainingPlan, load_plan
from tilepress.jobs.training.learner import Learner
from tilepress.pipeline.errors import UsageError

SMALL = {
    "analysis": ["unshuffle 4", "conv 16 3", "relu", "conv 8 3"],
    "synthesis": ["conv 16 3", "relu", "conv 48 3", "shuffle 4"],
    "quantisation_steps": [64, 32, 16],
    "default_level": 1,
}
WAYS = {"whole": {}, "side by side": {"block": 32}, "overlapping": {"block": 32, "overlap": 4}}
every_way = pytest.mark.parametrize("way", WAYS)


def waves(count: int, side: int, seed: int = 0) -> np.ndarray:
    """Pictures uint8 (n, side, side, 3) with the spectrum of photographs."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    out = np.full((count, side, side, 3), 0.5)
    for tile in out:
        for _ in range(30):
            fy, fx = rng.normal(0, 12, 2)
            wave = np.sin(2 * np.pi * (fy * y / 512 + fx * x / 512) + rng.uniform(0, 6.3))
            tile += wave[:, :, None] * (rng.normal(1, 0.2, 3) * 0.2 / (1 + np.hypot(fy, fx)) ** 0.7)
    return np.rint(np.clip(out, 0, 1) * 255).astype(np.uint8)


def learner_of(model: dict[str, object], **options: object) -> Learner:
    learner = Learner(TrainingPlan("test", "cnn-ae", Options(**{"crop": 64, "seed": 3, **options}), model))
    learner.initialise(waves(16, 64))
    return learner


def learn(learner: Learner, steps: int) -> None:
    crops = torch.from_numpy(waves(32, 64, seed=20))
    for step in range(steps):
        learner.learn(crops[step % 4 :: 4], step, step / steps)


def decoded_mse(codec: CnnAe, tiles: np.ndarray, quality: int | None = None) -> float:
    spec = TileSpec(*tiles.shape[1:], "uint8", 8, "rgb")
    decoded = codec.decode(codec.encode(tiles, spec, Settings(quality=quality)), spec)
    return float(np.mean((decoded.astype(np.float64) - tiles) ** 2)) / 255**2


@pytest.mark.parametrize("bits", [0, 12])
def test_a_slim_network_begins_as_the_principal_components_of_its_cells(bits: int) -> None:
    crops = waves(16, 64)
    cells = crops.reshape(16, 16, 4, 16, 4, 3).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 48) / 255.0
    values = np.linalg.eigvalsh(np.cov(cells.T, bias=True))
    floor = values[:-8].sum() / 48  # what 8 components leave out, the least squared error of any 8
    coarse = figures_of(learner_of({**SMALL, "quantisation_steps": [2, 1], "bits": bits}), crops)["mse"]
    assert floor < coarse < (2.5 if bits else 1.05) * floor + 1e-6  # with bits, extremes are clipped


def test_latents_that_left_their_range_learn_to_come_back() -> None:
    z = torch.tensor([-0.5, -0.5, 0.25, 1.5, 1.5], requires_grad=True)
    (bounded(z, 1.0) * torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0])).sum().backward()
    assert bounded(z, 1.0).tolist() == [0, 0, 0.25, 1, 1]
    assert z.grad is not None and z.grad.tolist() == [0, -1, 1, 1, 0]  # steps go the other way


def test_some_steps_lower_the_loss_on_pictures_never_seen() -> None:
    learner, held_out = learner_of(SMALL, lr=5e-4), waves(8, 64, seed=9)
    before = figures_of(learner, held_out)
    learn(learner, 60)
    after = figures_of(learner, held_out)
    assert after["loss"] < 0.97 * before["loss"]
    assert set(after) == {"loss", "mse", "bpp"}


@every_way
def test_what_is_exported_decodes_as_the_network_did(way: str) -> None:
    learner, tiles = learner_of(SMALL | WAYS[way]), waves(12, 128, seed=5)
    model = exported(learner, list(tiles))
    codec = CnnAe(model)
    assert (codec.config.block, codec.config.overlap) == (
        WAYS[way].get("block", 0),
        WAYS[way].get("overlap", 0),
    )
    assert decoded_mse(codec, tiles) < 1.05 * figures_of(learner, tiles)["mse"]
    assert model.training["seed"] == 3
    assert model.training["integer_loss"] < 0.03
    assert model.licence == "terms of the data"


def test_the_rate_that_is_estimated_is_near_the_bytes_that_are_written() -> None:
    learner, tiles = learner_of(SMALL, lr=5e-4), waves(12, 128, seed=5)
    learn(learner, 60)
    estimated = figures_of(learner, tiles)["bpp"]
    spec = TileSpec(128, 128, 3, "uint8", 8, "rgb")
    streams = CnnAe(exported(learner, list(tiles))).encode(tiles, spec)
    assert 8 * sum(map(len, streams)) / tiles[..., 0].size == pytest.approx(estimated, rel=0.4)


def test_every_quality_level_is_closer_than_the_one_before() -> None:
    tiles = waves(12, 128, seed=5)
    codec = CnnAe(exported(learner_of(SMALL), list(tiles)))
    errors = [decoded_mse(codec, tiles, quality) for quality in (1, 50, 100)]
    assert errors == sorted(errors, reverse=True)


def test_pictures_too_small_for_half_of_the_data_do_not_stop_an_export() -> None:
    tiles = [*waves(6, 100, seed=1), *waves(2, 20, seed=2), np.zeros((3, 500, 3), np.uint8)]
    assert CnnAe(exported(learner_of(SMALL), tiles)).config.latents == 8


def test_the_published_configuration_is_sixteen_to_one_and_exports_exactly() -> None:
    plan = load_plan("cnn-ae-published", ["crop=32", "batch_size=2"])
    learner = Learner(plan)
    shape = learner.recipe.shape
    multiplications = [c.inputs * c.outputs * c.size**2 for c in shape.analysis.convolutions]
    assert 0.4e6 < sum(m / area for m, area in zip(multiplications, (1, 1, 4, 16), strict=True)) < 0.45e6
    learner.initialise(waves(8, 32))
    figures = [learner.learn(torch.from_numpy(waves(2, 32, seed=step % 2)), step, 0.0) for step in range(6)]
    assert figures[-1]["mse"] < figures[0]["mse"]
    codec = CnnAe(exported(learner, list(waves(4, 64, seed=5))))
    symbols = codec.analyse(waves(1, 32), TileSpec(32, 32, 3, "uint8", 8, "rgb"), Settings(quality=100))
    assert symbols.arrays["latents"].shape == (1, 1, 8, 8, 4)
    assert set(codec.levels[-1].quantiser.high) == {63}
    assert 32 * 32 * 24 == 16 * (8 * 8 * 4 * 6)


@pytest.mark.parametrize(
    "model",
    [{"analysis": ["conv 8"]}, {"synthesis": ["conv 3 3"]}, {"block": 33}, {"overlap": 4}, {"default_level": 9},
     {"quantisation_steps": [8, 16]}, {"quantisation_steps": [0]}, {"bits": 40}],
)  # fmt: skip
def test_a_configuration_that_cannot_be_trained_is_refused_at_once(model: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        CnnAeRecipe(model)


def test_the_command_trains_a_model_that_the_codec_takes(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for i, tile in enumerate(waves(5, 96)):
        Image.fromarray(tile).save(tmp_path / "photos" / f"{i}.png")
    # Adam's first steps are as long as the learning rate whatever the gradient is: that of the recipe, which is meant
    # for 100,000 steps, would lead three of them away from the principal components where the network begins.
    options = ("steps=3", "batch_size=2", "crop=32", "seed=7", "lr=2e-4")
    overrides = (*options, *(f"{key}={value}" for key, value in SMALL.items()))
    report = train("cnn-ae", tmp_path / "photos", tmp_path / "m", overrides=overrides)
    assert report.steps == 3
    codec = CnnAe(Model.load(tmp_path / "m"))
    assert codec.model.training["seed"] == 7
    assert decoded_mse(codec, waves(1, 96), 100) < 1e-3
