"""The search for what a picture was made from: guesses tried, proven by making the picture again, and weighed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.origins.base import Guess, Recovered
from tilepress.codecs.origins.chain import MAX_STEPS, Chain, Step, pack_steps, plane_specs
from tilepress.codecs.origins.detect import look, origin
from tilepress.codecs.origins.exceptions import pack_exceptions

WORTH = 0.98  # of the estimated bytes of a picture: what it was made from has to be below
_TRIES = 3  # guesses at one picture that are followed
_MOST_EXCEPTIONS = 0.5  # of the pixels: beyond, a rule explains nothing
_FAST = Settings(effort=3)  # of JPEG XL, for estimates: ten times as fast as what archives hold, and a tenth larger
_SIDE, _MOST_TILES = 512, 64  # of the tiles that an estimate is made from


def recover(picture: np.ndarray, spec: TileSpec) -> Chain | None:
    """Return what a picture was made from, if that is likely to take fewer bytes; None otherwise.

    `reproduce` makes the picture of it again, to the last bit: every rule was applied, and where it was wrong is kept.
    A picture without a guess costs a look. Others are weighed against their planes by fast JPEG XL.

    Args:
        picture: (h, w, c), uint8 or uint16.
        spec: Of the whole picture.
    """
    return _recover(picture, spec, MAX_STEPS) if JpegXl().supports(spec) else None


def _recover(picture: np.ndarray, spec: TileSpec, most_steps: int) -> Chain | None:
    """The first guess that is worth it, with what its only plane was made from in turn."""
    for guess in look(picture, spec)[:_TRIES]:
        followed = _follow(picture, spec, guess)
        if followed is None:
            continue
        step, recovered = followed
        chain, specs = Chain((step,), recovered.planes, recovered.file), plane_specs((step,), spec)
        is_picture = len(specs) == 1 and not recovered.file
        below = _recover(recovered.planes[0], specs[0], most_steps - 1) if is_picture and most_steps > 1 else None
        if below is not None:
            chain = replace(below, steps=(step, *below.steps))
        if _is_worth(chain, picture, spec) if guess.alone else below is not None:
            return chain
        if is_picture and not step.exceptions:
            return None  # the plane is all of the picture, in a plainer form: no other rule would see more in it
    return None


def _follow(picture: np.ndarray, spec: TileSpec, guess: Guess) -> tuple[Step, Recovered] | None:
    """Invert a rule and apply it again; None if it explains too little."""
    rule = origin(guess.origin)
    recovered = rule.invert(picture, spec, guess)
    if recovered is None:
        return None
    made = rule.apply(recovered, spec)
    if (made != picture).any(axis=2).mean() > _MOST_EXCEPTIONS:
        return None
    return Step(rule.id, recovered.facts, pack_exceptions(picture, made, spec)), recovered


def _is_worth(chain: Chain, picture: np.ndarray, spec: TileSpec) -> bool:
    specs = plane_specs(chain.steps, spec)
    planes = sum(map(_estimate, chain.planes, specs))
    size = planes + len(chain.file) + len(pack_steps(chain.steps))
    return size < WORTH * _estimate(picture, spec)


def _estimate(picture: np.ndarray, spec: TileSpec) -> int:
    """Bytes that a picture takes, about: those of its tiles, or of some of them if there are many."""
    tiles = list(_tiles(spec))
    chosen = tiles[:: -(-len(tiles) // _MOST_TILES)]
    cut = [np.ascontiguousarray(picture[place]) for place in chosen]
    size = sum(len(_coded(tile, replace(spec, height=tile.shape[0], width=tile.shape[1]))) for tile in cut)
    return size * picture.size // sum(tile.size for tile in cut)


def _tiles(spec: TileSpec) -> Iterator[tuple[slice, slice]]:
    for y in range(0, spec.height, _SIDE):
        yield from ((slice(y, y + _SIDE), slice(x, x + _SIDE)) for x in range(0, spec.width, _SIDE))


def _coded(tile: np.ndarray, spec: TileSpec) -> bytes:
    return JpegXl().encode_tile(tile, spec, _FAST)
