"""A glance at a few colours: which conversions may have made a picture of luma and chroma. No kernel is loaded for it.

Most pictures have none. Of a conversion's own colours nearly all are found; of others those that it makes by chance,
one in four at most, so that some dozens tell.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.origins.sample import distinct_colours, shared
from tilepress.codecs.origins.ycc.colours import BLUE, COLOURS, GREEN_U, GREEN_V, LUMA, RED, hints_of

FEW = 64  # distinct colours of a whole sample: fewer tell nothing
FIRST_PIXELS = 256  # that are drawn at first
_LEAST = 48  # distinct colours among them: of fewer, all that are drawn are looked at
_MORE = 512  # colours that are looked at if those few do not tell
_PERHAPS, _LIKELY = 0.45, 0.55  # of the few colours, and of more, that a conversion makes if it is looked at closely
_NUMBERS = np.array(list(COLOURS))


def likely_conversions(picture: np.ndarray, spec: TileSpec, *, grays: bool) -> frozenset[int]:
    """Return the numbers of the conversions that may have made half of a few distinct colours.

    Colours with 0 or 255 do not count, nor do grays unless `grays`: all conversions make those. None where there are
    too few colours for closer looks, too.

    Args:
        picture: (h, w, 3 or more) uint8.
        spec: Of the whole picture.
        grays: Whether grays count.
    """
    gray, made = shared(picture, ("first colours",), lambda: _first(picture, spec))
    if not grays:
        made = made[:, ~gray]
    if made.shape[1] >= _LEAST and not _likely(made, _PERHAPS):
        return frozenset()  # as it is with most pictures
    colours = _inner(distinct_colours(picture, spec), grays)
    if colours.shape[1] < FEW:
        return frozenset()
    return _likely(_made(colours[:, :: -(-colours.shape[1] // _MORE)]), _LIKELY)


def _likely(made: np.ndarray, least: float) -> frozenset[int]:
    """Numbers of the conversions that make at least a share of the colours: `made` bool (conversions, n)."""
    return frozenset(_NUMBERS[np.count_nonzero(made, axis=1) >= least * made.shape[1]].tolist())


def _first(picture: np.ndarray, spec: TileSpec) -> tuple[np.ndarray, np.ndarray]:
    """Of some of the first pixels which are gray, bool (n,), and which conversions make, bool (conversions, n)."""
    colours = _inner(distinct_colours(picture, spec, FIRST_PIXELS), grays=True)
    colours = colours[:, :: max(1, colours.shape[1] // FEW)]
    return (colours[0] == colours[1]) & (colours[0] == colours[2]), _made(colours)


def _inner(colours: np.ndarray, grays: bool) -> np.ndarray:
    """Those of colours (n, 3) that count, int64 (3, m)."""
    r, g, b = colours.T
    least, most = np.minimum(np.minimum(r, g), b), np.maximum(np.maximum(r, g), b)
    counts = (least > 0) & (most < 255)
    if not grays:
        counts &= least < most
    return colours.T[:, counts].astype(np.int64)


def _made(colours: np.ndarray) -> np.ndarray:
    """Whether conversions make colours, int64 (3, n), of the luma that is likeliest: bool (conversions, n).

    Some are said not to be made that another luma makes: of swscale's, one in seven.
    """
    tables, rows, shift, hints = _stacked()
    luma = np.rint(hints[:, :1] + hints[:, 1:4] @ colours).astype(np.int64)
    level = tables.take(rows[LUMA] + luma, mode="clip")
    unit = 1 << shift
    red, green, blue = colours
    v = np.rint(128 + (red * unit + unit / 2 - level - tables[rows[RED] + 128]) * hints[:, 4:5]).astype(np.int64)
    u = np.rint(128 + (blue * unit + unit / 2 - level - tables[rows[BLUE] + 128]) * hints[:, 5:6]).astype(np.int64)
    made: np.ndarray = (luma | u | v) >> 8 == 0  # all within 0..255
    for value, terms in ((red, ((RED, v),)), (blue, ((BLUE, u),)), (green, ((GREEN_U, u), (GREEN_V, v)))):
        total = level + sum(tables.take(rows[row] + sample, mode="clip") for row, sample in terms)
        made &= total >> shift == value
    return made


@cache
def _stacked() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All conversions: tables one behind the other; of each row of `Colour.tables` where it begins; shifts; hints.

    int64 (n,), (5, conversions, 1), (conversions, 1), and float64 (conversions, 7).
    """
    tables = np.stack([colour.tables for colour in COLOURS.values()]).astype(np.int64)
    begins = np.arange(tables.shape[0] * tables.shape[1]).reshape(tables.shape[:2]) * tables.shape[2]
    shifts = np.array([[colour.shift] for colour in COLOURS.values()])
    hints = np.stack([hints_of(colour) for colour in COLOURS.values()])
    hints[:, 0] += _bias(tables, shifts[:, :, None], hints)
    return tables.ravel(), begins.T[:, :, None], shifts, hints


def _bias(tables: np.ndarray, shift: np.ndarray, hints: np.ndarray) -> np.ndarray:
    """By how much the luma of middling colours is more than what hints make of them, on average: (conversions,).

    Conversions that round down more than once have such a bias, which `preimage_of` need not know.
    """
    u, v = (axis.ravel() for axis in np.mgrid[64:192:5, 64:192:5])
    level = tables[:, LUMA, 128, None, None]
    terms = tables[:, RED, v], tables[:, GREEN_U, u] + tables[:, GREEN_V, v], tables[:, BLUE, u]
    colours = np.moveaxis((level + np.stack(terms, axis=1)) >> shift, 1, 0).astype(np.float64)
    bias: np.ndarray = 128 - (hints[:, :1] + np.einsum("kc,ckn->kn", hints[:, 1:4], colours)).mean(axis=1)
    return bias
