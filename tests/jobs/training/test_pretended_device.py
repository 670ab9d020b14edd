"""The pretended device finds what CUDA refuses, allows what CUDA allows, and computes as the processor does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.pretended_device import DEVICE, pretended_device

Work = Callable[[torch.Tensor, torch.Tensor], object]  # of a tensor of the device and one of the processor, 3 x 3


@pytest.fixture(autouse=True)
def waits() -> Iterator[list[str]]:
    with pretended_device() as found:
        yield found


def both() -> tuple[torch.Tensor, torch.Tensor]:
    there = torch.arange(9.0).reshape(3, 3)
    return there.to(DEVICE), there.clone()


MIXED: dict[str, Work] = {
    "a sum": lambda x, y: x + y,
    "a sum, the processor's first": lambda x, y: y + x,
    "a product": lambda x, y: x @ y,
    "concatenation": lambda x, y: torch.cat([x, y]),
    "a stack of numbers": lambda x, y: torch.stack([x[0, 0], y[0, 0]]),
    "a choice": lambda x, y: torch.where(x > 1, x, y),
    "indices of the device": lambda x, y: y[x[0].long()],
    "values that are put": lambda x, y: x.index_put_((torch.tensor([0]).to(DEVICE),), y[:1]),
    "a layer": lambda x, y: nn.Linear(3, 3)(x),
    "a loss": lambda x, y: nn.functional.mse_loss(x, y),
    "writing to the processor": lambda x, y: y[0, 0].add_(x[0, 0]),
    "a step in place": lambda x, y: x.lerp_(y, 0.5),
    "a result that is there": lambda x, y: torch.add(x, x, out=y),
    "a generator": lambda x, y: torch.rand(3, device=DEVICE, generator=torch.Generator()),
}
ALLOWED: dict[str, Work] = {
    "a number in a sum": lambda x, y: x * y[1, 2] + y[0, 1],
    "a number in a choice": lambda x, y: torch.where(x > 1, x, y[1, 1]),
    "a number that fills": lambda x, y: x.masked_fill(x > 2, y[0, 1]),
    "a number that is assigned": lambda x, y: x.__setitem__(0, y[2, 2]),
    "indices of the processor": lambda x, y: x[y[0].long()],
    "copies": lambda x, y: (x.copy_(y), y.copy_(x), x.__setitem__(0, y[0])),
}


@pytest.mark.parametrize("work", MIXED.values(), ids=MIXED)
def test_tensors_of_both_places_together_are_refused(work: Work) -> None:
    with pytest.raises(RuntimeError, match=r"same device|generator"):
        work(*both())


@pytest.mark.parametrize("work", ALLOWED.values(), ids=ALLOWED)
def test_numbers_and_indices_of_the_processor_are_taken(work: Work) -> None:
    work(*both())


def test_arrays_come_from_the_processor_alone() -> None:
    there, _ = both()
    for array in (lambda: there.numpy(), lambda: np.asarray(there), lambda: there.detach().numpy()):
        with pytest.raises(TypeError, match=r"Tensor\.cpu\(\)"):
            array()
    assert there.cpu().numpy().tolist() == there.tolist() == np.arange(9).reshape(3, 3).tolist()


MADE: list[Callable[[str], torch.Tensor]] = [
    lambda device: torch.zeros(3, 4, device=device),
    lambda device: torch.arange(1, 5.5, 0.5, device=device),
    lambda device: torch.eye(3, 4, device=device),
    lambda device: torch.rand(3, device=device),
    lambda device: torch.randn(2, 2, device=device).to(torch.bfloat16),
    lambda device: torch.randint(0, 9, (3,), device=device),
    lambda device: torch.randperm(9, device=device),
    lambda device: torch.tensor([[1, 2.5]], device=device),
    lambda device: torch.as_tensor(np.arange(4), device=device),
    lambda device: torch.rand_like(torch.ones(3, device=device)),
    lambda device: torch.ones(3, device=device, dtype=torch.int16).new_tensor([1, 2], dtype=torch.int64),
    lambda device: torch.empty(2, 3, 4, 4, device=device, memory_format=torch.channels_last).fill_(2),
]


@pytest.mark.parametrize("made", MADE)
def test_what_is_made_there_is_what_the_processor_makes(made: Callable[[str], torch.Tensor]) -> None:
    torch.manual_seed(1)
    wanted = made("cpu")
    torch.manual_seed(1)
    found = made(DEVICE)
    assert found.device == torch.device(DEVICE) and found.dtype == wanted.dtype and found.stride() == wanted.stride()
    assert torch.equal(found.cpu(), wanted)


def learned(network: nn.Module, device: str) -> list[float]:
    """Losses of some steps: forwards, backwards, in place, in views, by an optimiser made before the network moved."""
    parameters = list(network.parameters())
    optimiser = torch.optim.Adam(parameters, 1e-2)
    network.to(device).to(memory_format=torch.channels_last)
    assert all(a is b for a, b in zip(parameters, network.parameters(), strict=True))
    pictures, losses = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(1)).to(device), []
    for _ in range(3):
        pictures[:, 0] = pictures[:, 0].flip(1)
        loss = network(pictures).square().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        losses.append(loss.detach())
    return [float(loss) for loss in losses]


def test_networks_learn_there_as_they_do_here(waits: list[str]) -> None:
    here = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3), nn.PixelShuffle(2))
    there = copy.deepcopy(here)
    assert learned(here, "cpu") == learned(there, DEVICE)
    assert waits[-3:] == 3 * ["aten._local_scalar_dense.default"]
    state = {name: value.cpu() for name, value in there.state_dict().items()}
    assert all(torch.equal(state[name], value) for name, value in here.state_dict().items())
    there.load_state_dict(state)
    assert {parameter.device.type for parameter in there.cpu().parameters()} == {"cpu"}


def test_waiting_for_the_device_is_counted(waits: list[str]) -> None:
    there, here = both()
    waits.clear()
    for quiet in (there + 1, there[0], there[there[0].long()], there.to(torch.float64), there.mean()):
        assert quiet.device == torch.device(DEVICE)
    here.to(DEVICE, non_blocking=True)
    assert waits == []
    for count, wait in enumerate(
        (
            lambda: there.cpu(),
            lambda: here.to(DEVICE),
            lambda: torch.tensor([1.0, 2.0], device=DEVICE),
            lambda: float(there[0, 0]),
            lambda: there.nonzero(),
            lambda: there[there > 1],
            lambda: torch.equal(there, there),
            lambda: there.copy_(here),
        ),
        start=1,
    ):
        wait()
        assert len(waits) == count
