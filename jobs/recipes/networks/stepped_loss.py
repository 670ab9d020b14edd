"""The loss of codecs that quantise latents in uniform steps: squared error and bits, at what these are worth."""

from __future__ import annotations

import torch

from tilepress.codecs.learned.coders import BIT_PRICE
from tilepress.codecs.planes.rgb_inputs import CHANNELS

FULL_SCALE = (256 / 255) ** 2  # pictures are divided by 256, errors are stated against 255


def stepped_loss(error: torch.Tensor, bits: torch.Tensor, step: torch.Tensor, rate: float) -> torch.Tensor:
    """Return squared error of three samples + price * bits a pixel, relative to the step, of the arguments' shape.

    After division by the step, losses at all steps are of about the same size.

    Args:
        error: Mean squared error of a sample, full scale being 1.
        bits: Bits a pixel.
        step: Quantisation step of the latents, full scale being 1.
        rate: What bits cost, relative to a uniform quantiser of that step at high rate.
    """
    return (CHANNELS * error + rate * BIT_PRICE * step**2 * bits) / step
