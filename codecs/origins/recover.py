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

WORTH = 0.98  # of the estimated bytes of a picture: what it was made from has to be below
CLEAR = 0.75  # of the same: below, neither a better estimate nor another guess is tried
_PATCHED = 8  # exceptions are larger than one in so many bytes of a JPEG: not all of the picture may be of it
_TRIES = 3  # guesses at one picture that are followed
_MOST_EXCEPTIONS = 0.5  # of the pixels: beyond, a rule explains nothing
_FAST, _GOOD = Settings(effort=3), Settings()  # of JPEG XL: the latter finds palettes and repetitions by itself
_SIDE, _MOST_TILES = 512, 16  # of the tiles that an estimate is made from


def recover(picture: np.ndarray, spec: TileSpec) -> Chain | None:
    """Return what a picture was made from, if that is likely to take fewer bytes; None otherwise.

    `reproduce` makes the picture of it again, to the last bit: every rule was applied, and where it was wrong is kept.
    A picture without a guess costs a look. Others are weighed against their planes, by JPEG XL of some tiles.

    Args:
        picture: (h, w, c), uint8 or uint16.
        spec: Of the whole picture.
    """
    return _recover(picture, spec, MAX_STEPS) if JpegXl().supports(spec) else None


def _recover(picture: np.ndarray, spec: TileSpec, most_steps: int) -> Chain | None:
    """What the first guess that saves much, else the one that saves most, gives; with what its plane was made from."""
    best, least = None, WORTH
    for guess in look(picture, spec)[:_TRIES]:
        recovered = origin(guess.origin).invert(picture, spec, guess)
        if recovered is None:
            continue
        below = _below(guess, recovered, spec, most_steps)
        if below is None and not guess.alone:
            return None  # the plane is all of the picture, in a plainer form: no other rule would see more in it
        step = _proven(guess, recovered, picture, spec)
        if step is None:
            continue
        chain = Chain((step,), recovered.planes, recovered.file)
        if below is not None:
            chain = replace(below, steps=(step, *below.steps))
        if not guess.alone:
            return chain
        share = _share(chain, picture, spec)
        if share < least:
            best, least = chain, share
        if (share < CLEAR and not _is_patched(chain)) or _is_plain(recovered, step):
            return best
    return best


def _is_patched(chain: Chain) -> bool:
    """Tell whether exceptions of a file are so large that a part of the picture may be no part of the file."""
    return bool(chain.file) and _PATCHED * len(chain.steps[-1].exceptions) > len(chain.file)


def _is_plain(recovered: Recovered, step: Step) -> bool:
    """Tell whether a rule gave one plane and no exceptions: all of the picture, in which no other rule sees more."""
    return len(recovered.planes) == 1 and not recovered.file and not step.exceptions


def _below(guess: Guess, recovered: Recovered, spec: TileSpec, most_steps: int) -> Chain | None:
    """What the plane was made from, if there is one plane and nothing else."""
    if most_steps == 1 or len(recovered.planes) != 1 or recovered.file:
        return None
    (plane_spec,) = origin(guess.origin).plane_specs(recovered.facts, spec)
    return _recover(recovered.planes[0], plane_spec, most_steps - 1)


def _proven(guess: Guess, recovered: Recovered, picture: np.ndarray, spec: TileSpec) -> Step | None:
    """Apply a rule, and keep where it is wrong; None if it explains too little."""
    from tilepress.codecs.origins.exceptions import pack_exceptions  # loads numba

    made = origin(guess.origin).apply(recovered, spec)
    if (made != picture).any(axis=2).mean() > _MOST_EXCEPTIONS:
        return None
    return Step(guess.origin, recovered.facts, pack_exceptions(picture, made, spec))


def _share(chain: Chain, picture: np.ndarray, spec: TileSpec) -> float:
    """Bytes of a chain to those of its picture: by a quick estimate if that is clear, else by a good one."""
    specs, size = plane_specs(chain.steps, spec), len(chain.file) + len(pack_steps(chain.steps))
    share = 1.0
    for effort in (_FAST, _GOOD):
        planes = sum(_estimate(*plane, effort) for plane in zip(chain.planes, specs, strict=True))
        share = (planes + size) / _estimate(picture, spec, effort)
        if share < CLEAR:
            break
    return share


def _estimate(picture: np.ndarray, spec: TileSpec, effort: Settings) -> int:
    """Bytes that a picture takes, about: those of its tiles, or of some of them if there are many."""
    tiles = list(_tiles(spec))
    chosen = tiles[:: -(-len(tiles) // _MOST_TILES)]
    cut = [np.ascontiguousarray(picture[place]) for place in chosen]
    specs = [replace(spec, height=tile.shape[0], width=tile.shape[1]) for tile in cut]
    size = sum(len(JpegXl().encode_tile(tile, one, effort)) for tile, one in zip(cut, specs, strict=True))
    return size * picture.size // sum(tile.size for tile in cut)


def _tiles(spec: TileSpec) -> Iterator[tuple[slice, slice]]:
    for y in range(0, spec.height, _SIDE):
        yield from ((slice(y, y + _SIDE), slice(x, x + _SIDE)) for x in range(0, spec.width, _SIDE))
