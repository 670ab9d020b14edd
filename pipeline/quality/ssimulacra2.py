"""SSIMULACRA 2: how much people would mind the difference of two pictures, 100 for none.

Sneyers, https://github.com/cloudinary/ssimulacra2, version 2.1. At up to six scales, in a colour space that is
perceptually even (XYB of JPEG XL), the errors of SSIM, edges that were not there and edges that are no longer are
averaged twice, as they are and by their fourth powers, and all is summed with weights fitted to what people said. About
90 is visually lossless, 70 high quality, 50 medium, 30 low; less than nothing is possible.

The figures are those of the PyPI package ssimulacra2 0.3.0 to within 0.01, which tests see to; that takes 560 bytes a
pixel and eight times as long. As there, windows (Gaussian, sigma 1.5, cut at 5 samples) see black beyond the
left and right borders and a mirror beyond the upper and lower ones; the original, which smooths by a recursive filter,
differs by some tenths.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tilepress.codecs.kernels.kernel import Float, Int, inline, kernel

LEAST_SIDE = 8  # of a picture, and of the smallest scale
_SCALES = 6
_REACH, _SIGMA = 5, 1.5  # of the window
_ROWS = 2 * _REACH + 1
_C2 = 0.0009
_GAMMA, _KNEE, _SLOPE, _OFFSET = 2.4, 0.04045, 12.92, 0.055  # sRGB
# From linear light to XYB: of each receptor the shares of red, green and blue, and what is added
_RED_L, _BLUE_L = 0.30, 0.078
_RED_M, _BLUE_M = 0.23, 0.078
_RED_S, _GREEN_S = 0.24342268924547819, 0.20476744424496821
_BIAS = 0.0037930732552754493
_BIAS_ROOT = float(np.cbrt(_BIAS))

# Place of a term -> what it weighs. Places run over X, Y, B; scales; mean, mean of fourth powers; SSIM, new edges, lost
# edges. Pictures of fewer scales have fewer places. Terms that are not here weigh nothing.
_WEIGHTS: Mapping[int, float] = {
    1: 0.0007376606707406586,
    4: 0.0007793481682867309,
    7: 0.0004371155730107379,
    9: 1.1041726426657346,
    10: 0.00066284834129271,
    11: 0.00015231632783718752,
    13: 0.0016406437456599754,
    15: 1.8422455520539298,
    16: 11.441172603757666,
    18: 0.0007989109436015163,
    19: 0.000176816438078653,
    21: 1.8787594979546387,
    22: 10.94906990605142,
    24: 0.0007289346991508072,
    25: 0.9677937080626833,
    27: 0.00014003424285435884,
    28: 0.9981766977854967,
    29: 0.00031949755934435053,
    30: 0.0004550992113792063,
    33: 0.0013648766163243398,
    39: 7.466890328078848,
    41: 17.445833984131262,
    42: 0.0006235601634041466,
    45: 6.683678146179332,
    46: 0.00037724407979611296,
    47: 1.027889937768264,
    48: 225.20515300849274,
    51: 19.213238186143016,
    52: 0.0011401524586618361,
    53: 0.001237755635509985,
    54: 176.39317598450694,
    57: 24.43300999870476,
    58: 0.28520802612117757,
    59: 0.0004485436923833408,
    63: 34.77906344483772,
    64: 44.835625328877896,
    73: 0.0008680556573291698,
    79: 0.0005313191874358747,
    81: 0.00016533814161379112,
    87: 0.0004179171803251336,
    88: 0.0017290828234722833,
    90: 0.0020827005846636437,
    93: 8.826982764996862,
    94: 23.19243343998926,
    96: 95.1080498811086,
    97: 0.9863978034400682,
    98: 0.9834382792465353,
    99: 0.0012286405048278493,
    100: 171.2667255897307,
    101: 0.9807858872435379,
    105: 0.0005130064588990679,
    107: 0.00010854057858411537,
}
_FACTOR = 0.9562382616834844
_LINEAR, _SQUARE, _CUBE = 2.326765642916932, -0.020884521182843837, 6.248496625763138e-05
_POWER = 0.6276336467831387


def ssimulacra2(original: np.ndarray, decoded: np.ndarray, peak: int) -> float | None:
    """Return SSIMULACRA 2 of two pictures, 100 for equal ones; None if a side is below 8.

    Alpha is left out: pictures of one or two channels are gray, of more the first three are red, green and blue. All
    are taken for sRGB.

    Args:
        original: (h, w, c), uint8 or uint16, samples 0..`peak`.
        decoded: The same.
        peak: The value of white.

    Raises:
        ValueError: If the pictures differ in kind.
    """
    if original.ndim != 3 or original.shape != decoded.shape or original.dtype != decoded.dtype:
        raise ValueError(f"{original.shape} {original.dtype} and {decoded.shape} {decoded.dtype} cannot be compared")
    if original.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"samples are uint8 or uint16, not {original.dtype}")
    if min(original.shape[:2]) < LEAST_SIDE:
        return None
    if np.array_equal(original, decoded):
        return 100.0
    return _score(_terms(original, decoded, _linear_light(peak, original.dtype.itemsize)))


def _linear_light(peak: int, size: int) -> np.ndarray:
    """Linear light of every value of a type, float32: above 1 for those above the peak."""
    signal = np.arange(1 << 8 * size) / peak
    power = ((signal + _OFFSET) / (1 + _OFFSET)) ** _GAMMA
    return np.where(signal <= _KNEE, signal / _SLOPE, power).astype(np.float32)


def _terms(original: np.ndarray, decoded: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The averages that are weighed: (3, scales, 2, 3), in the order of _WEIGHTS."""
    window = np.exp(-0.5 * (np.arange(_REACH + 1) / _SIGMA) ** 2)
    window /= 2 * window.sum() - window[0]
    found = []
    for _ in range(_SCALES):
        sums = np.zeros((3, 2, 3))
        _compare(original, decoded, table, window, sums)
        sums /= original.shape[0] * original.shape[1]
        sums[:, 1] **= 0.25
        found.append(sums)
        if min(original.shape[:2]) <= 2 * (LEAST_SIDE - 1):
            break
        original, decoded = _halve(original, table), _halve(decoded, table)
        table = np.zeros(0, np.float32)
    return np.stack(found, axis=1)


