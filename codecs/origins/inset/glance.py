"""A glance at whether a part of a picture may have been a JPEG, without a compiled kernel.

A decoder gives one colour in four, and no others: where a JPEG is, all colours are such, next to each other. Of a
sample in rows and columns, small windows are looked for in which that is so; the likeliest are looked at closely.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.origins.jpeg.glance import members, telling

_STEP, _SIDE = 8, 3  # between the samples, in pixels; of a window, in samples
_LEAST = 4  # samples of a window that tell something, all of them for a JPEG
_LOOKED_AT, _CLOSE = 8, 2  # windows that are looked at closely, and between the pixels of those
_MEMBERS, _TELLING = 0.97, 0.2  # of the pixels of such a window that tell something, and those of all


def may_have_inset(picture: np.ndarray) -> bool:
    """Tell whether a part of a picture (h, w, 3) uint8, 32 pixels at least high and wide, may have been a JPEG."""
    sample = np.ascontiguousarray(picture[::_STEP, ::_STEP].transpose(2, 0, 1))
    if min(sample.shape[1:]) < _SIDE:
        return False
    tells = telling(sample)
    against = tells & ~members(sample)
    likely = np.where(_sums(against) == 0, _sums(tells), 0)
    best = np.argsort(likely, axis=None)[: -_LOOKED_AT - 1 : -1]
    y, x = np.unravel_index(best[likely.flat[best] >= _LEAST], likely.shape)
    return len(y) > 0 and _any_is_jpeg(picture, y * _STEP, x * _STEP)


def _sums(marked: np.ndarray) -> np.ndarray:
    """How many are marked in each window, uint8: of bool (h, w)."""
    counts = marked.view(np.uint8)
    for _ in range(2):  # along columns, then along rows
        count = len(counts) - _SIDE + 1
        counts = np.add.reduce([counts[at : at + count] for at in range(_SIDE)], dtype=np.uint8).T
    return counts


def _any_is_jpeg(picture: np.ndarray, y: np.ndarray, x: np.ndarray) -> bool:
    """Tell whether in one of the windows at `y`, `x` nearly all pixels are of colours that a decoder gives."""
    inside = np.arange(0, (_SIDE - 1) * _STEP + 1, _CLOSE)
    pixels = picture[y[:, None, None] + inside[:, None], x[:, None, None] + inside]
    colours = np.ascontiguousarray(np.moveaxis(pixels, 3, 0))
    tells = telling(colours)
    counts, made = ((marked.sum(axis=(1, 2))) for marked in (tells, tells & members(colours)))
    return bool(((counts >= _TELLING * tells[0].size) & (made >= _MEMBERS * counts)).any())
