"""The optimisers that a recipe may name (`optimiser`), with the settings that no recipe changes.

Workers that train together see the same gradients (DistributedDataParallel means them), and so keep the same state.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Parameters = list[torch.nn.Parameter]
_MOMENTUM = 0.9  # of sgd


def optimiser_of(parameters: Parameters, name: str, lr: float) -> torch.optim.Optimizer:
    """Return the optimiser of a name of OPTIMISERS (jobs/recipes/options.py) for parameters, at a learning rate."""
    return _MAKERS[name](parameters, lr)


def _adam(parameters: Parameters, lr: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=lr)


def _sgd(parameters: Parameters, lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=lr, momentum=_MOMENTUM)


def _soap(parameters: Parameters, lr: float) -> torch.optim.Optimizer:
    """Return SOAP (Vyas et al. 2024): Adam in the eigenbasis of Shampoo's preconditioner, renewed every 10 steps.

    The first step only begins the preconditioner; biases and other vectors are treated as by Adam. Weights do not
    decay, as they do not under the other optimisers.
    """
    from pytorch_optimizer import SOAP  # takes half a second to import

    optimiser: torch.optim.Optimizer = SOAP(parameters, lr=lr, weight_decay=0.0)
    optimiser.register_step_post_hook(_lay_out)
    return optimiser


def _lay_out(optimiser: torch.optim.Optimizer, *_: object) -> None:
    """Make eigenbases contiguous, as checkpoints hold them: products may round differently in another."""
    for state in optimiser.state.values():
        state["Q"] = [torch.as_tensor(basis).contiguous() for basis in state["Q"]]  # [] where a side has none


_MAKERS: dict[str, Callable[[Parameters, float], torch.optim.Optimizer]] = {"adam": _adam, "sgd": _sgd, "soap": _soap}