def _score(terms: np.ndarray) -> float:
    flat = terms.ravel()
    error = _FACTOR * sum(weight * float(flat[at]) for at, weight in _WEIGHTS.items() if at < flat.size)
    error = error * (_LINEAR + error * (_SQUARE + error * _CUBE))
    return 100.0 - 10.0 * error**_POWER if error > 0 else 100.0


@inline
def _light(image: np.ndarray, table: np.ndarray, y: Int, x: Int, channel: Int) -> Float:
    """Linear light of a sample: looked up, or where there is no table the sample itself."""
    value = image[y, x, channel if image.shape[2] > 2 else 0]
    return table[np.int64(value)] if table.size else np.float32(value)


@kernel
def _halve(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Linear light (h, w, 3) float32 of means of 2 x 2 pixels, of fewer at the right and lower borders."""
    height, width, _ = image.shape
    out = np.empty(((height + 1) // 2, (width + 1) // 2, 3), np.float32)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            low, right = min(2 * y + 1, height - 1), min(2 * x + 1, width - 1)
            for channel in range(3):
                upper = _light(image, table, 2 * y, 2 * x, channel) + _light(image, table, 2 * y, right, channel)
                lower = _light(image, table, low, 2 * x, channel) + _light(image, table, low, right, channel)
                out[y, x, channel] = (upper + lower) * np.float32(0.25)
    return out


@inline
def _root(value: Float) -> Float:
    return np.cbrt(max(value + _BIAS, 0.0)) - _BIAS_ROOT


@kernel
def _convert(image: np.ndarray, table: np.ndarray, y: Int, out: np.ndarray) -> None:
    """Fill `out` float64 (3, w) with the XYB of a row, each made positive."""
    for x in range(image.shape[1]):
        r = np.float64(_light(image, table, y, x, 0))
        g = np.float64(_light(image, table, y, x, 1))
        b = np.float64(_light(image, table, y, x, 2))
        long = _root(_RED_L * r + (1 - _RED_L - _BLUE_L) * g + _BLUE_L * b)
        middle = _root(_RED_M * r + (1 - _RED_M - _BLUE_M) * g + _BLUE_M * b)
        short = _root(_RED_S * r + _GREEN_S * g + (1 - _RED_S - _GREEN_S) * b)
        out[0, x] = 7 * (long - middle) + 0.42
        out[1, x] = 0.5 * (long + middle) + 0.01
        out[2, x] = short - 0.5 * (long + middle) + 0.55


@kernel
def _compare(a: np.ndarray, b: np.ndarray, table: np.ndarray, window: np.ndarray, sums: np.ndarray) -> None:
    """Add to `sums` (3, 2, 3) what all pixels of a scale differ by, plane by plane; fourth powers second.

    Rows pass through a ring, so that memory does not grow with the height. `window`: from the middle outwards.
    """
    height, width, _ = a.shape
    ring = np.empty((3, _ROWS, 2, width))  # by plane, so that lines are contiguous
    row = np.empty((3, width))
    down = np.zeros((4, width + 2 * _REACH))  # what lies beyond the borders stays black
    across = np.empty((4, width))
    ready = 0
    for y in range(height):
        while ready < min(y + _REACH + 1, height):
            _convert(a, table, ready, row)
            ring[:, ready % _ROWS, 0] = row
            _convert(b, table, ready, row)
            ring[:, ready % _ROWS, 1] = row
            ready += 1
        for plane in range(3):
            _filter_down(ring[plane], y, height, window, down)
            _filter_across(down, window, across)
            _add(ring[plane, y % _ROWS], across, sums[plane])


@kernel
def _filter_down(ring: np.ndarray, y: Int, height: Int, window: np.ndarray, out: np.ndarray) -> None:
    """Weighted sums of s = a + b, d = a - b, s^2 and d^2 over the rows around `y`, mirrored at the borders."""
    out[:, _REACH:-_REACH] = 0.0
    for row in range(y - _REACH, y + _REACH + 1):
        weight = window[abs(row - y)]
        inside = -1 - row if row < 0 else min(row, 2 * height - 1 - row)
        a, b = ring[inside % _ROWS, 0], ring[inside % _ROWS, 1]
        for x in range(a.size):
            s, d = a[x] + b[x], a[x] - b[x]
            out[0, _REACH + x] += weight * s
            out[1, _REACH + x] += weight * d
            out[2, _REACH + x] += weight * s * s
            out[3, _REACH + x] += weight * d * d


@kernel
def _filter_across(values: np.ndarray, window: np.ndarray, out: np.ndarray) -> None:
    """Weighted sums over each row's neighbours, for each of the four."""
    for kind in range(4):
        line, target = values[kind], out[kind]
        for x in range(target.size):
            target[x] = window[0] * line[x + _REACH]
        for tap in range(1, _REACH + 1):
            weight = window[tap]
            for x in range(target.size):
                target[x] += weight * (line[x + _REACH - tap] + line[x + _REACH + tap])


@kernel
def _add(row: np.ndarray, moments: np.ndarray, sums: np.ndarray) -> None:
    """Add the terms of a row's pixels: of SSIM's error, of new and of lost edges.

    With means and moments of s and d, the product of both pictures' means is (ms^2 - md^2) / 4, the sum of their
    squares (ms^2 + md^2) / 2; (co)variances alike.
    """
    for x in range(row.shape[1]):
        ms, md = moments[0, x], moments[1, x]
        vs, vd = moments[2, x] - ms * ms, moments[3, x] - md * md
        similar = (1.0 - md * md) * (0.5 * (vs - vd) + _C2) / (0.5 * (vs + vd) + _C2)
        ratio = (1.0 + abs(row[1, x] - 0.5 * (ms - md))) / (1.0 + abs(row[0, x] - 0.5 * (ms + md))) - 1.0
        wrong, new, lost = max(1.0 - similar, 0.0), max(ratio, 0.0), max(-ratio, 0.0)
        sums[0, 0] += wrong
        sums[0, 1] += new
        sums[0, 2] += lost
        wrong, new, lost = wrong * wrong, new * new, lost * lost
        sums[1, 0] += wrong * wrong
        sums[1, 1] += new * new
        sums[1, 2] += lost * lost
