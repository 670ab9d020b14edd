"""Adversarial steps: what critic and network do to each other, and that a training goes on with both as it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.support.learned.training import crops
from tilepress.jobs.recipes.networks.critic import GAMES, Adversary, normalised_critic, plain_critic
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import Loss, TrainingPlan
from tilepress.jobs.training.learner import Learner
from tilepress.jobs.training.opponent import Opponent
from tilepress.pipeline.errors import IntegrityError

every_game = pytest.mark.parametrize("game", sorted(GAMES))


def learner_of(game: str) -> Learner:
    learner = Learner(TrainingPlan("test", "test-tiny", Options(crop=32, seed=3, lr=0.01, ema=0.9), {"game": game}))
    learner.initialise(crops(4))
    return learner


def learn(learner: Learner, steps: range) -> dict[str, float]:
    figures: dict[str, float] = {}
    for step in steps:
        figures = learner.learn(torch.from_numpy(crops(4, seed=step)), step, 0.0)
    return figures


@every_game
def test_a_training_that_goes_on_from_its_tensors_is_the_same_bit_by_bit(game: str) -> None:
    whole, begun, later = learner_of(game), learner_of(game), learner_of(game)
    learn(begun, range(3))
    later.restore(begun.tensors())
    assert learn(whole, range(6)) == learn(later, range(3, 6))
    wanted, found = whole.tensors(), later.tensors()
    assert wanted.keys() == found.keys() and any(name.startswith("critic.") for name in wanted)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_the_game_changes_what_the_network_learns_and_is_logged_but_not_validated() -> None:
    alone, against = learner_of(""), learner_of("dcgan")
    assert learn(alone, range(2)).keys() | {"deceived", "judged"} == learn(against, range(2)).keys()
    assert not torch.equal(alone.tensors()["network.synthesis.weight"], against.tensors()["network.synthesis.weight"])
    validated = against.validate(iter([torch.from_numpy(crops(2))]))
    assert validated["loss"] == validated["mse"] and "deceived" not in validated


def test_a_checkpoint_of_another_critic_is_refused() -> None:
    tensors = learner_of("dcgan").tensors()
    del tensors["critic.layers.0.weight"]
    with pytest.raises(IntegrityError, match="not one of this critic"):
        learner_of("dcgan").restore(tensors)


@every_game
@pytest.mark.parametrize("critic", [normalised_critic, plain_critic])
def test_a_critic_learns_to_tell_pictures_from_blurred_ones(game: str, critic: Callable[[], torch.nn.Module]) -> None:
    torch.manual_seed(1)
    network = critic()
    opponent = Opponent(Adversary(network, game, 1.0), torch.device("cpu"))
    for group in opponent._optimiser.param_groups:
        group["lr"] = 2e-3
    real = torch.from_numpy(np.random.default_rng(1).normal(0.5, 0.2, (8, 3, 32, 32)).astype(np.float32))
    loss = Loss(torch.zeros(()), {}, real, torch.nn.functional.avg_pool2d(real, 3, 1, 1))
    opponent.learn(opponent.judgement(loss))  # from here on weights are clipped
    first = float(opponent.judgement(loss).detach())
    for _ in range(30):
        opponent.learn(opponent.judgement(loss))
    assert float(opponent.judgement(loss).detach()) < first
    if GAMES[game].clip:
        assert max(float(weight.detach().abs().max()) for weight in network.parameters()) <= GAMES[game].clip
