"""How chroma was sampled, told from a few lively windows: the smallest planes that upsampling makes them of again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tilepress.codecs.jpeg.file.coefficients import SAMPLINGS, Sampling
from tilepress.codecs.jpeg.upsampling import Upsampling, interpolation
from tilepress.codecs.origins.jpeg.search.scaled_look import scaled_places
from tilepress.codecs.origins.jpeg.search.shrink import axis_parts, fit_small, settle_small, start_small

_SIDE = 32  # of a window
_MARGIN = 4  # of it, at its edges: there the neighbours are missing
_WINDOWS = 12
_ENOUGH = 0.88  # of the samples within windows are made again
_CLEAR = 0.97  # from this share on, other ways are not tried
_SWEEPS, _SETTLES = 2, 6
_KNOWN = 0.97  # of the samples of a window
_UNLIKE = 0.02  # of the pairs, that noise makes unlike
_INTERPOLATED = tuple(sampling for sampling in SAMPLINGS.values() if sampling != (1, 1))


Window = tuple[np.ndarray, np.ndarray]  # bounds, uint8 (32, 32) both


@dataclass(frozen=True)
class Sampled:
    """How chroma may have been sampled: factors of luma, and how it was made as large as the picture.

    `turned`: the picture was decoded the other way round: left is right where the factor across is 2, else up is down.
    `shift`: by how many rows and columns the grid of scaled chroma begins before that of luma's blocks.
    """

    factors: Sampling
    upsampling: Upsampling
    turned: bool = False
    shift: tuple[int, int] = (0, 0)


def likely_samplings(lows: np.ndarray, highs: np.ndarray, upsamplings: Sequence[Upsampling]) -> list[Sampled]:
    """Return how chroma may have been sampled, the likeliest first, and not at all in the end.

    Args:
        lows: uint8 (3, h, w), bounds of Y, Cb and Cr on the grid of the JPEG: windows begin at even rows and columns.
        highs: The same.
        upsamplings: How decoders that are likely make chroma large, the likeliest first.
    """
    lows, highs = lows[1:], highs[1:]
    found: list[Sampled] = []
    replicated = 1 + _is_replicated(lows, highs, 2), 1 + _is_replicated(lows, highs, 1)
    if replicated != (1, 1) and Upsampling.REPLICATED in upsamplings:
        found.append(Sampled(replicated, Upsampling.REPLICATED))
    else:
        found += _ways_up(lows, highs, upsamplings)
    return [*found, Sampled((1, 1), upsamplings[0])]


def _ways_up(lows: np.ndarray, highs: np.ndarray, upsamplings: Sequence[Upsampling]) -> list[Sampled]:
    """Ways by which chroma may have become larger; scaled, if anything tells so: smooth chroma fits many."""
    places = scaled_places(lows, highs) if Upsampling.SCALED in upsamplings else []
    scaled = [Sampled(factors, Upsampling.SCALED, shift=shift) for factors, shift in places]
    windows = _lively(lows, highs)
    interpolated = []
    if windows and upsamplings[0] is not Upsampling.SCALED:
        interpolated = _interpolations(windows, upsamplings[0])
    return interpolated[:1] + scaled + interpolated[1:]


def _interpolations(windows: list[Window], upsampling: Upsampling) -> list[Sampled]:
    """Interpolations that make enough samples again, the one that makes most first."""
    ways = [Sampled(factors, upsampling) for factors in _INTERPOLATED]
    shares = {way: _interpolated_share(windows, way) for way in ways}
    clear = max(shares, key=lambda way: shares[way]) == ways[-1] and shares[ways[-1]] >= _CLEAR  # the last is 4:2:0
    if upsampling is Upsampling.FANCY and not clear:  # others round alike to both sides
        shares |= {way: _interpolated_share(windows, way) for way in (replace(way, turned=True) for way in ways)}
    order = sorted(shares, key=lambda way: (-round(shares[way], 2), -way.factors[0] * way.factors[1]))
    enough = [way for way in order if shares[way] >= _ENOUGH]
    return [way for n, way in enumerate(enough) if way.factors not in {other.factors for other in enough[:n]}]


def _is_replicated(lows: np.ndarray, highs: np.ndarray, axis: int) -> bool:
    """Tell whether known samples are equal two by two along an axis of (2, h, w), and differ between the pairs."""
    low, high = (np.moveaxis(bounds, axis, 2) for bounds in (lows, highs))
    pairs = (low.shape[2] - 1) // 2
    known = low == high
    first, second, third = (slice(n, n + 2 * pairs - 1, 2) for n in range(3))
    within = (low[:, :, first] != low[:, :, second]) & known[:, :, first] & known[:, :, second]
    between = (low[:, :, second] != low[:, :, third]) & known[:, :, second] & known[:, :, third]
    between[:, :, 3::4] = False  # between blocks of eight samples, which flat blocks of any kind differ at
    return bool(between.sum() > 0 and within.sum() <= _UNLIKE * between.sum())


def _lively(lows: np.ndarray, highs: np.ndarray) -> list[Window]:
    """Bounds of the windows, of one component each, in which known samples differ most from their neighbours."""
    found = []
    rows, columns = lows.shape[1] // _SIDE, lows.shape[2] // _SIDE
    if not rows or not columns:
        return []
    shape = (rows, _SIDE, columns, _SIDE)
    for component in range(2):
        low, high = (bounds[component, : rows * _SIDE, : columns * _SIDE] for bounds in (lows, highs))
        known = (low == high).reshape(shape).mean(axis=(1, 3))
        changes = np.abs(np.diff(low[::2].astype(np.int16), axis=1, append=0)).reshape(rows, _SIDE // 2, columns, _SIDE)
        lively = changes.sum(axis=(1, 3)) * (known >= _KNOWN)
        for at in np.argsort(-lively, axis=None, kind="stable")[: _WINDOWS // 2]:
            y, x = int(at) // columns * _SIDE, int(at) % columns * _SIDE
            if lively.flat[at] > 0:
                place = (component, slice(y, y + _SIDE), slice(x, x + _SIDE))
                found.append((np.ascontiguousarray(lows[place]), np.ascontiguousarray(highs[place])))
    return found


def _interpolated_share(windows: list[Window], way: Sampled) -> float:
    """The share of samples, away from the windows' edges, that interpolation makes again."""
    across, down = way.factors
    interpolated = interpolation(way.factors, way.upsampling)
    order = (slice(None), slice(None, None, -1)) if across == 2 else (slice(None, None, -1), slice(None))
    rows, columns = _SIDE // down, _SIDE // across
    vertical, horizontal = axis_parts(rows, down, _SIDE), axis_parts(columns, across, _SIDE)
    small, known = np.empty((rows, columns), np.float32), np.empty((rows, columns), np.uint8)
    errors, sums = np.empty((_SIDE, _SIDE), np.float32), np.empty((_SIDE, _SIDE), np.int16)
    line = np.empty(columns + 2, np.int64)
    todo = np.ones((-(-rows // 8), -(-columns // 8)), np.int64)
    right = total = 0
    for window in windows:
        lows, highs = (np.ascontiguousarray(bounds[order]) if way.turned else bounds for bounds in window)
        start_small(lows, highs, interpolated, small, known)
        fit_small(lows, highs, vertical, horizontal, todo, _SWEEPS, small, errors)
        whole = np.rint(small).astype(np.int16)
        settle_small(lows, highs, interpolated, vertical, horizontal, todo, _SETTLES, whole, sums, line, known)
        inner = (slice(_MARGIN, -_MARGIN),) * 2
        counts = (_changing(lows) & (lows == highs))[inner]
        right += int(((sums[inner] >> 4 == lows[inner]) & counts).sum())
        total += int(counts.sum())
    return right / max(total, 1)


def _changing(samples: np.ndarray) -> np.ndarray:
    """Where a sample differs from the one above or from the one left of it: bool, of the same shape."""
    changing = np.zeros(samples.shape, bool)
    changing[1:] = samples[1:] != samples[:-1]
    changing[:, 1:] |= samples[:, 1:] != samples[:, :-1]
    return changing
