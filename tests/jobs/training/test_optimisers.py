"""The optimisers of a recipe: each learns, and goes on from a checkpoint as if it had not been stopped."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch

import tilepress
from tests.support.learned.training import crops
from tilepress.errors import UsageError
from tilepress.jobs.recipes.options import OPTIMISERS, Options
from tilepress.jobs.recipes.recipe import TrainingPlan
from tilepress.jobs.training.learner import Learner
from tilepress.jobs.training.optimisers import optimiser_of

STOP, END = 13, 24  # SOAP renews its eigenbases in steps 10 and 20
KEPT = {"adam": "weight.exp_avg", "sgd": "weight.momentum_buffer", "soap": "weight.Q.1"}


def learner_of(optimiser: str) -> Learner:
    return Learner(TrainingPlan("test", "test-tiny", Options(crop=32, seed=3, lr=0.01, optimiser=optimiser)))


def learned(learner: Learner, steps: range) -> dict[str, torch.Tensor]:
    """What is learned after some more steps."""
    for step in steps:
        learner.learn(torch.from_numpy(crops(4, seed=step)), step, 0.0)
    return learner.tensors()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_it_goes_on_from_a_checkpoint_bit_by_bit(name: str) -> None:
    checkpoint = safetensors.torch.save(learned(learner_of(name), range(STOP)))
    whole, later = learner_of(name), learner_of(name)
    later.restore(safetensors.torch.load(checkpoint))
    wanted, found = learned(whole, range(END)), learned(later, range(STOP, END))
    assert wanted.keys() == found.keys() and f"{name}.synthesis.{KEPT[name]}" in wanted
    assert all(torch.equal(wanted[key], found[key]) for key in wanted)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_it_lowers_the_loss_of_what_it_sees(name: str) -> None:
    learner, seen = learner_of(name), torch.from_numpy(crops(4))
    losses = [learner.learn(seen, step, 0.0)["loss"] for step in range(30)]
    assert losses[-1] < 0.7 * losses[0]


def test_the_first_step_of_soap_leaves_the_weights() -> None:
    """It has yet to see in which basis to take steps."""
    learner = learner_of("soap")
    before = learner.tensors()
    after = learned(learner, range(1))
    weights = [name for name in before if name.startswith("network.")]
    assert weights and all(torch.equal(before[name], after[name]) for name in weights)


def test_bases_of_soap_lie_in_memory_as_a_checkpoint_holds_them() -> None:
    """Products with transposed matrices may round differently, and the training would depend on where it stopped."""
    network = torch.nn.Linear(7, 5)
    optimiser = optimiser_of(list(network.parameters()), "soap", 0.01)
    for seed in range(END):
        torch.manual_seed(seed)
        optimiser.zero_grad()
        network(torch.randn(4, 7)).square().sum().backward()
        optimiser.step()
    bases = optimiser.state[network.weight]["Q"]
    assert [tuple(basis.shape) for basis in bases] == [(5, 5), (7, 7)]
    assert all(basis.is_contiguous() for basis in bases)


def test_gradients_without_eigenvectors_say_that_the_training_diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of infinite gradients are, of most sizes."""

    def eigh(matrix: torch.Tensor) -> None:
        raise torch.linalg.LinAlgError("the algorithm failed to converge")

    monkeypatch.setattr(torch.linalg, "eigh", eigh)
    with pytest.raises(UsageError, match=r"training diverged: lower lr=.* failed to converge"):
        learner_of("soap").learn(torch.from_numpy(crops(4)), 0, 0.0)


def test_another_one_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(UsageError, match="optimiser must be adam or sgd or soap, not 'lion'"):
        Options(optimiser="lion")


def test_weights_that_no_integers_stand_for_end_a_training_with_what_helps(photos, tmp_path):
    keys = ["steps=30", "batch_size=4", "crop=16", "channels=8", "layers=2", "lr=1e3", "clip=0.0"]
    with pytest.raises(UsageError, match=r"cannot be exported: .* diverged; lower lr=, or set clip=1\.0"):
        tilepress.train("jpeg-dncnn", data=photos, out=tmp_path / "m", overrides=keys, engine="local")
