"""Training gan and gan-ae: where they begin, what a critic changes, what is exported, what is published."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.learned.training import SLIM, crops, exported, figures_of
from tests.support.photo_like import psnr
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.adversarial.codec import GanAe
from tilepress.codecs.registry import load_codec
from tilepress.jobs.recipes.adversarial.network import TwoDecoders
from tilepress.jobs.recipes.networks.linear import convolutions
from tilepress.jobs.recipes.networks.normalised import folded
from tilepress.jobs.recipes.networks.pictures import moved
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import TrainingPlan, load_plan
from tilepress.jobs.training.learner import Learner
from tilepress.pipeline.errors import UsageError

FAMILIES = ["gan", "gan-ae"]
BLOCK = TileSpec(32, 32, 3, "uint8", 8, "rgb")


def learner_of(family: str, steps: int = 0, **model: object) -> Learner:
    plan = TrainingPlan("test", family, Options(crop=32, seed=3), {**SLIM[family], **model, "default_level": 1})
    learner = Learner(plan)
    learner.initialise(crops(24))
    for step in range(steps):
        learner.learn(torch.from_numpy(crops(4, seed=step)), step, 0.0)
    return learner


def test_gan_begins_as_means_that_are_repeated_and_its_encoder_never_changes() -> None:
    learner, tiles = learner_of("gan", quantisation_steps=[2, 1]), crops(8)
    means = tiles.reshape(8, 8, 4, 8, 4, 3).mean(axis=(2, 4), keepdims=True)
    wanted = np.mean((tiles.reshape(8, 8, 4, 8, 4, 3) - means) ** 2) / 255**2
    figures = figures_of(learner, tiles)
    assert figures["mse"] == pytest.approx(wanted, rel=0.02)
    assert figures["view_mse"] == pytest.approx(figures["mse"], rel=1e-6)
    before = learner.tensors()
    for step in range(3):
        learner.learn(torch.from_numpy(tiles), step, 0.0)
    after = learner.tensors()
    kept = {name for name in before if torch.equal(before[name], after[name])}
    assert kept == {"network.base.analysis.1.weight", "network.base.analysis.1.bias"}


def test_gan_begins_as_repeated_means_where_they_are_normalised_too() -> None:
    tiles = crops(24)
    norms = ["conv 12 3", "norm", "relu", "conv 48 3", "shuffle 4"]
    plain = [name for name in norms if name != "norm"]
    wanted, learner = (learner_of("gan", synthesis=each, quantisation_steps=[2, 1]) for each in (plain, norms))
    begun = learner.learn(torch.from_numpy(tiles), 0, 0.0)  # as a batch normalises it
    assert begun["mse"] == pytest.approx(figures_of(wanted, tiles)["mse"], rel=0.05)


def test_gan_ae_begins_with_two_decoders_that_are_one_and_a_critic_parts_them() -> None:
    learner, tiles = learner_of("gan-ae"), crops(8)
    figures = figures_of(learner, tiles)
    assert figures["view_mse"] == pytest.approx(figures["mse"], rel=1e-6)
    for step in range(4):
        learner.learn(torch.from_numpy(tiles), step, 0.0)
    assert figures_of(learner, tiles)["view_mse"] != pytest.approx(figures["mse"], rel=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("coder", ["entropy", "fixed"])
def test_what_is_exported_decodes_as_both_decoders_did(family: str, coder: str) -> None:
    fixed = {"coder": "fixed", "bits": 8, "quantisation_steps": [2, 1], "told": False} if coder == "fixed" else {}
    learner, tiles = learner_of(family, margin=0, **fixed), crops(12, seed=5)
    assert isinstance(learner.network, TwoDecoders)
    bias = convolutions(learner.network.adversarial)[-1].bias
    assert bias is not None
    bias.data += 0.02
    codec = load_codec(family, exported(learner, list(tiles)))
    assert isinstance(codec, GanAe)
    figures, middle = figures_of(learner, tiles), Settings(quality=100 // len(codec.levels) + 2)
    streams = codec.encode(tiles, BLOCK, middle)
    for decoder, name in ((codec, "mse"), (codec.view("adversarial"), "view_mse")):
        gained = psnr(decoder.decode(streams, BLOCK), tiles) + 10 * np.log10(figures[name])
        assert -0.3 < gained < 0.7  # of several exports the best is taken, and rounding may make up for that bias
    if coder == "fixed":
        assert {len(codec.encode(tile[None], BLOCK, middle)[0]) for tile in tiles} == {len(streams[0])}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan-published", "gan-ae-published"])
def test_the_published_configurations_store_192_bytes_and_export_exactly(name: str) -> None:
    learner = Learner(load_plan(name, ["batch_size=2"]))
    learner.initialise(crops(4))
    learner.learn(torch.from_numpy(crops(2)), 0, 0.0)
    codec = load_codec(name.removesuffix("-published"), exported(learner, list(crops(3, seed=5))))
    assert isinstance(codec, GanAe)
    assert codec.shapes(BLOCK) == {"latents": (1, 8, 8, 3)} and codec.config.coder == "fixed"
    (stream,) = codec.encode(crops(1), BLOCK)
    assert codec.view("adversarial").decode([stream], BLOCK).shape == (1, *BLOCK.shape)


def test_moved_crops_are_mirrored_where_nothing_is() -> None:
    crops = torch.arange(8 * 9 * 2).reshape(1, 8, 9, 2)
    mirrored = torch.from_numpy(np.pad(crops.numpy(), [(0, 0), (2, 2), (2, 2), (0, 0)], mode="reflect"))
    places = {(y, x): mirrored[:, y : y + 8, x : x + 9] for y in range(5) for x in range(5)}
    results = [moved(crops, 2) for _ in range(40)]
    seen = [at for found in results for at, each in places.items() if torch.equal(each, found)]
    assert len(seen) == 40 and len(set(seen)) > 5
    assert torch.equal(moved(crops, 0), crops)


def test_normalisation_is_folded_into_the_convolution_before_it() -> None:
    learner = learner_of("gan-ae", 2, synthesis=["conv 12 3", "norm", "relu", "conv 48 3", "shuffle 4"])
    with learner.exported() as network, torch.no_grad():
        assert isinstance(network, TwoDecoders)
        inputs = torch.randn(2, network.base.shape.synthesis.operations[0].inputs, 5, 4)
        torch.testing.assert_close(folded(network.adversarial)(inputs), network.adversarial(inputs))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "model",
    [{"game": "chess"}, {"distortion": "l3"}, {"coder": "none"}, {"coder": "fixed"}, {"adversarial": -1.0},
     {"distortion_weight": -1.0}, {"shift": 4}, {"synthesis": ["norm", "conv 3 3"]}, {"analysis": ["pool"]}],
)  # fmt: skip
def test_a_configuration_that_cannot_be_trained_is_refused_at_once(family: str, model: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        TrainingPlan("test", family, Options(crop=32), {**SLIM[family], **model}).recipe()
