"""Values clipped to a range, with a gradient that lets them come back."""

from __future__ import annotations

from typing import Any

import torch


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, ceiling: float) -> torch.Tensor:
        ctx.save_for_backward(z)
        ctx.ceiling = ceiling
        return z.clamp(0, ceiling)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (gradient,), (z,) = gradients, ctx.saved_tensors
        # a step goes against the gradient: a positive one would lower z still further
        outward = ((z < 0) & (gradient > 0)) | ((z > ctx.ceiling) & (gradient < 0))
        return gradient.masked_fill(outward, 0), None


def bounded(z: torch.Tensor, ceiling: float) -> torch.Tensor:
    """Return values clipped to 0..ceiling; the gradient of those outside is that of the identity where it leads back.

    With the gradient of a clamp, which is 0, values that left the range would stay outside for good. TensorFlow
    Compression trains its bounds in this way (`lower_bound`, after Ballé, "Efficient nonlinear transforms for lossy
    image compression", 2018).
    """
    bound: torch.Tensor = _Bounded.apply(z, ceiling)  # type: ignore[no-untyped-call]  # torch gives `apply` no types
    return bound
