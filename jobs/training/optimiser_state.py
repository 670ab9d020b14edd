"""The state of an optimiser as named tensors, for checkpoints: PREFIX.PARAMETER.KEY."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def state_tensors(optimiser: torch.optim.Optimizer, network: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    """Return what an optimiser remembers of the parameters of a network; all of it is tensors."""
    return {
        f"{prefix}.{name}.{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
        if isinstance(value, torch.Tensor)
    }


def restore_state(
    optimiser: torch.optim.Optimizer, network: torch.nn.Module, prefix: str, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Let an optimiser remember what `state_tensors` returned, on the device of each parameter; steps stay where
    they are, as torch keeps them."""
    for name, parameter in network.named_parameters():
        state = under(tensors, f"{prefix}.{name}.")
        if state:
            moved = {key: value if key == "step" else value.to(parameter.device) for key, value in state.items()}
            optimiser.state[parameter] = moved


def under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
