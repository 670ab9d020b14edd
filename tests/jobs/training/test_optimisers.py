"""The optimisers of a recipe: each goes on from a checkpoint as if it had not been stopped."""

from __future__ import annotations

import pytest
import torch

from tests.support.learned.training import crops
from tilepress.errors import UsageError
from tilepress.jobs.recipes.recipe import Options, TrainingPlan
from tilepress.jobs.training.learner import Learner


def learned(learner: Learner, steps: range) -> dict[str, torch.Tensor]:
    """What is learned after some more steps."""
    for step in steps:
        learner.learn(torch.from_numpy(crops(4, seed=step)), step, 0.0)
    return learner.tensors()


@pytest.mark.parametrize(("name", "kept"), [("adam", "exp_avg"), ("sgd", "momentum_buffer")])
def test_it_goes_on_from_its_tensors_bit_by_bit(name: str, kept: str) -> None:
    plan = TrainingPlan("test", "test-tiny", Options(crop=32, seed=3, lr=0.01, optimiser=name))
    whole, later = Learner(plan), Learner(plan)
    later.restore(learned(Learner(plan), range(3)))
    wanted, found = learned(whole, range(6)), learned(later, range(3, 6))
    assert wanted.keys() == found.keys() and f"{name}.synthesis.weight.{kept}" in wanted
    assert all(torch.equal(wanted[key], found[key]) for key in wanted)


def test_another_one_is_refused() -> None:
    with pytest.raises(UsageError, match="optimiser must be adam or sgd"):
        Options(optimiser="soap")
