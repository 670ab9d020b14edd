"""An example that runs every kernel of the origin `jpeg` once: coefficients, decoded and found again."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.jpeg.decode import decode
from tilepress.codecs.jpeg.decoders import USUAL, Decoder
from tilepress.codecs.jpeg.file.coefficients import Coefficients, Sampling, block_shapes
from tilepress.codecs.jpeg.file.tables import quality_tables
from tilepress.codecs.origins.base import Guess
from tilepress.codecs.origins.jpeg.rule import Jpeg

_SIDE = 92  # pixels: blocks are cut by the edges, too
_QUALITY = 90
_ROUGH, _SMOOTH = 4.0, 1.5  # steps: how large the lowest coefficients of luma and of chroma are


def example(sampling: Sampling) -> Coefficients:
    """Return coefficients like those of a photograph, the same every time."""
    rng = np.random.default_rng(1)
    luma, chroma = quality_tables(_QUALITY)
    frequency = 1 + np.add.outer(np.arange(8), np.arange(8)).reshape(64)
    sizes = (_ROUGH / frequency, _SMOOTH / frequency**2, _SMOOTH / frequency**2)
    shapes = block_shapes(_SIDE, _SIDE, sampling, 3)
    blocks = tuple(
        np.rint(rng.laplace(0, size, (*shape, 64))).astype(np.int16) for size, shape in zip(sizes, shapes, strict=True)
    )
    return Coefficients(_SIDE, _SIDE, sampling, (luma, chroma, chroma), blocks)


def recover_example(sampling: Sampling, decoder: Decoder = USUAL) -> None:
    """Decode the example, find its JPEG, and make the picture of that again."""
    picture = decode(example(sampling), decoder)
    spec = TileSpec(_SIDE, _SIDE, 3, "uint8", 8, "rgb")
    rule = Jpeg()
    guess = rule.detect(picture, spec) or Guess(rule.id, 1.0)
    recovered = rule.invert(picture, spec, guess)
    if recovered is not None:
        rule.apply(recovered, spec)
