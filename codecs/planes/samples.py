"""Samples as they go to a device and come back: of 16 bits, unsigned, which few operations of devices know.

They travel as int16 of the same bits, and are int32 on the device. Samples of 8 bits are uint8 everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.codec import Tiles, TileSpec

if TYPE_CHECKING:
    import torch


def sample_type(spec: TileSpec) -> torch.dtype:
    """Return the type of samples on a device: uint8, or int32 for uint16."""
    import torch

    return torch.uint8 if spec.dtype == "uint8" else torch.int32


def to_travel(tiles: Tiles) -> np.ndarray:
    """Return tiles uint8 or uint16 as uint8 or int16: the same memory."""
    return tiles.view(np.int16) if tiles.dtype == np.uint16 else tiles


def arrived(tiles: torch.Tensor) -> torch.Tensor:
    """Return what `to_travel` gave, on a device, in their `sample_type`."""
    import torch

    return tiles if tiles.dtype == torch.uint8 else tiles.to(torch.int32) & 0xFFFF


def to_return(tiles: torch.Tensor) -> torch.Tensor:
    """Return tiles of a `sample_type` as they leave the device: uint8, or int16 of the low 16 bits."""
    import torch

    return tiles if tiles.dtype == torch.uint8 else tiles.to(torch.int16)


def returned(tiles: np.ndarray) -> Tiles:
    """Return what `to_return` gave as tiles uint8 or uint16: the same memory."""
    return tiles.view(np.uint16) if tiles.dtype == np.int16 else tiles
