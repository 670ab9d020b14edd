"""From crops to blocks of planes, as tensors on any device.

What codecs/planes/blocks.py does with tiles of all kinds, for training: the two agree on whole blocks of 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.planes.blocks import to_blocks
from tilepress.codecs.planes.frame import frames
from tilepress.pipeline.errors import UsageError

_AT_ONCE = 1 << 14
_FULL_SCALE = 256 / 255  # planes are divided by 256, errors are stated against 255
_PIECE = 512


def channels_of(model: Mapping[str, Any]) -> int:
    """Return channels of the crops that `model.colour` asks for."""
    if model["colour"] not in ("gray", "rgb"):
        raise UsageError(f"model.colour must be gray or rgb, not {model['colour']!r}")
    return 1 if model["colour"] == "gray" else 3


def latents_of(model: Mapping[str, Any]) -> int:
    """Return K of `model.block` and `model.ratio`."""
    size, ratio = model["block"] ** 2, model["ratio"]
    if not 2 <= model["block"] <= 64 or not 1 <= ratio <= size or size % ratio:
        raise UsageError(f"model.ratio ({ratio}) must divide the {size} samples of a block (model.block, 2 to 64)")
    return int(size // ratio)


def plane_blocks(crops: torch.Tensor, block: int) -> torch.Tensor:
    """Crops uint8 (n, h, w, 1 or 3) to float32 (n, planes, blocks, N) in [0, 1]; incomplete blocks are left out."""
    n, height, width, channels = crops.shape
    if min(height, width) < block:
        raise UsageError(f"crops of {height} x {width} are smaller than a block: set crop={block} or more")
    planes = crops[:, : height // block * block, : width // block * block].float()
    if channels == 3:
        red, green, blue = planes.unbind(-1)
        luma = torch.floor((red + 2 * green + blue) / 4)
        planes = torch.stack([luma, (blue - green + 256) / 2, (red - green + 256) / 2], dim=-1)
    rows, columns = planes.shape[1] // block, planes.shape[2] // block
    cut = (planes / 256).reshape(n, rows, block, columns, block, channels).permute(0, 5, 1, 3, 2, 4)
    return cut.reshape(n, channels, rows * columns, block * block)


def block_pictures(blocks: torch.Tensor, columns: int) -> torch.Tensor:
    """Return pictures (n, 1 or 3, h, w) of full scale 1 of blocks (n, planes, blocks, N), `columns` in a row."""
    n, planes, count, size = blocks.shape
    side = math.isqrt(size)
    cut = blocks.float().reshape(n, planes, count // columns, columns, side, side).transpose(3, 4)
    x = cut.reshape(n, planes, -1, columns * side)
    if planes == 3:
        x = torch.stack(_rgb(x[:, 0], 2 * x[:, 1] - 1, 2 * x[:, 2] - 1), dim=1)
    return x * _FULL_SCALE


def sample_mse(error: torch.Tensor) -> torch.Tensor:
    """Return mean squared error per sample, full scale 1, of errors (n, planes, blocks, N) of the planes."""
    if error.shape[1] == 3:
        error = torch.stack(_rgb(error[:, 0], 2 * error[:, 1], 2 * error[:, 2]))
    return error.float().square().mean() * _FULL_SCALE**2


def _rgb(luma: torch.Tensor, blue: torch.Tensor, red: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Red, green, blue of luma and the differences of blue and red from green."""
    green = luma - (blue + red) / 4
    return red + green, green, blue + green


def export_blocks(tiles: Sequence[np.ndarray], block: int) -> np.ndarray:
    """Return float32 (pieces, planes, rows, columns, N) of equal square pieces cut from tiles uint8 (h, w, 1 or 3).

    Pieces are of the median size of tiles, at most 512; smaller tiles are left out.
    """
    sides = sorted(min(tile.shape[:2]) for tile in tiles)
    side = min(_PIECE, sides[len(sides) // 2]) // block * block if sides else 0
    if side < block:
        raise UsageError(f"half of the images or more are smaller than a block of {block} x {block}")
    pieces = [
        tile[y : y + side, x : x + side]
        for tile in tiles
        for y in range(0, tile.shape[0] - side + 1, side)
        for x in range(0, tile.shape[1] - side + 1, side)
    ]
    channels = pieces[0].shape[2]
    spec = TileSpec(side, side, channels, "uint8", 8, "gray" if channels == 1 else "rgb")
    stack = torch.from_numpy(np.stack(pieces))
    blocks: np.ndarray = to_blocks(stack, spec, frames(stack, spec), block).numpy()
    return blocks


@torch.no_grad()
def in_parts(function: Any, blocks: np.ndarray) -> np.ndarray:
    """Return a function of blocks (m, N) to (m, K), applied in parts to (..., N)."""
    flat = torch.from_numpy(blocks.reshape(-1, blocks.shape[-1]))
    out: np.ndarray = torch.cat([function(part) for part in torch.split(flat, _AT_ONCE)]).numpy()
    return out.reshape(*blocks.shape[:-1], -1)
