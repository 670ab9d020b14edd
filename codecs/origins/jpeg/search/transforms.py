"""By which inverse DCT luma was made, told from a few hundred blocks: decoders round differently.

The likeliest transform is tried first; the others are asked only where it explains too little.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tilepress.codecs.origins.jpeg.colour import STB, Conversion
from tilepress.codecs.origins.jpeg.facts import TRANSPOSED, TURNS
from tilepress.codecs.origins.jpeg.search.steps import Blocks, known_blocks
from tilepress.codecs.origins.jpeg.transform import IFAST, ISLOW, Transform
from tilepress.codecs.origins.jpeg.transform import STB as STB_TRANSFORM

_SURE = 0.995  # share of samples that rounded coefficients never reach with another transform, or of a turned picture
_POOR = 0.85  # share of samples: what libjpeg's transform explains of nearly all pictures that it made, and of no other
_BETTER = 0.01  # share of samples: by how much a turned picture has to be explained better
Way = tuple[Transform, int]


def likely_transform(low: np.ndarray, high: np.ndarray, conversion: Conversion | None) -> Way:
    """Return by which transform luma was made, and how it has to be turned to be as the decoder made it.

    Transforms are of columns first, and one rounds down: rounding tells how a picture was turned, even where steps do
    not.

    Args:
        low: uint8 (h, w), least samples, on the grid of the blocks.
        high: The greatest.
        conversion: How colours were made of it; None for gray pictures.
    """
    first = STB_TRANSFORM if conversion == STB else ISLOW
    blocks = known_blocks([(low, high)], first)
    if blocks is None:
        return first, 0
    share = blocks.exact(blocks.standard())
    if share >= _SURE:
        return first, 0
    shares = {(first, 0): share + _BETTER} | _shares(blocks, first, (TRANSPOSED,))
    if conversion is None:
        shares |= _shares(blocks, STB_TRANSFORM, (0, TRANSPOSED))
    if conversion != STB and max(shares.values()) < _POOR:
        shares |= _shares(blocks, IFAST, TURNS)
    return max(shares, key=lambda way: shares[way])


def _shares(blocks: Blocks, transform: Transform, turns: Sequence[int]) -> dict[Way, float]:
    """Shares of samples that a transform makes again, for each way to turn blocks."""
    made = blocks.made_by(transform)
    tables: dict[int, np.ndarray] = {}
    shares = {}
    for turn in turns:
        upright = made.turned(turn)
        if turn & TRANSPOSED not in tables:
            tables[turn & TRANSPOSED] = upright.standard()
        shares[transform, turn] = upright.exact(tables[turn & TRANSPOSED])
    return shares
