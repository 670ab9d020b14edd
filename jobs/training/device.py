"""How the device of a training is set up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def fast_convolutions(device: torch.device) -> Iterator[None]:
    """Return a context in which cuDNN tries its algorithms on the first batch and keeps the fastest: shapes are fixed.

    It leaves PyTorch as it was. On other devices it changes nothing.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
