"""Losses that all recipes of pictures share: what they measure, that networks learn by them, what is refused."""

from __future__ import annotations

import re

import pytest
import pytorch_msssim
import torch

from tests.support.learned.training import crops, figures_of, learner_of
from tilepress.jobs.recipes.networks.distortion import MEASURES, WEIGHTS, WeightedDistortion
from tilepress.jobs.recipes.networks.features import feature_distance
from tilepress.jobs.recipes.networks.pictures import pictures
from tilepress.jobs.recipes.networks.similarity import ms_ssim
from tilepress.jobs.recipes.recipe import load_plan
from tilepress.pipeline.errors import UsageError

MEASURED = ["block-dnn", "cae", "cnn-ae", "cnn-rnn-ae", "gdn-factorized"]
every_measure = pytest.mark.parametrize("measure", sorted(MEASURES))
SEEN = torch.from_numpy(crops(8, seed=20))


def pair(side: int, error: float = 0.05) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (3, 3, side, side), and what is left of them after errors as large as that."""
    torch.manual_seed(1)
    x = pictures(torch.from_numpy(crops(3, side)))
    return x + error * torch.randn_like(x), x


def test_ms_ssim_is_that_of_the_library() -> None:
    decoded, x = pair(176)
    wanted = pytorch_msssim.ms_ssim(decoded, x, data_range=1, size_average=False)
    torch.testing.assert_close(ms_ssim(decoded, x), wanted, rtol=0, atol=1e-5)


def test_ms_ssim_of_pictures_for_a_single_scale_is_ssim() -> None:
    decoded, x = pair(21)
    wanted = pytorch_msssim.ssim(decoded, x, data_range=1, size_average=False)
    torch.testing.assert_close(ms_ssim(decoded, x), wanted, rtol=0, atol=1e-4)
    with pytest.raises(UsageError, match="11 x 11"):
        ms_ssim(*pair(10))


def test_features_find_no_distance_where_nothing_changed_and_more_in_structure_than_in_brightness() -> None:
    _, x = pair(64)
    brighter = x + 0.03
    blurred = torch.nn.functional.avg_pool2d(x, 5, stride=1, padding=2, count_include_pad=False)
    alone, shifted, soft = (feature_distance(each, x) for each in (x, brighter, blurred))
    assert float(alone.abs().max()) < 1e-5
    assert float(shifted.max()) < 0.1 * float(soft.min())


def test_features_of_gray_pictures_are_those_of_colour_and_sizes_need_not_divide() -> None:
    decoded, x = (each[:, :1, :, :37] for each in pair(42))
    colour = [each.expand(-1, 3, -1, -1) for each in (decoded, x)]
    torch.testing.assert_close(feature_distance(decoded, x), feature_distance(*colour))
    with pytest.raises(UsageError, match="20 x 20 pixels: crops of 19"):
        feature_distance(decoded[..., :19], x[..., :19])


def test_the_distortion_of_a_recipe_that_says_nothing_is_squared_error_bit_by_bit() -> None:
    decoded, x = pair(32)
    several = torch.stack([decoded, x, decoded])
    assert torch.equal(WeightedDistortion(WEIGHTS)(decoded, x), (decoded - x).square().mean(dim=(1, 2, 3)))
    assert torch.equal(WeightedDistortion({"mse": 1.0})(several, x), (several - x).square().mean(dim=(2, 3, 4)))


@every_measure
def test_a_measure_is_as_large_as_squared_error_and_grows_with_it(measure: str) -> None:
    small, large = (WeightedDistortion({measure: 1.0})(*pair(64, error)).mean() for error in (0.02, 0.04))
    assert 0.2 * 0.02**2 < float(small) < 5 * 0.02**2
    assert 2 < float(large / small) < 6
    assert float(WeightedDistortion({measure: 2.0})(*pair(64)).sum()) == pytest.approx(
        2 * float(WeightedDistortion({measure: 1.0})(*pair(64)).sum())
    )


@pytest.mark.parametrize(
    ("family", "measure"),
    [
        pytest.param(family, measure, marks=[] if family == "cnn-ae" or measure == "features" else pytest.mark.slow)
        for family in MEASURED
        for measure in MEASURES
    ],
)
def test_a_network_learns_by_every_measure(family: str, measure: str) -> None:
    own = {"quantisation_steps": [8, 4, 2]} if family == "cnn-ae" else {}  # coarse steps jump
    learner = learner_of(family, {"measures": {measure: 1.0}, **own}, lr=1e-4)
    before = figures_of(learner, SEEN.numpy())
    for step in range(20):
        learner.learn(SEEN, step, step / 20)
    after = figures_of(learner, SEEN.numpy())
    assert after["loss"] < before["loss"]
    assert after.keys() == {"loss", "mse"} | ({"bpp"} if family != "block-dnn" else set())


@pytest.mark.parametrize("family", ["cnn-ae", "cnn-rnn-ae", "cae", "gdn-factorized"])
def test_a_decoder_learns_against_a_critic_while_the_encoder_stays(family: str) -> None:
    """And goes on bit by bit, with all of the losses."""
    own = {"measures": dict.fromkeys(MEASURES, 0.5), "adversarial": 0.1, "game": "dcgan", "freeze": "encoder"}
    learner, other = learner_of(family, own, ema=0.9), learner_of(family, own, ema=0.9)
    begun = learner.tensors()
    for step in range(4):
        figures = learner.learn(SEEN, step, 0.0)
        if step == 1:
            other.restore(learner.tensors())
    assert {"deceived", "judged"} <= figures.keys()
    for step in (2, 3):
        other.learn(SEEN, step, 0.0)
    ended, again = learner.tensors(), other.tensors()
    assert ended.keys() == again.keys() and all(torch.equal(ended[name], again[name]) for name in ended)
    encoder = ("network.analys", "network.downs", "network.heads")
    for name in begun:
        if name.startswith("network.") and name.endswith("weight"):
            assert torch.equal(begun[name], ended[name]) == name.startswith(encoder), name


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("measures={mse: -1}", "from 0 up"),
        ("measures={mse: 0}", "one above 0"),
        ("measures={ssim: 1}", "no key 'model.measures.ssim'. Did you mean ms_ssim"),
        ("measures=l1", "model.measures must be like"),
        ("measures={l1: much}", "model.measures.l1 must be like"),
        ("adversarial=-1", "model.adversarial must be at least 0"),
        ("game=chess", "one of wasserstein, dcgan"),
        ("freeze=decoder", "none or encoder"),
    ],
)
def test_losses_that_make_no_sense_are_refused_at_once(override: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_plan("cnn-ae", [override])


@pytest.mark.parametrize(
    ("recipe", "override", "said"),
    [
        ("pca", "measures={l1: 1}", "pca has no key measures: principal components are those of least squared error"),
        ("rbm-autoencoder", "measures={l1: 1}", "errors cost their cross-entropy"),
        ("block-dnn", "freeze=encoder", "block-dnn has no key freeze: its decoders are linear, and fitted by least"),
        ("block-dnn", "adversarial=1", "its decoders are linear"),
        ("predictive-mlp", "measures={l1: 1}", "fitted to each image as it is coded, for fewest bits, and it loses"),
        ("lossless", "measures={l1: 1}", "with `fit-lossless`, for fewest bits, and it loses"),
    ],
)
def test_families_without_such_losses_say_why(recipe: str, override: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        load_plan(recipe, [override])
