"""Networks over many pictures: a bounded number of pixels at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.integer.network import IntegerNetwork

if TYPE_CHECKING:
    import torch


def run_float(network: Callable[[torch.Tensor], torch.Tensor], x: np.ndarray, device: str, at_once: int) -> np.ndarray:
    """Return float32 (m, K, h, w) of a float network for pictures float32 (m, c, H, W), as it is outside autocast.

    `at_once`: pixels of the pictures that one pass may have.
    """
    import torch

    with torch.no_grad(), torch.autocast(torch.device(device).type, enabled=False):
        parts = [network(part.to(device)).cpu() for part in _batches(torch.from_numpy(x), 1, at_once)]
        out: np.ndarray = torch.cat(parts).numpy()
    return out


def run_integer(network: IntegerNetwork, x: torch.Tensor, pixels: int, at_once: int) -> np.ndarray:
    """Return int64 (m, c, H, W) of an integer network for integers (m, K, h, w). Exact, whatever `at_once`.

    `pixels`: of the pictures that come out, for each position that goes in. `at_once`: of them, in one pass.
    """
    return np.concatenate([network(part).cpu().numpy() for part in _batches(x, pixels, at_once)])


def _batches(x: torch.Tensor, pixels: int, at_once: int) -> Iterator[torch.Tensor]:
    import torch

    each = x.shape[2] * x.shape[3] * pixels
    return iter(torch.split(x, max(1, at_once // max(1, each))))
