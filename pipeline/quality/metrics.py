"""How near decoded pixels are to the original: MSE, PSNR, SSIM, MS-SSIM, maximum error.

Conventions, so that figures can be compared:
- PSNR: of the mean squared error over all samples of all planes (alpha too); the peak is 2^bit_depth - 1.
- SSIM: Wang, Bovik, Sheikh, Simoncelli, IEEE Trans. Image Processing 13(4), 2004, section III: Gaussian window of
  11 x 11, sigma 1.5, K1 0.01, K2 0.03, weighted (not sample) covariance, windows that lie within the image, no
  down-sampling. Each plane by itself, then the mean over planes, as scikit-image and pytorch-msssim do.
- MS-SSIM: Wang, Simoncelli, Bovik, Asilomar 2003: five scales with the published weights, halved by means of 2 x 2
  samples; an odd last row or column is doubled, as in the authors' code (pytorch-msssim pads with zeros there instead,
  which differs by up to a few 1e-3). A negative contrast term counts as 0. Each plane by itself, then the mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilepress.codecs.kernels.kernel import Int, kernel

WINDOW = 11  # side of the Gaussian window
SCALES = 5
MS_SSIM_SIDE = (WINDOW - 1) * 2 ** (SCALES - 1) + 1  # the smaller side needs this for a window at the last scale
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SIGMA, K1, K2 = 1.5, 0.01, 0.03  # of the window, and of what keeps quotients of small numbers stable
_PAIRS = WINDOW // 2  # taps on either side of the middle one, equal in pairs


@dataclass(frozen=True)
class Distortion:
    """What decoding changed. `mse` in squared levels, `psnr` in dB, `max_error` in levels.

    `psnr` is None where nothing changed (it is infinite); `ssim` and `ms_ssim` where the image is too small for them:
    a side below 11, or below 161.
    """

    mse: float
    psnr: float | None
    ssim: float | None
    ms_ssim: float | None
    max_error: int


def distortion(original: np.ndarray, decoded: np.ndarray, peak: int) -> Distortion:
    """Return all measures of (h, w, c) uint8 or uint16 images with samples 0..`peak`.

    ValueError if they differ in kind.
    """
    _check(original, decoded)
    squares, max_error = _differences(np.ascontiguousarray(original).ravel(), np.ascontiguousarray(decoded).ravel())
    mse = int(squares) / original.size
    side = min(original.shape[:2])
    if not max_error:
        return Distortion(0.0, None, 1.0 if side >= WINDOW else None, 1.0 if side >= MS_SSIM_SIDE else None, 0)
    means = _means(original, decoded, peak, SCALES if side >= MS_SSIM_SIDE else 1) if side >= WINDOW else None
    return Distortion(mse, psnr(mse, peak), _ssim(means), _ms_ssim(means), int(max_error))


def psnr(mse: float, peak: float) -> float | None:
    """Return peak signal-to-noise ratio in dB; None for an `mse` of 0."""
    return 10 * math.log10(peak * peak / mse) if mse else None


def ssim(original: np.ndarray, decoded: np.ndarray, peak: int) -> float | None:
    """Return mean SSIM of (h, w, c) uint8 or uint16 images, 1 for equal ones; None below 11 x 11."""
    _check(original, decoded)
    return _ssim(_means(original, decoded, peak, 1)) if min(original.shape[:2]) >= WINDOW else None


def ms_ssim(original: np.ndarray, decoded: np.ndarray, peak: int) -> float | None:
    """MS-SSIM of (h, w, c) uint8 or uint16 images, 0..1; None below 161 x 161, where the last scale has no window."""
    _check(original, decoded)
    return _ms_ssim(_means(original, decoded, peak, SCALES)) if min(original.shape[:2]) >= MS_SSIM_SIDE else None


def _check(original: np.ndarray, decoded: np.ndarray) -> None:
    if original.ndim != 3 or original.shape != decoded.shape or original.dtype != decoded.dtype or not original.size:
        raise ValueError(f"{original.shape} {original.dtype} and {decoded.shape} {decoded.dtype} cannot be compared")
    if original.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"samples are uint8 or uint16, not {original.dtype}")


def _means(original: np.ndarray, decoded: np.ndarray, peak: int, scales: int) -> np.ndarray:
    """Means of SSIM and of its contrast-structure term, (planes, scales, 2)."""
    window = np.exp(-0.5 * ((np.arange(WINDOW) - _PAIRS) / SIGMA) ** 2)
    window /= window.sum()
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    out = np.empty((original.shape[2], scales, 2))
    for plane in range(original.shape[2]):
        x, y = (np.ascontiguousarray(image[:, :, plane]) for image in (original, decoded))
        for scale in range(scales):
            if scale:
                x, y = _halve(x), _halve(y)
            out[plane, scale] = _similarity(x, y, window, c1, c2)
    return out


def _ssim(means: np.ndarray | None) -> float | None:
    return None if means is None else float(means[:, 0, 0].mean())


def _ms_ssim(means: np.ndarray | None) -> float | None:
    if means is None or means.shape[1] < SCALES:
        return None
    terms = np.concatenate([means[:, :-1, 1], means[:, -1:, 0]], axis=1)  # luminance counts at the last scale only
    return float((np.maximum(terms, 0) ** np.array(MS_SSIM_WEIGHTS)).prod(axis=1).mean())


@kernel
def _differences(x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    """Sum of squared differences, and the largest difference."""
    squares = np.int64(0)
    largest = np.int64(0)
    for at in range(x.size):
        difference = np.int64(x[at]) - np.int64(y[at])
        squares += difference * difference
        largest = max(largest, abs(difference))
    return squares, largest


@kernel
def _halve(x: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 samples as float32, which holds them exactly: 16 bits and 2 more a scale, four times."""
    height, width = x.shape
    out = np.empty(((height + 1) // 2, (width + 1) // 2), np.float32)
    for row in range(out.shape[0]):
        top, low = x[2 * row], x[min(2 * row + 1, height - 1)]
        for column in range(width // 2):
            left, right = 2 * column, 2 * column + 1
            total = np.float64(top[left]) + np.float64(top[right]) + np.float64(low[left]) + np.float64(low[right])
            out[row, column] = total * 0.25
        if width % 2:
            out[row, width // 2] = (np.float64(top[width - 1]) + np.float64(low[width - 1])) * 0.5
    return out


@kernel
def _similarity(x: np.ndarray, y: np.ndarray, window: np.ndarray, c1: float, c2: float) -> tuple[float, float]:
    """Means of SSIM and of its contrast-structure term over all windows of a plane.

    Moments are those of the sum s = x + y and the difference d = x - y, four filtered maps in place of five:
    2 mx my = (ms^2 - md^2) / 2, mx^2 + my^2 = (ms^2 + md^2) / 2, and the same for (co)variances. Rows pass through
    a ring of eleven, so that memory does not grow with the image.
    """
    height, width = x.shape
    ring = np.empty((WINDOW, 2, width))
    down = np.empty((4, width))
    across = np.empty((4, width - WINDOW + 1))
    both = np.empty((2, width - WINDOW + 1))
    ssim_sum = contrast_sum = 0.0
    for row in range(height):
        slot = ring[row % WINDOW]
        for column in range(width):
            a, b = np.float64(x[row, column]), np.float64(y[row, column])
            slot[0, column] = a + b
            slot[1, column] = a - b
        if row < WINDOW - 1:
            continue
        _filter_down(ring, row, window, down)
        _filter_across(down, window, across)
        _compare(across, c1, c2, both)
        for column in range(both.shape[1]):
            ssim_sum += both[0, column]
            contrast_sum += both[1, column]
    count = (height - WINDOW + 1) * (width - WINDOW + 1)
    return ssim_sum / count, contrast_sum / count


@kernel
def _filter_down(ring: np.ndarray, row: Int, window: np.ndarray, out: np.ndarray) -> None:
    """Weighted sums of s, d, s^2, d^2 over the eleven rows up to `row`."""
    middle = ring[(row - _PAIRS) % WINDOW]
    weight = window[_PAIRS]
    for column in range(out.shape[1]):
        s, d = middle[0, column], middle[1, column]
        out[0, column], out[1, column] = weight * s, weight * d
        out[2, column], out[3, column] = weight * s * s, weight * d * d
    for tap in range(_PAIRS):
        weight = window[tap]
        first, second = ring[(row - tap) % WINDOW], ring[(row - (WINDOW - 1) + tap) % WINDOW]
        for column in range(out.shape[1]):
            s, t = first[0, column], second[0, column]
            d, e = first[1, column], second[1, column]
            out[0, column] += weight * (s + t)
            out[1, column] += weight * (d + e)
            out[2, column] += weight * (s * s + t * t)
            out[3, column] += weight * (d * d + e * e)


@kernel
def _filter_across(values: np.ndarray, window: np.ndarray, out: np.ndarray) -> None:
    """Weighted sums of eleven neighbours, for each of the four rows."""
    for kind in range(4):
        line, target = values[kind], out[kind]
        for column in range(target.size):
            target[column] = window[_PAIRS] * line[column + _PAIRS]
        for tap in range(_PAIRS):
            weight = window[tap]
            for column in range(target.size):
                target[column] += weight * (line[column + tap] + line[column + WINDOW - 1 - tap])


@kernel
def _compare(moments: np.ndarray, c1: float, c2: float, out: np.ndarray) -> None:
    """SSIM and its contrast-structure term from the moments of s and d."""
    for column in range(out.shape[1]):
        s, d = moments[0, column] ** 2, moments[1, column] ** 2
        vs, vd = moments[2, column] - s, moments[3, column] - d
        contrast = ((vs - vd) * 0.5 + c2) / ((vs + vd) * 0.5 + c2)
        out[1, column] = contrast
        out[0, column] = contrast * ((s - d) * 0.5 + c1) / ((s + d) * 0.5 + c1)
