"""Which conversion a picture's colours came from, and how its chroma was sampled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.origins.sample import distinct_colours
from tilepress.codecs.origins.ycc.colours import COLOURS, Colour, hints_of
from tilepress.codecs.origins.ycc.conversion import find_preimages
from tilepress.codecs.origins.ycc.glance import FEW
from tilepress.codecs.origins.ycc.growth import count_agreement
from tilepress.codecs.origins.ycc.polish import Scene
from tilepress.codecs.origins.ycc.recover import first_samples, polish_samples
from tilepress.codecs.origins.ycc.sampling import FANCY, FULL, MIDWAY, REPLICATED, Axis, Sampling, samplings

_GLANCE = 256  # colours that every conversion is tried with
_GLANCED, _EXPLAINED = 0.7, 0.85  # of those, and of all that were sampled: from here on a conversion is likely
_BEYOND = 0.5  # of the explained: what has to become inexplicable when green is one more
_HINTS = {number: hints_of(colour) for number, colour in COLOURS.items()}

_GRID, _WINDOW, _WINDOWS = 240, 64, 4  # of samplings: 240 rows are 256 of a lattice of which every 16th is gone
_SURE, _AGREES = 0.985, 0.93  # of known pixels: what settles the question, and the least that will do
_PROMISING = 0.75  # before samples that are rounded wrongly here and there are polished
_FEW_SWEEPS, _ROUNDS = 5, 3  # of the estimates that are only compared
_NEARLY = 0.01  # what a sampling of fewer samples may explain less
_THINNED = [Axis(half=True, phase=phase, period=15) for phase in range(2)]


def conversion_of(picture: np.ndarray, spec: TileSpec) -> tuple[Colour, float] | None:
    """Return the conversion that most distinct colours of a picture came from, and their share beyond chance.

    None if too few colours did. Those with 0 or 255 do not count, nor do grays, which all conversions can make.
    """
    colours = distinct_colours(picture, spec)
    inside = (colours.min(axis=1) > 0) & (colours.max(axis=1) < 255) & (np.ptp(colours, axis=1) > 0)
    colours = colours[inside]
    if len(colours) < FEW:
        return None
    glance = colours[:: -(-len(colours) // _GLANCE)]
    likely = [colour for colour in COLOURS.values() if _share(glance, colour) >= _GLANCED]
    shares = {colour.number: _share(colours, colour) for colour in likely}
    if not shares or max(shares.values()) < _EXPLAINED:
        return None
    best = COLOURS[max(shares, key=lambda number: shares[number])]
    chance = _share(colours + np.array([0, 1, 0], np.uint8), best)
    confidence = (shares[best.number] - chance) / (1 - min(chance, 0.99))
    return (best, confidence) if chance < _BEYOND * shares[best.number] else None


def _share(colours: np.ndarray, colour: Colour) -> float:
    """Share of colours (n, 3) that have a preimage, of those without 0 and 255."""
    row = np.ascontiguousarray(colours[None])
    planes, known = np.empty((3, *row.shape[:2]), np.uint8), np.empty(row.shape[:2], np.uint8)
    find_preimages(row, colour.tables, colour.shift, _HINTS[colour.number], planes, known)
    return float((known == 1).sum() / max((known != 2).sum(), 1))


def sampling_of(scene: Scene) -> Sampling:
    """Return how the chroma of a picture was sampled: full size where no sampling of half size explains it."""
    windows = list(_windows(scene))
    plain = list(samplings())
    thinned = [Sampling(MIDWAY, y, x) for y in _THINNED for x in _THINNED]
    simple = [sampling for sampling in plain if sampling.kind in (REPLICATED, MIDWAY)]
    fancy = [sampling for sampling in plain if sampling.kind == FANCY]  # last, since it takes by far the longest
    shares: dict[Sampling, float] = {}
    for candidates in (simple, thinned, fancy):
        shares |= {candidate: _agreement(windows, candidate) for candidate in candidates}
        if max(shares.values()) >= _SURE:
            break
    else:
        best = max(fancy, key=lambda sampling: shares[sampling])
        if shares[best] >= _PROMISING:
            shares[best] = _agreement(windows, best, polished=True)
    enough = max(*shares.values(), _AGREES) - _NEARLY
    likely = [sampling for sampling, share in shares.items() if share >= enough]
    return min(likely, key=_fullness, default=Sampling(FULL, Axis(), Axis()))


def _fullness(sampling: Sampling) -> int:
    """Axes of full size."""
    return 2 - sampling.vertical.half - sampling.horizontal.half


def _agreement(windows: list[Scene], sampling: Sampling, *, polished: bool = False) -> float:
    """Share of the known pixels whose chroma is what its samples, as far as they are known, make of it.

    Samples that never stand alone are rounded wrongly in some places unless they are `polished`, which takes long.
    """
    right = counted = 0
    for window in windows:
        lattice = sampling.lattice(*window.known.shape)
        samples, counts = first_samples(window, sampling, lattice, _FEW_SWEEPS), np.zeros(2, np.int64)
        if polished:
            polish_samples(window, samples, lattice, _ROUNDS)
        count_agreement(window, samples, lattice, counts)
        right, counted = right + int(counts[0]), counted + int(counts[1])
    return right / max(counted, 1)


def _windows(scene: Scene) -> Iterator[Scene]:
    """Return the parts of a picture in which chroma changes most."""
    height, width = scene.known.shape
    places = [
        (slice(y, y + _WINDOW), slice(x, x + _WINDOW)) for y in range(0, height, _GRID) for x in range(0, width, _GRID)
    ]
    places.sort(key=lambda place: -_changes(scene, place))
    for place in places[:_WINDOWS]:
        picture, planes, known = scene.picture[place].copy(), scene.planes[:, *place].copy(), scene.known[place].copy()
        yield scene._replace(picture=picture, planes=planes, known=known)


def _changes(scene: Scene, place: tuple[slice, slice]) -> int:
    """Count the neighbours of known, different chroma."""
    u, known = scene.planes[1][place], scene.known[place] == 1
    down = (u[1:] != u[:-1]) & known[1:] & known[:-1]
    across = (u[:, 1:] != u[:, :-1]) & known[:, 1:] & known[:, :-1]
    return int(down.sum()) + int(across.sum())
