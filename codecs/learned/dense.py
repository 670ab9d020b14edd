"""Fully connected float networks of analyses. Nothing here has to be repeatable: only the symbols that follow count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_BLOCKS_AT_ONCE = 1 << 14


class DenseNetwork:
    """Layers (weight (out, in), bias (out,)) float32, each followed by "relu", "sigmoid" or nothing ("linear").

    `scale` (K,): the outputs of the last are multiplied by it.
    """

    def __init__(
        self,
        layers: Sequence[tuple[np.ndarray, np.ndarray]],
        device: str,
        activation: str = "relu",
        scale: np.ndarray | None = None,
    ):
        import torch

        self.device = torch.device(device)
        self._layers = [
            (torch.from_numpy(w.T.copy()).to(device), torch.from_numpy(b.copy()).to(device)) for w, b in layers
        ]
        activations: dict[str, Callable[[torch.Tensor], torch.Tensor]]
        activations = {"relu": torch.relu, "sigmoid": torch.sigmoid, "linear": torch.nn.Identity()}
        self._activation = activations[activation]
        self._scale = None if scale is None else torch.from_numpy(scale.copy()).to(device)

    def __call__(self, blocks: torch.Tensor) -> torch.Tensor:
        """Return latents (..., K) of blocks float32 (..., N), both on the device, as they are outside autocast."""
        import torch

        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            flat = blocks.reshape(-1, blocks.shape[-1])
            at_once = _BLOCKS_AT_ONCE if self.device.type == "cpu" else max(1, len(flat))
            parts = [self._run(part) for part in torch.split(flat, at_once)]
            return torch.cat(parts).reshape(*blocks.shape[:-1], -1)

    def _run(self, z: torch.Tensor) -> torch.Tensor:
        import torch

        for weight, bias in self._layers:
            z = self._activation(torch.addmm(bias, z, weight))
        return z if self._scale is None else z * self._scale
