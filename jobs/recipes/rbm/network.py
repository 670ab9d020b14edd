"""The float network of `rbm-autoencoder`: logistic layers to the codes, and their mirror back to the samples."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from tilepress.jobs.recipes.networks.pictures import principal_components
from tilepress.jobs.recipes.rbm.boltzmann import Machine

_SLOPE = 4.0  # weight that passes an activation on: the slope of the logistic function at 0 is 1/4
_REACH = 1.5  # logit to which the largest coefficient of the data comes
_LEAST = 0.3  # largest coefficient from which on a component counts
_RIDGE = 1e-3  # of the mean variance of what the last layer sees
_CERTAIN = 0.02  # probability of the other value at a black or white sample


class MirroredAutoencoder(nn.Module):
    """Layers of `sizes` neurons, samples first and codes last, and the same in reverse; all logistic."""

    def __init__(self, sizes: Sequence[int]):
        super().__init__()
        back = list(reversed(sizes))
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.decoder = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(back))
        for layer in self.layers:
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    @property
    def layers(self) -> list[nn.Linear]:
        """All layers, the encoder's first."""
        return [layer for layer in (*self.encoder, *self.decoder) if isinstance(layer, nn.Linear)]

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return codes (..., K) within 0..1 of samples (..., N) in [0, 1]."""
        for layer in self.encoder:
            x = torch.sigmoid(layer(x))
        return x

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Return logits (..., N) of the samples, of codes (..., K)."""
        logits: torch.Tensor = self.decoder[-1](self._hidden(z))
        return logits

    def _hidden(self, z: torch.Tensor) -> torch.Tensor:
        """Return what the last layer sees of codes (..., K)."""
        for layer in self.decoder[:-1]:
            z = torch.sigmoid(layer(z))
        return z

    def forward(self, x: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """Return logits of samples x (n, ..., N) from codes rounded to multiples of 1 / `steps` (n, ..., 1).

        The gradient passes the rounding as if it were not there.
        """
        z = self.encode(x)
        return self.decode(z + (torch.round(z * steps) / steps - z).detach())

    @torch.no_grad()
    def begin_with_klt(self, blocks: torch.Tensor) -> None:
        """Begin as the principal components of blocks (m, N), where the logistic function is nearly linear.

        Each layer passes on as many components as it has neurons; what is left of its neurons stays random. The last
        layer is a regression from what it sees to the logits of the samples.
        """
        first, *rest = self.layers
        self.begin_scaled(blocks.mean(dim=0))
        mean, basis = principal_components(blocks, min(first.weight.shape))
        scaled = basis * (_REACH / ((blocks - mean) @ basis.T).abs().amax(dim=0).clamp(min=_LEAST))[:, None]
        first.weight[: len(scaled)] = scaled
        first.bias[: len(scaled)] = -scaled @ mean
        for layer in rest[:-1]:
            count = min(layer.weight.shape)
            layer.weight[:count] = _SLOPE * torch.eye(count, layer.in_features)
            layer.bias[:count] = -_SLOPE / 2
        self._fit_last(blocks)

    @torch.no_grad()
    def begin_scaled(self, mean: torch.Tensor) -> None:
        """Begin with random weights under which activations keep their size; 1/2 is what the mean block (N,) makes."""
        for layer in self.layers:
            nn.init.xavier_normal_(layer.weight, _SLOPE)
            layer.bias.copy_(-layer.weight.sum(dim=1) / 2)
        first = self.layers[0]
        first.bias.copy_(-first.weight @ mean)

    def _fit_last(self, blocks: torch.Tensor) -> None:
        hidden = self._hidden(self.encode(blocks)).double()
        logits = torch.logit(blocks.double(), eps=_CERTAIN)
        mean, wanted = hidden.mean(dim=0), logits.mean(dim=0)
        scatter = (hidden - mean).T @ (hidden - mean)
        scatter += _RIDGE * scatter.diagonal().mean() * torch.eye(len(scatter), device=scatter.device)
        weight = torch.linalg.solve(scatter, (hidden - mean).T @ (logits - wanted)).T
        self.layers[-1].weight.copy_(weight)
        self.layers[-1].bias.copy_(wanted - weight @ mean)

    @torch.no_grad()
    def unroll(self, machines: Sequence[Machine]) -> None:
        """Begin as trained machines: up through all of them, and down again."""
        count = len(self.encoder)
        for up, down, machine in zip(self.layers[:count], self.layers[: count - 1 : -1], machines, strict=True):
            up.weight.copy_(machine.weight)
            up.bias.copy_(machine.hidden)
            down.weight.copy_(machine.weight.T)
            down.bias.copy_(machine.visible)
