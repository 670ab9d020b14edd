"""The float network of `block-dnn` under training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tilepress.jobs.recipes.networks.pictures import principal_components

ACTIVATIONS = ("relu", "sigmoid")
_MARGIN = 1.1  # beyond the latents of the data, before ReLU cuts them off
_ACTIVE = 1.0  # latents of a random start, so that ReLU does not kill them
_REACH = 0.5  # the largest coefficient of the data comes to this place of a sigmoid: nearly linear up to it


class BlockAutoencoder(torch.nn.Module):
    """Layers N -> hidden -> K with ReLU or sigmoid, then a linear decoder K -> N, over the last axis.

    It starts with random orthogonal weights (Saxe, McClelland and Ganguli 2014): He's and Glorot's, at 16:1, still had
    1.5 times the error after ten epochs.
    """

    def __init__(self, size: int, hidden: int, latents: int, activation: str):
        super().__init__()
        self.first = torch.nn.Linear(size, hidden)
        self.last = torch.nn.Linear(hidden, latents)
        self.decoder = torch.nn.Linear(latents, size)
        self.activation = activation
        gain = 1.0 if activation == "relu" else 4.0  # the slope of a sigmoid is 1/4 at 0
        for layer in (self.first, self.last, self.decoder):
            torch.nn.init.orthogonal_(layer.weight, 1.0 if layer is self.decoder else gain)
        self._centre()

    @torch.no_grad()
    def _centre(self) -> None:
        """Biases for which a gray block is at 0 before the first activation, and decodes to about itself."""
        self.first.bias.copy_(-0.5 * self.first.weight.sum(dim=1))
        self.last.bias.fill_(_ACTIVE if self.activation == "relu" else 0.0)
        gray = self.encode(torch.full((1, self.first.in_features), 0.5))
        self.decoder.bias.copy_(0.5 - gray[0] @ self.decoder.weight.T)

    def _activate(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) if self.activation == "relu" else torch.sigmoid(x)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the latents (..., K), >= 0 or in (0, 1), of blocks (..., N) in [0, 1]."""
        return self._activate(self.last(self._activate(self.first(x))))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return blocks (..., N) decoded, their latents, and their latents in the scale of pixels."""
        z = self.encode(x)
        return self.decoder(z), z, z * self._norms()

    def scaled(self, x: torch.Tensor) -> torch.Tensor:
        """Return latents times what they move: with them, decoder columns have norm 1, and one step suits all."""
        return self.encode(x) * self._norms()

    def _norms(self) -> torch.Tensor:
        norms: torch.Tensor = self.decoder.weight.norm(dim=0)
        return norms

    @torch.no_grad()
    def begin_with_pca(self, blocks: torch.Tensor) -> None:
        """Become the PCA of blocks (m, N): exactly with ReLU, nearly with the sigmoid."""
        mean, basis = principal_components(blocks, self.last.out_features)
        coefficients = (blocks - mean) @ basis.T
        if self.activation == "relu":
            self._begin_relu(mean, basis, -_MARGIN * coefficients.min(dim=0).values)
        else:
            self._begin_sigmoid(mean, basis, _REACH / coefficients.abs().max(dim=0).values)
            self._fit_decoder(blocks)

    @torch.no_grad()
    def begin_with_encoder(self, layers: Sequence[tuple[np.ndarray, np.ndarray]], blocks: torch.Tensor) -> None:
        """Take the weights and biases of the encoder; the decoder becomes the regression from latents to blocks (m, N).

        Latents of relu come in the scale of pixels, as models have them.
        """
        for linear, (weight, bias) in zip((self.first, self.last), layers, strict=True):
            linear.weight.copy_(torch.from_numpy(weight.copy()))
            linear.bias.copy_(torch.from_numpy(bias.copy()))
        self._fit_decoder(blocks)

    def _begin_relu(self, mean: torch.Tensor, basis: torch.Tensor, rest: torch.Tensor) -> None:
        count = len(basis)
        eye = torch.eye(count, device=basis.device)
        self.first.weight[: 2 * count] = torch.cat([basis, -basis])
        self.first.bias[: 2 * count] = torch.cat([-basis @ mean, basis @ mean])
        self.last.weight.zero_()
        self.last.weight[:, : 2 * count] = torch.cat([eye, -eye], dim=1)
        self.last.bias.copy_(rest)
        self.decoder.weight.copy_(basis.T)
        self.decoder.bias.copy_(mean - rest @ basis)

    def _begin_sigmoid(self, mean: torch.Tensor, basis: torch.Tensor, scale: torch.Tensor) -> None:
        count = len(basis)
        scaled = basis * scale[:, None]
        self.first.weight[:count] = scaled
        self.first.bias[:count] = -scaled @ mean
        self.last.weight.zero_()
        self.last.weight[:, :count] = 4 * torch.eye(count, device=basis.device)
        self.last.bias.fill_(-2.0)

    def _fit_decoder(self, blocks: torch.Tensor) -> None:
        """Linear regression from the latents to the blocks."""
        z = self.encode(blocks).double()
        z_mean, x_mean = z.mean(dim=0), blocks.mean(dim=0).double()
        scatter = (z - z_mean).T @ (z - z_mean)
        ridge = 1e-9 * scatter.diagonal().mean() * torch.eye(len(scatter), device=z.device, dtype=z.dtype)
        weight = torch.linalg.solve(scatter + ridge, (z - z_mean).T @ (blocks.double() - x_mean)).T
        self.decoder.weight.copy_(weight)
        self.decoder.bias.copy_(x_mean - weight @ z_mean)

    @torch.no_grad()
    def analysis_tensors(self) -> dict[str, np.ndarray]:
        """Return the tensors of the encoder; ReLU lets the scale through, a sigmoid needs it apart."""
        scale = self._norms()
        relu = self.activation == "relu"
        parts = {
            "analysis0.weight": self.first.weight,
            "analysis0.bias": self.first.bias,
            "analysis1.weight": self.last.weight * scale[:, None] if relu else self.last.weight,
            "analysis1.bias": self.last.bias * scale if relu else self.last.bias,
        }
        parts |= {} if relu else {"analysis.scale": scale}
        return {name: value.detach().cpu().float().numpy().copy() for name, value in parts.items()}
