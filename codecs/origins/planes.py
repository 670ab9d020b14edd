"""Origin `planes`: a gray picture stored as RGB, and alpha that is the same everywhere.

JPEG XL and `lossless` find both by themselves, so that alone they save nothing; but a gray plane or an opaque picture
may have an origin of its own, which is hidden until they are gone.

Facts: version uint8 = 1 | bit 0: three equal colours; bit 1: constant alpha | alpha uint16 LE, 0 without bit 1.
"""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np

from tilepress.codecs.codec import COLOUR_PLANES, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import Guess, Origin, Recovered
from tilepress.codecs.origins.sample import SAMPLE, scattered

_FACTS = struct.Struct("<BBH")
_VERSION, _GRAY, _ALPHA = 1, 1, 2
_FEW = 64  # pixels that are looked at first


class Planes(Origin):
    """R = G = B, constant alpha, or both; what is left is the one picture without them."""

    id = "planes"
    pixelwise = True

    def detect(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        """Look at a sample whether colours are equal, or alpha constant."""
        for count in (_FEW, SAMPLE):
            pixels = picture.reshape(-1, spec.channels).take(scattered(spec.height * spec.width, count), axis=0)
            if not _kinds(pixels, spec):
                return None  # as it is with most pictures after a few pixels
        return Guess(self.id, 1.0, alone=False)

    def invert(self, picture: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
        """Return the picture without what follows from the rest; None if nothing does."""
        kinds = _kinds(picture.reshape(-1, spec.channels), spec)
        if not kinds:
            return None
        alpha = int(picture[0, 0, -1]) if kinds & _ALPHA else 0
        planes = 1 if kinds & _GRAY else COLOUR_PLANES[spec.colour]
        left = picture[..., :planes] if kinds & _ALPHA else np.delete(picture, [1, 2], axis=2)
        return Recovered(_FACTS.pack(_VERSION, kinds, alpha), (np.ascontiguousarray(left),))

    def plane_specs(self, facts: bytes, spec: TileSpec) -> tuple[TileSpec, ...]:
        """Return the one plane: gray or coloured, with alpha or without."""
        kinds, _ = _read(facts, spec)
        colour = "gray" if kinds & _GRAY else spec.colour
        alpha = spec.alpha and not kinds & _ALPHA
        return (replace(spec, colour=colour, channels=COLOUR_PLANES[colour] + alpha),)

    def apply(self, recovered: Recovered, spec: TileSpec) -> np.ndarray:
        """Repeat what is equal, and fill alpha."""
        kinds, alpha = _read(recovered.facts, spec)
        (plane,), colours = recovered.planes, COLOUR_PLANES[spec.colour]
        picture = np.empty(spec.shape, spec.dtype)
        picture[..., :colours] = plane[..., : 1 if kinds & _GRAY else colours]
        if spec.alpha:
            picture[..., -1] = alpha if kinds & _ALPHA else plane[..., -1]
        return picture

    def describe(self, recovered: Recovered) -> str:
        """Return which of the two it is."""
        kinds, alpha = _parsed(recovered.facts)
        words = ["gray in RGB"] * bool(kinds & _GRAY) + [f"alpha {alpha} everywhere"] * bool(kinds & _ALPHA)
        return ", ".join(words)


def _kinds(pixels: np.ndarray, spec: TileSpec) -> int:
    """What holds of pixels (n, channels)."""
    kinds = 0
    if spec.colour == "rgb" and (pixels[:, 0] == pixels[:, 1]).all() and (pixels[:, 0] == pixels[:, 2]).all():
        kinds |= _GRAY
    if spec.alpha and (pixels[:, -1] == pixels[0, -1]).all():
        kinds |= _ALPHA
    return kinds


def _parsed(facts: bytes) -> tuple[int, int]:
    """Kinds and alpha."""
    if len(facts) != _FACTS.size or facts[0] != _VERSION:
        raise StreamError("facts of an origin `planes` are of another size or version")
    _, kinds, alpha = _FACTS.unpack(facts)
    return kinds, alpha


def _read(facts: bytes, spec: TileSpec) -> tuple[int, int]:
    """Kinds and alpha; StreamError if such a picture has neither."""
    kinds, alpha = _parsed(facts)
    fits = 0 < kinds <= _GRAY | _ALPHA and not (kinds & _GRAY and spec.colour != "rgb")
    if not fits or (kinds & _ALPHA and not spec.alpha) or alpha > (spec.maximum if kinds & _ALPHA else 0):
        raise StreamError("facts of an origin `planes` are not of such a picture")
    return kinds, alpha
