"""The key `prior`: what latents are taken to know of each other while their bits are estimated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.learned.training import crops, figures_of, learner_of
from tilepress.jobs.recipes.networks.priors import PRIORS
from tilepress.jobs.recipes.recipe import load_plan
from tilepress.pipeline.errors import UsageError

STEP = 0.125


def latents(seed: int) -> torch.Tensor:
    """Whole steps (2, 3, 24, 24): of a channel that varies slowly, one that is noise, one that is hardly ever alive."""
    random = np.random.default_rng(seed)
    slow = np.cumsum(random.normal(0, 0.1, (2, 24, 24)), axis=2)
    noise, sparse = random.laplace(0.3, 0.4, (2, 24, 24)), random.normal(0, 1, (2, 24, 24))
    z = np.stack([slow, noise, sparse * (random.random((2, 24, 24)) < 0.02)], axis=1)
    return torch.from_numpy(np.rint(z / STEP) * STEP).float()


def entropy(z: torch.Tensor) -> float:
    """Bits of the symbols of z, each channel by itself."""
    total = 0.0
    for channel in z.transpose(0, 1).flatten(1):
        counts = torch.unique(channel, return_counts=True)[1].double()
        total -= float((counts * torch.log2(counts / counts.sum())).sum())
    return total


def test_a_factorised_prior_estimates_the_entropy_of_each_channel_and_contexts_spend_less() -> None:
    seen, width = latents(1), torch.full((2, 1, 1, 1), STEP)
    factorized, context = (kind(3) for kind in (PRIORS["factorized"], PRIORS["context"]))
    for rate in (factorized, context):
        rate.begin(seen)
    bits = float(factorized(seen, width).detach().sum())
    assert 0.97 * entropy(seen) < bits < 1.15 * entropy(seen)
    optimiser = torch.optim.Adam(context.parameters(), lr=1e-2)
    for _ in range(30):
        optimiser.zero_grad()
        torch.autograd.backward(context(seen, width).sum())
        optimiser.step()
    assert float(context(seen, width).detach().sum()) < 0.95 * bits


@pytest.mark.parametrize(
    "family", ["cnn-ae", *(pytest.param(each, marks=pytest.mark.slow) for each in ("cae", "cnn-rnn-ae"))]
)
def test_networks_learn_what_a_factorised_prior_tells_of_their_bits(family: str) -> None:
    learner, seen = learner_of(family, {"prior": "factorized"}, lr=3e-4), torch.from_numpy(crops(8, seed=20))
    before = figures_of(learner, seen.numpy())
    for step in range(20):
        learner.learn(seen, step, step / 20)
    after = figures_of(learner, seen.numpy())
    assert after["loss"] < before["loss"]
    assert after["bpp"] < before["bpp"] < 3 * figures_of(learner_of(family, {}), seen.numpy())["bpp"]


@pytest.mark.parametrize("family", ["cae", "cnn-ae", "cnn-rnn-ae", "gan"])
def test_a_prior_that_there_is_not_is_refused(family: str) -> None:
    with pytest.raises(UsageError, match=r"model\.prior must be one of context, factorized"):
        load_plan(family, ["prior=none"])


def test_a_family_whose_density_is_factorised_says_so() -> None:
    with pytest.raises(UsageError, match="always estimated by a factorised density"):
        load_plan("gdn-factorized", ["prior=context"])
