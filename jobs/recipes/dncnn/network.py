"""The float network of `jpeg-dncnn`, around the operations that are exported."""

from __future__ import annotations

import torch
from torch import nn

from tilepress.codecs.learned.dncnn.features import INPUTS, MOST_LEVEL, MOST_VALUE, OUTPUTS, logarithm
from tilepress.codecs.learned.networks import UNIT, NetworkPlan, float_network

_BRANCH = 0.3  # of a layer's usual deviation at first, beside the identity


class Restoration(nn.Module):
    """Corrections of JPEG coefficients, in quantisation steps. `deviations`: float32 (64,), of the coefficients."""

    deviations: torch.Tensor
    logarithms: torch.Tensor

    def __init__(self, network: NetworkPlan) -> None:
        super().__init__()
        self.chain = float_network(network)
        self.register_buffer("deviations", torch.ones(OUTPUTS))
        table = torch.arange(1, 256).numpy()
        self.register_buffer("logarithms", torch.from_numpy(logarithm(table)).float() / UNIT, persistent=False)
        _begin(self.chain)

    def forward(self, levels: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        """Return float32 (n, 64, rows, columns) of quantised coefficients of that shape.

        `table`: quantisation steps int64 (n, 64), 1..255.
        """
        y: torch.Tensor = self.chain(self.features(levels, table))
        return y.float()

    def features(self, levels: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        """Return what the codec's `features` are, in units of UNIT: float32 (n, INPUTS, rows, columns)."""
        step, deviation = table[:, :, None, None], self.deviations[:, None, None]
        values = torch.floor(levels * step * UNIT / deviation).clamp(-MOST_VALUE, MOST_VALUE) / UNIT
        counted = levels.clamp(-MOST_LEVEL, MOST_LEVEL) / MOST_LEVEL
        logarithms = self.logarithms[table - 1][:, :, None, None].expand_as(levels)
        joined = torch.cat([values, counted, logarithms], dim=1)
        assert joined.shape[1] == INPUTS
        return joined


@torch.no_grad()
def _begin(chain: nn.Sequential) -> None:
    """Let layers that keep the number of channels pass on what they see, and the last correct nothing.

    The first makes a residual network of a plain chain (Zagoruyko and Komodakis 2017, "DiracNets"): what goes around a
    layer is part of its weights. The second begins where JPEG is.
    """
    convolutions = [module for module in chain if isinstance(module, nn.Conv2d)]
    for layer in convolutions:
        assert layer.bias is not None
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        if layer.in_channels == layer.out_channels:
            identity = nn.init.dirac_(torch.empty_like(layer.weight))
            layer.weight.mul_(_BRANCH).add_(identity)
    nn.init.zeros_(convolutions[-1].weight)
