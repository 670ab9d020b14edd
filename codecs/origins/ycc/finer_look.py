"""Whether swscale interpolated a picture's chroma: small windows in which chroma changes are recovered and compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tilepress.codecs.origins.ycc.colours import EXACT_SWSCALE
from tilepress.codecs.origins.ycc.finer import fine_chroma, settle_fine_luma
from tilepress.codecs.origins.ycc.finer_filters import (
    BILINEAR,
    BILINEAR_LEFT,
    estimated_chroma,
    filters,
    parameters,
)
from tilepress.codecs.origins.ycc.finer_glance import WINDOW, unclipped
from tilepress.codecs.origins.ycc.finer_search import leftover, samples_of
from tilepress.codecs.origins.ycc.sampling import FINE, Axis, Sampling

_GLANCED, _SMOOTH = 0.6, 0.5  # levels: what rounding leaves of interpolated chroma at a glance and after a few turns
_GLANCE, _FEW_TURNS, _TURNS = 2, 4, 8
_ALIKE = 1.6  # times the least: what is left by samplings that may be the right one, too
_EXPLAINED = 0.85  # of the sound pixels
_BEYOND_CHANCE, _CHANCE = 0.4, 0.3  # what a right conversion explains with a wrong sampling; what wrong ones do
_BORDER = 4  # of a window: pixels that samples outside have a weight at
_HALVES = [Axis(half=True, phase=phase) for phase in range(2)]
_QUARTERS = [Sampling(kind, y, x) for kind in FINE for y in _HALVES for x in _HALVES]
_HALF_WIDTHS = [Sampling(kind, Axis(), x) for kind in FINE for x in _HALVES]

_GLANCES = [sampling for sampling in _HALF_WIDTHS if sampling.kind in (BILINEAR, BILINEAR_LEFT)]


class _Window(NamedTuple):
    """A part of a picture.

    `pixels` uint8 (h, w, 3); `known`, `sound` bool (h, w): where no channel is clipped, and none around either.
    `v` float32 (h, w): chroma under the first conversion.
    """

    pixels: np.ndarray
    known: np.ndarray
    sound: np.ndarray
    v: np.ndarray


def interpolation_of(places: list[np.ndarray]) -> tuple[int, Sampling, float] | None:
    """Return conversion, sampling, and the share beyond chance that they explain; None if none explains most.

    Args:
        places: Of a picture, from `lively_windows`.
    """
    windows = [_window(pixels) for pixels in places]
    if not windows or not any(_left(windows[0], sampling, _GLANCE) < _GLANCED for sampling in _GLANCES):
        return None
    for samplings in (_QUARTERS, _HALF_WIDTHS):
        found = _best(windows, samplings)
        if found and found[2] >= _EXPLAINED:
            return found[0], found[1], (found[2] - _CHANCE) / (1 - _CHANCE)
    return None


def _best(windows: list[_Window], samplings: list[Sampling]) -> tuple[int, Sampling, float] | None:
    """Return the conversion and the sampling that explain most, and the share in the window where it is the least.

    Chroma that changes little leaves little by any sampling, but shows the conversion, which then shows the sampling.
    """
    left = {sampling: _left(windows[0], sampling, _FEW_TURNS) for sampling in samplings}
    first = min(left, key=lambda sampling: left[sampling])
    if left[first] > _SMOOTH:
        return None
    glances = {number: _explained(windows[0], number, first, _FEW_TURNS) for number in EXACT_SWSCALE}
    number = max(glances, key=lambda number: glances[number])
    if glances[number] < _BEYOND_CHANCE:
        return None
    likely = [sampling for sampling in samplings if left[sampling] <= _ALIKE * left[first]]
    best = max(likely, key=lambda sampling: _explained(windows[0], number, sampling, _TURNS))
    return number, best, min(_explained(window, number, best, _TURNS) for window in windows)


def _window(pixels: np.ndarray) -> _Window:
    known = unclipped(pixels.transpose(2, 0, 1))
    return _Window(pixels, known, _sound(known), estimated_chroma(pixels, EXACT_SWSCALE.start)[1])


def _sound(known: np.ndarray) -> np.ndarray:
    """Pixels bool (h, w) that no clipped one is near, nor the border: all that has a weight there is known."""
    sound, side = np.zeros_like(known), len(known) - 2 * _BORDER
    near = range(2 * _BORDER + 1)
    rows = np.logical_and.reduce([known[shift : shift + side] for shift in near])
    columns = [rows[:, shift : shift + side] for shift in near]
    sound[_BORDER:-_BORDER, _BORDER:-_BORDER] = np.logical_and.reduce(columns)
    return sound


def _left(window: _Window, sampling: Sampling, turns: int) -> float:
    """Levels by which chroma is from what samples can make of it; which conversion it was makes little difference."""
    return leftover(window.v, window.known, sampling, turns)


def _explained(window: _Window, number: int, sampling: Sampling, turns: int) -> float:
    """Share of the sound pixels of a window that come out right."""
    p, (vertical, horizontal) = parameters(number), filters(sampling, WINDOW, WINDOW)
    planes = (samples_of(plane, window.known, sampling, turns) for plane in estimated_chroma(window.pixels, number))
    u, v = (fine_chroma(plane, vertical, horizontal) for plane in planes)
    luma, right = np.zeros(window.known.shape, np.uint8), np.zeros(window.known.shape, np.uint8)
    settle_fine_luma(window.pixels, u, v, p, luma, right)
    return float(right[window.sound].mean()) if window.sound.any() else 0.0
