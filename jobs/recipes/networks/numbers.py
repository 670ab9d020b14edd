"""The numbers of a recipe as tensors on the device where it is trained."""

from __future__ import annotations

from functools import cache

import torch


@cache
def numbers(values: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """Return float32 (n,) of numbers, for nobody to write to.

    They are copied to a device once: a copy in every step would wait until the device has done the step before.
    """
    return torch.tensor(values, dtype=torch.float32, device=device)
