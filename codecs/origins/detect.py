"""The first look: every rule that there is, and which of them may explain a picture."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import UnknownCodecError
from tilepress.codecs.origins.base import Guess, Origin
from tilepress.codecs.origins.demosaic.rule import Demosaic
from tilepress.codecs.origins.depth import Depth
from tilepress.codecs.origins.inset.rule import Inset
from tilepress.codecs.origins.jpeg.rule import Jpeg
from tilepress.codecs.origins.planes import Planes
from tilepress.codecs.origins.sample import shared_sample
from tilepress.codecs.origins.scale import Scale
from tilepress.codecs.origins.ycc.origin import Ycc

# In the order in which they are tried: rules that undo what was done last come first, then those that save most: a JPEG
# is YCbCr, too. That only a part was one is found sooner than that not all of it was. Ids are permanent: archives refer
# to them.
ORIGINS: tuple[Origin, ...] = (Planes(), Depth(), Scale(), Demosaic(), Inset(), Jpeg(), Ycc())
SURE = 0.5  # confidence from which on the order of rules counts, and below which confidence does
MIN_PIXELS = 1 << 14  # of a picture that is looked at: for smaller ones a look costs more time than it saves


def origin(origin_id: str) -> Origin:
    """Return the rule of an id. UnknownCodecError if there is none."""
    for rule in ORIGINS:
        if rule.id == origin_id:
            return rule
    known = ", ".join(rule.id for rule in ORIGINS)
    raise UnknownCodecError(f"There is no origin named {origin_id!r}. There are: {known}.")


def look(picture: np.ndarray, spec: TileSpec) -> list[Guess]:
    """Return the guesses of all rules: sure ones in the order of ORIGINS, then the others, the most confident first.

    None for small pictures.

    Args:
        picture: (h, w, c), uint8 or uint16.
        spec: Of the whole picture.
    """
    if spec.height * spec.width < MIN_PIXELS:
        return []
    with shared_sample(picture):
        guesses = [rule.detect(picture, spec) for rule in ORIGINS if spec.colour in rule.colours]
    return sorted((guess for guess in guesses if guess is not None), key=lambda guess: -min(guess.confidence, SURE))
