"""Origin `jpeg`: pictures whose pixels a JPEG decoder made. They are stored as that JPEG, built again."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.jpeg.file.coefficients import MAX_SIDE, SAMPLINGS
from tilepress.codecs.jpeg.file.tables import CHROMA, LUMA, quality_of
from tilepress.codecs.origins.base import Guess, Origin, Recovered
from tilepress.codecs.origins.jpeg.facts import Facts, read_facts
from tilepress.codecs.origins.jpeg.glance import members
from tilepress.codecs.origins.jpeg.search.grid import find_grid
from tilepress.codecs.origins.sample import distinct_colours, shared
from tilepress.codecs.origins.ycc.colours import JFIF
from tilepress.codecs.origins.ycc.glance import FIRST_PIXELS, likely_conversions

_LEAST_COLOURS = 64  # distinct ones, that are not clipped, to tell anything from
_CHANCE = 0.25  # of a colour to be one that YCbCr gives
_MEMBERS = 0.8  # of the colours beyond chance are such
_LOOK = 24  # windows of a first look at gray pictures
_EXPLAINED = 0.5  # of the pixels at least: below, the JPEG is not worth its bytes


class Jpeg(Origin):
    """Decoded by one of DECODERS: 4:4:4, 4:2:2, 4:4:0, 4:2:0 and gray, any steps of 8 bits, cropped anywhere."""

    id: ClassVar[str] = "jpeg"
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb"})

    def detect(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        """Look at distinct colours, of which one in four is one that YCbCr gives; at gray pictures for a grid."""
        if spec.dtype != "uint8" or spec.bit_depth != 8 or spec.alpha:
            return None
        if max(spec.height, spec.width) > MAX_SIDE - 16:
            return None
        if spec.colour == "rgb":
            coloured = _are_coloured(distinct_colours(picture, spec, FIRST_PIXELS))
            if coloured and JFIF not in likely_conversions(picture, spec, grays=True):
                return None  # as it is with most pictures
            colours = distinct_colours(picture, spec)
            if _are_coloured(colours):
                return self._guess_colour(colours)
        grid = shared_grid(picture)
        return None if grid is None else Guess(self.id, grid[2])

    def _guess_colour(self, colours: np.ndarray) -> Guess | None:
        inner = colours[(colours.min(axis=1) > 0) & (colours.max(axis=1) < 255)]
        if len(inner) < _LEAST_COLOURS:
            return None
        share = (np.count_nonzero(members(inner.T)) / len(inner) - _CHANCE) / (1 - _CHANCE)
        return Guess(self.id, share) if share >= _MEMBERS else None

    def invert(self, picture: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
        """Return the JPEG that explains most pixels found; None where it explains less than half of them."""
        from tilepress.codecs.jpeg.file.writer import write_file  # loads numba, as all of the search does
        from tilepress.codecs.origins.jpeg.search.recover import recover_jpeg

        planes = picture[:, :, :1] if (picture == picture[:, :, :1]).all() else picture
        found = recover_jpeg(planes)
        if found is None or found.wrong > (1 - _EXPLAINED) * spec.height * spec.width:
            return None
        facts = Facts(found.decoder, found.turn, found.top, found.left)
        return Recovered(facts.pack(), file=write_file(found.image))

    def plane_specs(self, facts: bytes, spec: TileSpec) -> tuple[TileSpec, ...]:
        """Return (): all is in the file."""
        read_facts(facts)
        return ()

    def apply(self, recovered: Recovered, spec: TileSpec) -> np.ndarray:
        """Decode the file, in integers."""
        from tilepress.codecs.jpeg.decode import decode
        from tilepress.codecs.jpeg.decoders import DECODERS
        from tilepress.codecs.jpeg.file.reader import read_blocks_of, read_header

        facts = read_facts(recovered.facts)
        if recovered.planes or spec.dtype != "uint8" or spec.channels not in (1, 3):
            raise StreamError("the origin jpeg makes pictures of one or three channels of 8 bits, of a file alone")
        header = read_header(recovered.file)
        if (header.height, header.width) != facts.size(spec) or len(header.tables) > spec.channels:
            raise StreamError("JPEG file: it is not of the size of its picture")
        picture = facts.cut(decode(read_blocks_of(header), DECODERS[facts.decoder]))
        return np.ascontiguousarray(np.broadcast_to(picture, spec.shape))

    def describe(self, recovered: Recovered) -> str:
        """Return such as "JPEG, quality 95, 4:2:0, libjpeg-turbo"."""
        from tilepress.codecs.jpeg.decoders import DECODERS
        from tilepress.codecs.jpeg.file.reader import read_header

        facts, header = read_facts(recovered.facts), read_header(recovered.file)
        quality = quality_of(header.tables[0], LUMA)
        chroma = quality_of(header.tables[-1], CHROMA) if len(header.tables) > 1 else quality
        steps = f"quality {quality}" if quality and quality == chroma else "tables of its own"
        (sampling,) = (name for name, factors in SAMPLINGS.items() if factors == header.sampling)
        sampling = "gray" if len(header.tables) == 1 else sampling
        changes = ["cropped"] * bool(facts.top or facts.left) + ["turned"] * bool(facts.turn)
        return ", ".join(["JPEG", steps, sampling, DECODERS[facts.decoder].name, *changes])


def _are_coloured(colours: np.ndarray) -> bool:
    return bool((colours != colours[:, :1]).any())


def shared_grid(picture: np.ndarray) -> tuple[int, int, float] | None:
    """Return what `find_grid` tells at a first look at a gray picture (h, w, c) uint8; the origin `inset` asks, too."""
    return shared(picture, ("grid",), lambda: find_grid(picture[:, :, 0], _LOOK))
