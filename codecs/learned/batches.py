"""Networks over many pictures: a bounded number of pixels at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tilepress.codecs.integer.network import IntegerNetwork

if TYPE_CHECKING:
    import torch

_OFF_CPU = 4  # times as many pixels at once


def run_float(network: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, at_once: int) -> torch.Tensor:
    """Return float32 (m, K, h, w) of a float network for pictures float32 (m, c, H, W), as it is outside autocast.

    `at_once`: pixels of the pictures that one pass may have on a processor.
    """
    import torch

    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        return _joined(network, x, 1, at_once)


def run_integer(network: IntegerNetwork, x: torch.Tensor, pixels: int, at_once: int) -> torch.Tensor:
    """Return whole numbers in floats (m, c, H, W), on the device, of an integer network for integers (m, K, h, w).

    Exact, whatever `at_once`.

    `pixels`: of the pictures that come out, for each position that goes in. `at_once`: of them, in one pass.
    """
    return _joined(network.floats, x, pixels, at_once)


def _joined(
    network: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, pixels: int, at_once: int
) -> torch.Tensor:
    import torch

    each = max(1, x.shape[2] * x.shape[3] * pixels)
    many = at_once if x.device.type == "cpu" else _OFF_CPU * at_once
    parts = [network(part) for part in torch.split(x, max(1, many // each))]
    return parts[0] if len(parts) == 1 else torch.cat(parts)
