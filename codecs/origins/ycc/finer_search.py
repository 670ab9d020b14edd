"""From a picture to luma and chroma samples, where swscale interpolated the chroma with more bits than samples have.

Every colour has some luma under such chroma, so that single colours tell nothing; their chroma, to within half a level,
follows from them. Samples are what makes the chroma of all their pixels, solved for by turns, and whole numbers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tilepress.codecs.origins.ycc.chroma import TOLD, fill_samples
from tilepress.codecs.origins.ycc.finer import settle_fine_luma
from tilepress.codecs.origins.ycc.finer_filters import Filter, estimated_chroma, filters, parameters
from tilepress.codecs.origins.ycc.finer_mend import find_wrong_colours, fine_of, mend
from tilepress.codecs.origins.ycc.finer_relax import begin_fine, relax_fine
from tilepress.codecs.origins.ycc.growth import spiral
from tilepress.codecs.origins.ycc.sampling import Sampling

_MENDS, _STEPS = 4, 3  # times that wrong pixels are looked at; how far samples are moved in each, U and V together
_TURNS = 8


def fine_planes(picture: np.ndarray, number: int, sampling: Sampling) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return luma uint8 (h, w), and chroma samples U, V uint8 (rows, columns), of a picture uint8 (h, w, 3 or more).

    `number`: the conversion, one of EXACT_SWSCALE.
    """
    p, (vertical, horizontal) = parameters(number), filters(sampling, *picture.shape[:2])
    known = (picture[:, :, :3].min(axis=2) > 0) & (picture[:, :, :3].max(axis=2) < 255)
    samples = np.stack([samples_of(plane, known, sampling) for plane in estimated_chroma(picture, number)])
    fine = fine_of(np.array(picture, order="C"), samples, p, sampling, vertical, horizontal)
    wrong, steps = np.empty(known.shape, np.uint8), spiral()
    near = np.ascontiguousarray(steps[steps[:, 2] <= _STEPS])
    for _ in range(_MENDS):
        if not find_wrong_colours(fine, wrong) or not mend(fine, wrong, near, vertical, horizontal):
            break
    luma, (u, v) = np.zeros(known.shape, np.uint8), (fine.sums >> 10).astype(np.int32)
    settle_fine_luma(fine.picture, u, v, p, luma, wrong)
    return luma, fine.samples[0], fine.samples[1]


def samples_of(plane: np.ndarray, known: np.ndarray, sampling: Sampling, turns: int = _TURNS) -> np.ndarray:
    """Return samples uint8 (rows, columns) of chroma float32 (h, w), right where it is `known`, bool (h, w).

    `turns`: each leaves about a third of what is wrong.
    """
    samples: np.ndarray = np.clip(np.rint(_relaxed(plane, known, sampling, turns)[0]), 0, 255).astype(np.uint8)
    return samples


def leftover(plane: np.ndarray, known: np.ndarray, sampling: Sampling, turns: int) -> float:
    """Return how far the same chroma is from what samples make of it: the root of the mean square, in levels."""
    return float(np.sqrt(_relaxed(plane, known, sampling, turns)[1] / max(int(known.sum()), 1)))


def _relaxed(plane: np.ndarray, known: np.ndarray, sampling: Sampling, turns: int) -> tuple[np.ndarray, float]:
    """Samples, float64 (rows, columns), and the sum of the squares of what they leave of the known chroma."""
    height, width = plane.shape
    vertical, horizontal, own_rows, own_columns, own_weight = _geometry(sampling, height, width)
    out, count, room = (np.zeros(sampling.shape(height, width)) for _ in range(3))
    begin_fine(plane, known, own_rows, own_columns, out, count)
    fill_samples(out, np.where(count > 0, TOLD, 0).astype(np.uint8))
    count *= own_weight
    wide, left = np.empty((len(out), width)), 0.0
    for _ in range(turns):
        left = relax_fine(plane, known, vertical, horizontal, own_rows, own_columns, out, count, wide, room)
    return out, float(left)


@lru_cache(maxsize=64)  # a look relaxes windows of one size by the same samplings, picture after picture
def _geometry(sampling: Sampling, height: int, width: int) -> tuple[Filter, Filter, np.ndarray, np.ndarray, float]:
    """Filters of rows and of columns, the samples nearest to those, and the weight that these have there."""
    vertical, horizontal = filters(sampling, height, width)
    own_rows = sampling.vertical.positions(height) >> sampling.vertical.half
    own_columns = sampling.horizontal.positions(width) >> sampling.horizontal.half
    return vertical, horizontal, own_rows, own_columns, _own_weight(vertical) * _own_weight(horizontal)


def _own_weight(along: Filter) -> float:
    """Share that samples have in their own pixels, on average."""
    return float(along.weights.max(axis=1).mean() / along.weights[0].sum())
