"""Between pictures and grids of quantised latents, (m, rows, columns, K): what all convolutional codecs do alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilepress.codecs.codec import Tiles, TileSpec
from tilepress.codecs.learned.batches import run_float
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.codecs.planes.rgb_inputs import MIN_BITS, from_pictures
from tilepress.codecs.planes.tiling import Tiling

if TYPE_CHECKING:
    from torch import nn

PIXELS_AT_ONCE = 1 << 19  # of the pictures that one pass through a network may have


def quantised(
    analysis: nn.Module, pictures: np.ndarray, cut: Tiling, size: tuple[int, int], quantiser: Quantiser, device: str
) -> np.ndarray:
    """Return the grids, int16 (m, rows, columns, K), of pictures float32 (m, 3, h, w).

    `size`: height and width of the tile that the pictures are of, which `cut` has a grid for.
    """
    import torch

    z = torch.from_numpy(run_float(analysis, cut.split(cut.pad(pictures)), device, PIXELS_AT_ONCE))
    symbols = np.moveaxis(quantiser.latents(z.movedim(1, -1)), -1, 1)
    return np.ascontiguousarray(np.moveaxis(cut.gather(symbols, *size), 1, -1))


def tiles_from(pieces: np.ndarray, cut: Tiling, spec: TileSpec, frame: np.ndarray, fraction_bits: int) -> Tiles:
    """Return the tiles (n, h, w, c) of what a synthesis made, int64 (m, 3, H, W) in units of 2^-fraction_bits.

    `cut`: how pictures went through it. `frame`: int32 (n, FRAME), see planes/frame.py.
    """
    decoded = cut.join(pieces << max(0, MIN_BITS - fraction_bits), spec.height, spec.width)
    return from_pictures(decoded, spec, frame, max(MIN_BITS, fraction_bits))


def values_of(grids: np.ndarray, quantiser: Quantiser) -> np.ndarray:
    """Return int64 (m, K, rows, columns) that grids (m, rows, columns, K) stand for."""
    import torch

    values: np.ndarray = quantiser.values(torch.from_numpy(grids)).movedim(-1, 1).numpy()
    return values
