"""Restricted Boltzmann machines, trained layer by layer with contrastive divergence (Hinton 2002; CD-1).

Units are logistic. Visible units are probabilities, never drawn: pixels for the first machine, what the machine below
expects of its hidden units for the others (Hinton and Salakhutdinov, Science 313, 2006). Hidden units are drawn once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

_BATCH, _AT_ONCE = 100, 1 << 12
_RATE = 0.1
_MOMENTUM, _MOMENTUM_AT_FIRST, _FIRST_EPOCHS = 0.9, 0.5, 5
_DECAY = 0.0002  # of weights, a step and unit of the learning rate
_DEVIATION = 0.1  # of the first weights


@dataclass
class Machine:
    """One machine: `weight` (hidden, visible), biases `hidden` (hidden,) and `visible` (visible,), float32."""

    weight: torch.Tensor
    hidden: torch.Tensor
    visible: torch.Tensor

    @classmethod
    def begin(cls, visible: int, hidden: int, generator: torch.Generator) -> Machine:
        """Return a machine with small random weights, and biases 0."""
        weight = _DEVIATION * torch.randn(hidden, visible, generator=generator)
        return cls(weight, torch.zeros(hidden), torch.zeros(visible))

    def to(self, device: torch.device) -> Machine:
        """Return the machine on a device."""
        return Machine(*(part.to(device) for part in vars(self).values()))

    def up(self, visible: torch.Tensor) -> torch.Tensor:
        """Return the probabilities (n, hidden) of hidden units."""
        return torch.sigmoid(torch.addmm(self.hidden, visible, self.weight.T))

    def down(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the probabilities (n, visible) of visible units."""
        return torch.sigmoid(torch.addmm(self.visible, hidden, self.weight))


def pretrain(data: torch.Tensor, sizes: Sequence[int], epochs: int, seed: int) -> list[Machine]:
    """Return a machine for each of `sizes`, trained on what the one below makes of the data.

    Args:
        data: Blocks, float32 (m, N) in [0, 1].
        sizes: Hidden units of each machine.
        epochs: Passes over the data, for each machine.
        seed: Of weights, order and drawn units.
    """
    generator = torch.Generator().manual_seed(seed)
    machines = []
    for size in sizes:
        machine = Machine.begin(data.shape[1], size, generator).to(data.device)
        _train(machine, data, epochs, generator)
        machines.append(machine)
        data = torch.cat([machine.up(part) for part in torch.split(data, _AT_ONCE)])
    return machines


def _train(machine: Machine, data: torch.Tensor, epochs: int, generator: torch.Generator) -> None:
    speed = [torch.zeros_like(part) for part in vars(machine).values()]
    for epoch in range(epochs):
        momentum = _MOMENTUM_AT_FIRST if epoch < _FIRST_EPOCHS else _MOMENTUM
        for chosen in torch.split(torch.randperm(len(data), generator=generator), _BATCH):
            _step(machine, data[chosen], speed, momentum, generator)


def _step(
    machine: Machine, visible: torch.Tensor, speed: list[torch.Tensor], momentum: float, generator: torch.Generator
) -> None:
    """Move a machine by one batch: what the data says, less what the machine makes of it in one step."""
    hidden = machine.up(visible)
    drawn = torch.bernoulli(hidden.cpu(), generator=generator).to(hidden.device)  # as on the processor, everywhere
    seen = machine.down(drawn)
    again = machine.up(seen)
    weight = torch.addmm(hidden.T @ visible, again.T, seen, alpha=-1) / len(visible) - _DECAY * machine.weight
    slopes = (weight, (hidden - again).mean(dim=0), (visible - seen).mean(dim=0))
    for part, moving, slope in zip(vars(machine).values(), speed, slopes, strict=True):
        moving.mul_(momentum).add_(slope, alpha=_RATE)
        part.add_(moving)
