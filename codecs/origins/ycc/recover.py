"""From a picture to luma and chroma samples: all three planes, under a known conversion and sampling."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.origins.ycc.chroma import begin_samples, fill_samples, relax
from tilepress.codecs.origins.ycc.colours import Colour, hints_of
from tilepress.codecs.origins.ycc.conversion import find_preimages
from tilepress.codecs.origins.ycc.growth import grow, loosen, spiral
from tilepress.codecs.origins.ycc.luma import settle_luma
from tilepress.codecs.origins.ycc.polish import Samples, Scene, find_wrong, polish
from tilepress.codecs.origins.ycc.sampling import FANCY, Lattice, Sampling
from tilepress.codecs.origins.ycc.upsampling import full_chroma

_SWEEPS = 12  # of `relax`: each halves what is wrong
_NEEDS = (4,) * 16 + (3,) * 8 + (1, 1)  # of `grow`, turn by turn: edges first, then what they leave
_ROUNDS = 6  # of growing anew what came out wrong, from the other side
_GAIN = 0.95  # of the wrong pixels two rounds before, of the same side: a round that leaves more is the last one
_POLISHES, _ALONE = 7, 2


def scene_of(picture: np.ndarray, colour: Colour) -> Scene:
    """Return what the colours of a picture uint8 (h, w, 3 or more) tell of luma and chroma."""
    height, width = picture.shape[:2]
    planes, known = np.zeros((3, height, width), np.uint8), np.zeros((height, width), np.uint8)
    hints, picture = hints_of(colour), np.array(picture, order="C")  # kernels would be compiled anew for a constant one
    find_preimages(picture, colour.tables, colour.shift, hints, planes, known)
    return Scene(picture, planes, known, colour.tables, np.array([colour.shift]), hints)


def planes_of(scene: Scene, sampling: Sampling) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return luma uint8 (h, w), and chroma samples U, V uint8 (rows, columns): as many pixels as can be come out right.

    The luma of `scene` is changed.
    """
    lattice = sampling.lattice(*scene.known.shape)
    samples = first_samples(scene, sampling, lattice)
    _grow(scene, samples, lattice)
    polish_samples(scene, samples, lattice)
    u, v = samples.now.astype(np.uint8)
    settle_luma(scene, full_chroma(u, lattice), full_chroma(v, lattice))
    return scene.planes[0], u, v


def first_samples(scene: Scene, sampling: Sampling, lattice: Lattice, sweeps: int = _SWEEPS) -> Samples:
    """Return the chroma samples that known pixels tell, rounded; `sweeps` of `relax` where they need that."""
    shape = sampling.shape(*scene.known.shape)
    estimate, there = np.zeros((2, *shape)), np.zeros(shape, np.uint8)
    for full, out in zip(scene.planes[1:], estimate, strict=True):
        begin_samples(full, scene.known, lattice, out, there)
        if sampling.kind == FANCY:
            fill_samples(out, there.copy())
            relax(full, scene.known, lattice, out, sweeps)
    start = np.clip(np.rint(estimate), 0, 255).astype(np.int64)
    return Samples(start.copy(), start, there)


def _grow(scene: Scene, samples: Samples, lattice: Lattice) -> None:
    """Settle the samples that nothing was known of; what comes out wrong is tried again from the other side."""
    steps, bad = spiral(), np.empty_like(scene.known)
    if not samples.there.any():
        samples.there[0, 0] = 1  # no pixel tells anything: all chroma is as good
    best, wrongs = samples.now.copy(), [scene.known.size + 1] * 2
    for turn in range(_ROUNDS):
        for step, need in enumerate(_NEEDS):
            if not grow(scene, samples, lattice, steps, need, (turn + step) & 1):
                break
        wrongs.append(int(find_wrong(scene, samples, lattice, bad)))
        if wrongs[-1] < min(wrongs[:-1]):
            best = samples.now.copy()
        if wrongs[-1] >= _GAIN * wrongs[-3] or turn == _ROUNDS - 1 or not loosen(samples, lattice, bad):
            break
    samples.now[...] = best


def polish_samples(scene: Scene, samples: Samples, lattice: Lattice, rounds: int = _POLISHES) -> None:
    """Move samples beside wrong pixels until that helps no more; alone in the first rounds, in pairs afterwards."""
    bad = np.empty_like(scene.known)
    for turn in range(rounds):
        if not find_wrong(scene, samples, lattice, bad) or not polish(scene, samples, lattice, bad, turn >= _ALONE):
            break
