"""Between pictures and grids of quantised latents, (m, rows, columns, K): what all convolutional codecs do alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import ModelError
from tilepress.codecs.integer.network import IntegerNetwork
from tilepress.codecs.learned.batches import run_float
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.codecs.planes.rgb_inputs import MIN_BITS, from_pictures
from tilepress.codecs.planes.tiling import Tiling

if TYPE_CHECKING:
    import torch
    from torch import nn

_MOST_BITS = 40  # of what is joined: planes/tiling.py
PIXELS_AT_ONCE = 1 << 19  # of the pictures that one pass through a network may have


def joinable(synthesis: IntegerNetwork, fraction_bits: int, bits: int = MIN_BITS) -> IntegerNetwork:
    """Return a synthesis whose results, in units of 2^-fraction_bits, may be joined and rounded in those of 2^-bits.

    ModelError if they may be so large that this is not exact.
    """
    if synthesis.reach << max(0, bits - fraction_bits) >= 1 << _MOST_BITS:
        raise ModelError(f"what the synthesis makes may be as large as {synthesis.reach}: pictures of it are not exact")
    return synthesis


def quantised(
    analysis: nn.Module, pictures: torch.Tensor, cut: Tiling, size: tuple[int, int], quantiser: Quantiser
) -> torch.Tensor:
    """Return the grids, int16 (m, rows, columns, K), of pictures float32 (m, 3, h, w), on their device.

    `size`: height and width of the tile that the pictures are of, which `cut` has a grid for.
    """
    z = run_float(analysis, cut.split(cut.pad(pictures)), PIXELS_AT_ONCE)
    symbols = quantiser.latents(z.movedim(1, -1)).movedim(-1, 1)
    return cut.gather(symbols, *size).movedim(1, -1)


def tiles_from(
    pieces: torch.Tensor, cut: Tiling, spec: TileSpec, frame: torch.Tensor, fraction_bits: int
) -> torch.Tensor:
    """Return the tiles (n, h, w, c) of what a synthesis made, (m, 3, H, W) in units of 2^-fraction_bits.

    `cut`: how pictures went through it. `frame`: int32 (n, FRAME), see planes/frame.py.
    """
    more = max(0, MIN_BITS - fraction_bits)
    decoded = cut.join(pieces.double() * 2.0**more if more else pieces, spec.height, spec.width)
    return from_pictures(decoded, spec, frame, max(MIN_BITS, fraction_bits))


def values_of(grids: torch.Tensor, quantiser: Quantiser) -> torch.Tensor:
    """Return integers (m, K, rows, columns) that grids (m, rows, columns, K) stand for."""
    return quantiser.values(grids).movedim(-1, 1)
