"""Pictures enlarged by interpolation: their derivatives are stronger in some columns, and rows, than in others.

An interpolated sample depends on how far it is from the samples it was made of, and that repeats: enlarged by a factor
f, columns have a phase with 1 / f of a period each. So the mean absolute derivatives of all columns, as a signal along
the row, have a peak in their spectrum there (Gallagher, "Detection of linear and cubic interpolation in JPEG compressed
images", CRV 2005; Mahdian and Saic, IEEE Trans. Information Forensics and Security 3(3), 2008). Second derivatives do
not see the factor 2 where pictures are aligned by their borders, since both phases mirror each other; first ones do.
Enlarged pictures have the peak at the same frequency across and down, which textures hardly have. Factors f and
f / (f - 1) have the same frequency, once it is folded: how blurred the picture is tells them apart,
most often. Multiples of 1/8 are left out where more than two of the four stand out: those are the blocks of a JPEG.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import kernel
from tilepress.pipeline.findings.finding import UPSCALED, Finding
from tilepress.pipeline.findings.sample import Sample
from tilepress.pipeline.findings.sharpness import blur_of

_LEAST_SIDE = 64  # of a picture
_BINS = 1 << 10  # of spectra: twice the samples of a crop
_LOWEST = 0.16  # cycles a pixel, of peaks that are looked at: below are the contents of pictures
_AROUND = 40  # bins on either side of a peak that it is compared with
_PEAK = 6.0  # times the median of those, across and down
_SOFT = 0.5  # pixels of blur that interpolation leaves; what was made smaller has periods too, and is sharper
_BLOCK_PEAK = 2.0  # the same, of the multiples of 1/8, for them to be those of a JPEG
_BESIDE = 3  # bins that a peak is wide
_SLOW = 9  # samples of a moving mean: changes that are slower are no periods


def find_upscaling(sample: Sample) -> Finding | None:
    """Return the finding if the same period shows in rows and in columns."""
    if min(sample.pixels.shape[:2]) < _LEAST_SIDE:
        return None
    peaks = np.minimum(*_peaks(sample.lumas))
    eighths = np.arange(1, 5) * _BINS // 8
    if sorted(peaks[eighths])[1] > _BLOCK_PEAK:
        for at in eighths:
            peaks[at - _BESIDE : at + _BESIDE + 1] = 0
    peaks[: int(_LOWEST * _BINS)] = 0
    best = int(peaks.argmax())
    blur = blur_of(sample)
    if peaks[best] < _PEAK or blur is None or blur < _SOFT:
        return None
    likely, other = _factors(best / _BINS, blur)
    or_other = f" (or, less likely, {other:.2f})" if abs(other - likely) > 0.1 else ""
    return Finding(UPSCALED, likely, f"its sides were enlarged to about {likely:.2f} times what they were{or_other}")


def _factors(frequency: float, blur: float) -> tuple[float, float]:
    """The two factors of a peak at 0.16 to 0.5, the one whose usual blur is nearer first."""
    large, small = 1 / frequency, 1 / (1 - frequency)
    between = 0.25 + 0.125 * (large + small)  # of usual blurs, measured: 0.25 + 0.27 times the factor, or a little less
    return (small, large) if blur < between else (large, small)


def _peaks(planes: list[np.ndarray]) -> np.ndarray:
    """How far each frequency stands out of its neighbours in the derivatives down and across: (2, bins / 2 + 1)."""
    power = np.zeros((2, 2, _BINS // 2 + 1))  # down and across; of first and second derivatives
    for plane in planes:
        signals = np.zeros((2, plane.shape[0])), np.zeros((2, plane.shape[1]))
        _derive(plane, *signals)
        power += [[_spectrum(each) for each in signal[:, 2:-2]] for signal in signals]
    peaks: np.ndarray = _standing_out(np.sqrt(power)).max(axis=1)
    return peaks


def _spectrum(signal: np.ndarray) -> np.ndarray:
    """Power of a signal's relative changes, without the slow ones: (bins / 2 + 1,)."""
    logs = np.log(signal + 1e-3 * signal.max() + 1e-9)
    slow = np.convolve(np.pad(logs, _SLOW // 2, mode="edge"), np.full(_SLOW, 1 / _SLOW), "valid")
    power: np.ndarray = np.abs(np.fft.rfft((logs - slow) * np.hanning(len(logs)), _BINS)) ** 2
    return power


def _standing_out(magnitude: np.ndarray) -> np.ndarray:
    """Quotients of magnitudes (..., bins) and the medians around them, of every eighth bin."""
    padded = np.pad(magnitude, [(0, 0), (0, 0), (_AROUND, _AROUND)], mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1, axis=-1)[:, :, ::8, ::2]
    medians = np.repeat(np.median(windows, axis=-1), 8, axis=-1)[..., : magnitude.shape[-1]]
    found: np.ndarray = magnitude / (medians + 1e-9)
    return found


@kernel
def _derive(plane: np.ndarray, down: np.ndarray, across: np.ndarray) -> None:
    """Add up absolute first and second derivatives: of each row those down, float64 (2, h); of each column, (2, w)."""
    height, width = plane.shape
    for y in range(1, height - 1):
        above, line, below = plane[y - 1], plane[y], plane[y + 1]
        first = second = 0.0
        for x in range(1, width - 1):
            right, left = line[x + 1] - line[x], line[x] - line[x - 1]
            across[0, x] += abs(right)
            across[1, x] += abs(right - left)
            lower, upper = below[x] - line[x], line[x] - above[x]
            first += abs(lower)
            second += abs(lower - upper)
        down[0, y], down[1, y] = first, second
