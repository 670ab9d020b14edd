"""The loss of codecs that quantise latents in uniform steps: distortion and bits, at what these are worth."""

from __future__ import annotations

import torch

from tilepress.codecs.learned.coders import BIT_PRICE
from tilepress.codecs.planes.rgb_inputs import CHANNELS
from tilepress.jobs.recipes.networks.distortion import squared_error
from tilepress.jobs.recipes.networks.pictures import Coded

FULL_SCALE = (256 / 255) ** 2  # pictures are divided by 256, errors are stated against 255


def stepped_loss(cost: torch.Tensor, bits: torch.Tensor, step: torch.Tensor, rate: float) -> torch.Tensor:
    """Return distortion of three samples + price * bits a pixel, relative to the step, of the arguments' shape.

    After division by the step, losses at all steps are of about the same size.

    Args:
        cost: Distortion of a sample, in squared error, full scale being 1.
        bits: Bits a pixel.
        step: Quantisation step of the latents, full scale being 1.
        rate: What bits cost, relative to a uniform quantiser of that step at high rate.
    """
    return (CHANNELS * cost + rate * BIT_PRICE * step**2 * bits) / step


def level_figures(coded: Coded, pictures: torch.Tensor, level: int) -> dict[str, torch.Tensor]:
    """Return the `mse` and `bpp` of pictures (n, 3, h, w) that were coded several times, at one of those."""
    error = squared_error(coded.pictures[level], pictures).mean()
    return {"mse": error * FULL_SCALE, "bpp": coded.bits[level].mean()}
