"""By which inverse DCT luma was made, told from a few hundred blocks: decoders round differently.

The likeliest transform is tried first; the others are asked only where it explains too little.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tilepress.codecs.jpeg.colour import JFIF, STB, Conversion
from tilepress.codecs.jpeg.transform import IFAST, ISLOW, Transform
from tilepress.codecs.jpeg.transform import STB as STB_TRANSFORM
from tilepress.codecs.origins.jpeg.facts import TRANSPOSED, TURNS
from tilepress.codecs.origins.jpeg.search.steps import Blocks, known_blocks

_SURE = 0.995  # share of samples that rounded coefficients never reach with much other transforms, or turned
_SURE_OF_ALL = 0.9995  # nor with any other one
_POOR = 0.965  # share of samples: of a picture that is explained better, another transform is not likely
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
    table = blocks.standard()
    shares = {(first, 0): blocks.exact(table)}
    if conversion is None and shares[first, 0] < _SURE_OF_ALL:
        shares[STB_TRANSFORM, 0] = blocks.made_by(STB_TRANSFORM).exact(table)
    best = max(shares.values())
    if best < _SURE:
        for transform, _ in list(shares):
            shares |= _shares(blocks, transform, (TRANSPOSED,))
    if best < _POOR and conversion in (None, JFIF):
        shares |= _shares(blocks, IFAST, TURNS)
    return max(shares, key=lambda way: shares[way] - (_BETTER if way[1] else 0))


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
