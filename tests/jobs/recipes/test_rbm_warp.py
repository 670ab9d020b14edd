"""Blocks that rbm-autoencoder moves and bends in training, and what errors cost it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.jobs.recipes.test_rbm import BLOCKS, CROPS, SIDE, begun, mse, recipe
from tilepress.jobs.recipes.rbm.warp import Warp
from tilepress.jobs.recipes.recipe import load_plan
from tilepress.pipeline.errors import UsageError

LARGE, CONTROL = 28, 9  # side of a block, of which sample 9 is a control point


def warped(blocks: torch.Tensor, shifts: int, bend: float, seed: int = 1) -> torch.Tensor:
    torch.manual_seed(seed)
    return Warp(shifts, bend)(blocks)


def error_after_few(**changes: Any) -> float:
    """The error on 300 other blocks after a training on 30, of a network that could know them by heart."""
    chosen = recipe(layers=[48, 24], **changes)
    network = begun(chosen)
    optimiser = torch.optim.Adam(network.train().parameters(), lr=3e-3)
    for _ in range(150):
        optimiser.zero_grad()
        chosen.loss(network, CROPS[:30]).total.backward()
        optimiser.step()
    return mse(chosen, network)


def test_without_being_asked_nothing_is_changed() -> None:
    assert warped(BLOCKS, 0, 0.0) is BLOCKS


def test_blocks_are_shifted_by_whole_samples_in_every_direction() -> None:
    dot = torch.zeros(200, SIDE, SIDE)
    dot[:, 4, 4] = 0.75
    moved = warped(dot.reshape(200, 1, 1, -1), 2, 0.0).reshape(200, SIDE, SIDE)
    torch.testing.assert_close(moved.amax(dim=(1, 2)), torch.full((200,), 0.75), atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.sum(dim=(1, 2)), torch.full((200,), 0.75), atol=1e-3, rtol=0)
    places = {divmod(int(place), SIDE) for place in moved.flatten(1).argmax(dim=1)}
    assert places == {(y, x) for y in range(2, 7) for x in range(2, 7)}


def test_control_points_move_by_the_deviation_that_was_asked_for() -> None:
    """A ramp shows by its samples where they come from."""
    ramp = torch.arange(LARGE).expand(2000, LARGE, LARGE).reshape(2000, -1) / LARGE
    moves = LARGE * (warped(ramp, 0, 0.6) - ramp).reshape(2000, LARGE, LARGE)[:, CONTROL]
    assert abs(float(moves[:, CONTROL].mean())) < 0.05
    assert float(moves[:, CONTROL].std()) == pytest.approx(0.6, rel=0.1)
    assert float((moves[:, CONTROL + 1] - moves[:, CONTROL]).std()) < 0.1  # neighbours move alike


def test_a_training_that_is_repeated_sees_the_same_blocks() -> None:
    blocks = BLOCKS[:5]
    assert torch.equal(warped(blocks, 1, 0.5), warped(blocks, 1, 0.5))
    assert not torch.equal(warped(blocks, 1, 0.5), warped(blocks, 1, 0.5, seed=2))
    assert warped(blocks, 1, 0.5).min() >= 0 and warped(blocks, 1, 0.5).max() <= 1


def test_blocks_are_left_alone_where_a_network_is_only_evaluated() -> None:
    plain, moving = recipe(), recipe(shifts=2, warp=1.0)
    network = begun(plain)
    assert mse(plain, network) == mse(moving, network)
    network.train()
    with torch.no_grad():
        losses = [float(each.loss(network, CROPS[:50]).figures["mse"]) for each in (plain, moving)]
    assert losses[0] != losses[1]


def test_warped_blocks_teach_a_network_what_few_blocks_do_not() -> None:
    alone = error_after_few()
    assert error_after_few(warp=0.3) < 0.6 * alone
    assert error_after_few(shifts=1) < 0.6 * alone


def test_squared_errors_cost_what_is_measured() -> None:
    assert error_after_few(error="squared") < 0.7 * error_after_few()
    chosen = recipe(error="squared")
    network = begun(chosen).eval()
    with torch.no_grad():
        loss = chosen.loss(network, CROPS[:50])
    assert float(loss.total) == pytest.approx(float(loss.figures["mse"]) * SIDE**2 * (255 / 256) ** 2, rel=1e-5)


@pytest.mark.parametrize("override", ["error=absolute", "shifts=-1", "warp=-0.5", "shifts=0.5"])
def test_settings_that_make_no_sense_are_usage_errors(override: str) -> None:
    with pytest.raises(UsageError):
        load_plan("rbm-autoencoder", [override])
