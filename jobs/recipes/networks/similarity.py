"""MS-SSIM that a network can learn from (Wang, Simoncelli, Bovik, Asilomar 2003).

As pipeline/quality/metrics.py measures it, of float pictures, with a gradient. Pictures too small for five scales are
looked at in fewer, whose weights then have the sum of all.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from tilepress.jobs.recipes.networks.numbers import numbers
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.quality.metrics import K1, K2, MS_SSIM_WEIGHTS, SIGMA, WINDOW

_LEAST = 1e-6  # of a term: the gradient of a power is infinite at 0


def scales_of(side: int) -> int:
    """Return how many scales, at most five, have a window where the smaller side of a picture is `side`."""
    return sum(side >> scale >= WINDOW for scale in range(len(MS_SSIM_WEIGHTS)))


def ms_ssim(decoded: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Return the MS-SSIM (n,), at most 1, of pictures (n, c, h, w) of full scale 1, the mean over channels.

    UsageError if they are smaller than a window.
    """
    count = scales_of(min(pictures.shape[-2:]))
    if not count:
        raise UsageError(f"MS-SSIM has windows of {WINDOW} x {WINDOW}: crops of {pictures.shape[-1]} are too small")
    share = sum(MS_SSIM_WEIGHTS[:count]) / sum(MS_SSIM_WEIGHTS)
    weights = numbers(tuple(MS_SSIM_WEIGHTS[:count]), decoded.device) / share
    terms = []
    for scale in range(count):
        if scale:
            decoded, pictures = (functional.avg_pool2d(x, 2, ceil_mode=True) for x in (decoded, pictures))
        similarity, contrast = _similarity(decoded, pictures)
        terms.append(similarity if scale == count - 1 else contrast)  # luminance counts at the last scale only
    powers = torch.stack(terms).clamp_min(_LEAST) ** weights[:, None, None]
    return powers.prod(dim=0).mean(dim=1)


def _similarity(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """SSIM and its contrast-structure term, (n, c) each, the means over windows."""
    moments = _windowed(torch.cat([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, xx, yy, xy = moments.chunk(5)
    variances = xx - mean_x.square() + yy - mean_y.square()
    contrast = (2 * (xy - mean_x * mean_y) + K2**2) / (variances + K2**2)
    luminance = (2 * mean_x * mean_y + K1**2) / (mean_x.square() + mean_y.square() + K1**2)
    return (luminance * contrast).mean(dim=(2, 3)), contrast.mean(dim=(2, 3))


def _windowed(x: torch.Tensor) -> torch.Tensor:
    """Means of (n, c, h, w) under a Gaussian window, where it lies within the picture."""
    rows, columns = (_window_matrix(side, x.device) for side in x.shape[2:])
    return rows.T @ x @ columns


def _window_matrix(side: int, device: torch.device) -> torch.Tensor:
    """The window at each place of `side` samples, (side, places): products are faster than `conv2d` is with eleven taps
    of a single channel."""
    taps = torch.arange(WINDOW, device=device) - WINDOW // 2
    window = torch.exp(-0.5 * (taps / SIGMA).square())
    at = torch.arange(side, device=device)[:, None] - torch.arange(side - WINDOW + 1, device=device)
    return torch.where((at >= 0) & (at < WINDOW), (window / window.sum())[at.clamp(0, WINDOW - 1)], 0)
