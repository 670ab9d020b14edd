"""Critics of adversarial training: networks that tell pictures from decoded ones, and the games that they play.

`wasserstein`: scores estimate a distance between distributions, weights being clipped (Arjovsky, Chintala, Bottou,
"Wasserstein GAN", 2017, algorithm 1). `dcgan`: scores are logits of being a picture (Radford, Metz, Chintala,
"Unsupervised representation learning with deep convolutional generative adversarial networks", 2016, section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from tilepress.codecs.planes.rgb_inputs import CHANNELS

_CLIP = 0.01  # of weights in a Wasserstein game
_SLOPE = 0.2  # of leaky rectifiers


@dataclass(frozen=True)
class Game:
    """What critic and network play for.

    `deception`: the loss of the network, of scores (n,) of what it made. `judgement`: the loss of the critic, of
    scores of pictures and of what the network made. `clip`: largest weight of the critic; 0: any.
    """

    optimiser: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
    deception: Callable[[torch.Tensor], torch.Tensor]
    judgement: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    clip: float = 0.0


GAMES: dict[str, Game] = {
    "wasserstein": Game(
        lambda weights: torch.optim.RMSprop(weights, lr=2e-5),
        lambda made: -made.mean(),
        lambda real, made: made.mean() - real.mean(),
        _CLIP,
    ),
    "dcgan": Game(
        lambda weights: torch.optim.Adam(weights, lr=2e-4, betas=(0.5, 0.999)),
        lambda made: functional.softplus(-made).mean(),
        lambda real, made: functional.softplus(-real).mean() + functional.softplus(made).mean(),
    ),
}


@dataclass(frozen=True)
class Adversary:
    """What a network is trained against.

    `critic`: from pictures (n, 3, h, w) to scores (n,). `game`: a key of GAMES. `weight`: of the network's loss in the
    game, beside its other losses.
    """

    critic: nn.Module
    game: str
    weight: float


class _Critic(nn.Module):
    """Convolutions, then the mean over all positions: any size of picture will do."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores (n,) of pictures (n, 3, h, w)."""
        y: torch.Tensor = self.layers(x)
        return y.float().mean(dim=(1, 2, 3))


def normalised_critic() -> nn.Module:
    """Return the critic of `gan`: 3 x 3 convolutions of stride 2 with batch normalisation, then 1 x 1."""
    first = [nn.Conv2d(CHANNELS, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU()]
    second = [nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64), nn.ReLU()]
    return _Critic(*first, *second, nn.Conv2d(64, 1, 1))


def plain_critic() -> nn.Module:
    """Return the critic of `gan-ae`: 4 x 4 convolutions of stride 2, leaky rectifiers between."""
    convolutions = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in ((CHANNELS, 16), (16, 64), (64, 1))]
    first, second, last = convolutions
    return _Critic(first, nn.LeakyReLU(_SLOPE), second, nn.LeakyReLU(_SLOPE), last)
