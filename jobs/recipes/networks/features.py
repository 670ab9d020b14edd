"""How different two pictures are to a network that learned to code pictures: what a perceptual loss is made of.

The network is the first analysis of the model `cnn-rnn-ae` that ships: it looks on while others train, and decodes
nothing. What is behind each relu, and its latents, are compared as SSIM compares samples: covariance over variances in
windows (Wang, Bovik, Sheikh, Simoncelli 2004), of the picture and of its halves and quarters: windows in which little
happens count as others do, which squared distances of features (Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable
effectiveness of deep features as a perceptual metric", 2018) do not grant.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import nn
from torch.nn import functional

from tilepress.codecs.learned.cnn_rnn_ae.config import RecurrentConfig
from tilepress.codecs.learned.networks import load_analysis
from tilepress.codecs.learned.tensors import under
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.planes.rgb_inputs import CHANNELS
from tilepress.pipeline.errors import UsageError

MODEL = "cnn-rnn-ae"
_WINDOW = 5  # side, in features
_SCALES = 3
_FLAT = 0.01  # of a feature's variance in the picture: windows of less hardly count
_NOTHING = 1e-6


def feature_distance(decoded: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Return the distance (n,), 0 to 2, of pictures (n, 1 or 3, h, w) of full scale 1. UsageError if they are small."""
    network, stride = _network(str(pictures.device))
    side, least = min(pictures.shape[-2:]), _WINDOW * stride
    count = sum(side >> scale >= least for scale in range(_SCALES))
    if not count:
        raise UsageError(f"features have windows of {least} x {least} pixels: crops of {side} are too small")
    distances, pair = [], torch.cat([decoded, pictures]).expand(-1, CHANNELS, -1, -1)
    for scale in range(count):
        x = functional.avg_pool2d(pair, 2**scale)
        x = x[..., : x.shape[-2] // stride * stride, : x.shape[-1] // stride * stride]
        for module in network:
            x = module(x)
            if isinstance(module, nn.ReLU) or module is network[-1]:
                distances.append(_apart(*x.chunk(2)))
    return torch.stack(distances).mean(dim=0)


@cache
def _network(device: str) -> tuple[nn.Sequential, int]:
    """The network, which learns nothing, and its stride."""
    model = Model.load(SHIPPED / MODEL)
    plan = RecurrentConfig.from_json(model.config).analysis_plan
    return load_analysis(plan, under(model.tensors, "network0"), device), plan.stride


def _apart(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """1 - the mean structural similarity (n,) of features (n, c, h, w), `y` being those of the true picture."""
    flat = _FLAT * y.var(dim=(2, 3), keepdim=True) + _NOTHING
    moments = functional.avg_pool2d(torch.cat([x, y, x * x, y * y, x * y]), _WINDOW, stride=1)
    mean_x, mean_y, xx, yy, xy = moments.chunk(5)
    variances = xx - mean_x.square() + yy - mean_y.square()
    similarity = (2 * (xy - mean_x * mean_y) + flat) / (variances + flat)
    return 1 - similarity.mean(dim=(1, 2, 3))
