"""The state of an optimiser as named tensors, for checkpoints, and back.

PREFIX.PARAMETER.KEY            a tensor that is remembered of a parameter
PREFIX.PARAMETER.KEY.NUMBER     one of a list of tensors, of which some may be empty
PREFIX.PARAMETER.KEY.value      a number
PREFIX.step                     steps taken, where an optimiser counts them for all parameters together
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

_STEP, _VALUE = "step", "value"
_NUMBERS = {int: torch.int64, float: torch.float64}
Tensors = Mapping[str, torch.Tensor]


def state_tensors(optimiser: torch.optim.Optimizer, network: torch.nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    """Return what an optimiser remembers of the parameters of a network, by the names that the module lists."""
    tensors = {
        f"{prefix}.{name}.{part}": tensor
        for name, parameter in network.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
        for part, tensor in _parts(key, value)
    }
    if steps := optimiser.param_groups[0].get(_STEP):
        tensors[f"{prefix}.{_STEP}"] = torch.tensor(steps)
    return tensors


def restore_state(optimiser: torch.optim.Optimizer, network: torch.nn.Module, prefix: str, tensors: Tensors) -> None:
    """Let an optimiser remember what `state_tensors` returned, on the device of each parameter; steps stay where
    they are, as torch keeps them."""
    for name, parameter in network.named_parameters():
        parts = under(tensors, f"{prefix}.{name}.")
        if parts:
            optimiser.state[parameter] = _joined(parts, parameter.detach())
    if f"{prefix}.{_STEP}" in tensors:
        for group in optimiser.param_groups:
            group[_STEP] = int(tensors[f"{prefix}.{_STEP}"])


def under(tensors: Tensors, prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _parts(key: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield a value of a state as tensors with their names. Anything but a tensor, a list of them or a number is none:
    optimisers of torch keep None where a setting needs nothing to be remembered."""
    if isinstance(value, torch.Tensor):
        yield key, value
    elif isinstance(value, list):
        for number, tensor in enumerate(value):
            yield f"{key}.{number}", torch.as_tensor(tensor)
    elif type(value) in _NUMBERS:
        yield f"{key}.{_VALUE}", torch.tensor(value, dtype=_NUMBERS[type(value)])


def _joined(parts: Tensors, parameter: torch.Tensor) -> dict[str, Any]:
    """Return the state of a parameter, of the parts that `_parts` made of it, in any order.

    Where a tensor has the parameter's shape, it lies in memory as that does: as the optimiser made it.
    """
    state: dict[str, Any] = {}
    for name in sorted(parts, key=_place):
        key, _, part = name.partition(".")
        value = parts[name] if key == _STEP else parts[name].to(parameter.device)
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        if part == _VALUE:
            state[key] = value.item()
        elif part:
            state.setdefault(key, []).append(value)
        else:
            state[key] = value
    return state


def _place(name: str) -> tuple[str, int]:
    """Return where a part comes among the others: lists in the order of their numbers."""
    key, _, part = name.partition(".")
    return key, int(part) if part.isdecimal() else 0
