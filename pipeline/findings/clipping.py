"""Light or dark parts that were cut off at the end of the scale: exposure or processing lost what was in them.

White paper and black backgrounds lie at the end of the scale too, and so do drawings. But what was cut off rises to the
end of the scale gradually: beside a clipped run the samples are a little below. So runs count that begin and
end gradually, or at the border of what is looked at.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import Int, inline, kernel
from tilepress.pipeline.findings.finding import CLIPPED, Finding
from tilepress.pipeline.findings.sample import Sample

_RUN = 4  # samples at the end of the scale, side by side
_GRADUAL = 16  # parts of the scale: a neighbour within one of them of the end is gradual
_SHARE = 0.08  # of the pixels, at one end


def find_clipping(sample: Sample) -> Finding | None:
    """Return the finding if gradual runs of black or of white pixels, all channels at the end, hold many pixels."""
    runs = np.zeros(2, np.int64)
    for crop in sample.crops:
        _add_runs(crop[:, :, : sample.colours], sample.peak, max(1, sample.peak // _GRADUAL), runs)
    shares = runs / sum(crop.shape[0] * crop.shape[1] for crop in sample.crops)
    if shares.max() < _SHARE:
        return None
    end = ("dark", "light")[int(shares.argmax())]
    return Finding(CLIPPED, float(shares.max()), f"{100 * shares.max():.0f} % of its pixels are {end} and cut off")


@inline
def _end(pixel: np.ndarray, peak: Int) -> Int:
    """-1 for black, 1 for white, 0 for all else."""
    dark = light = True
    for value in pixel:
        dark, light = dark and value == 0, light and value >= peak
    return 1 if light else -1 if dark else 0


@inline
def _is_near(pixel: np.ndarray, end: Int, peak: Int, gradual: Int) -> bool:
    """Tell whether all channels of a pixel are near an end of the scale."""
    near = True
    for value in pixel:
        near = near and abs(np.int64(value) - (peak if end > 0 else 0)) <= gradual
    return near


@kernel
def _add_runs(crop: np.ndarray, peak: Int, gradual: Int, runs: np.ndarray) -> None:
    """Add the pixels of gradual runs of black and of white, in every row of a crop, to `runs` int64 (2,)."""
    height, width, _ = crop.shape
    for y in range(height):
        x = 0
        while x < width:
            end, begin = _end(crop[y, x], peak), x
            x += 1
            if end == 0:
                continue
            while x < width and _end(crop[y, x], peak) == end:
                x += 1
            inside = begin > 0 or x < width
            before = begin == 0 or _is_near(crop[y, begin - 1], end, peak, gradual)
            after = x == width or _is_near(crop[y, x], end, peak, gradual)
            if x - begin >= _RUN and inside and before and after:
                runs[1 if end > 0 else 0] += x - begin
