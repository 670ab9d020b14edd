"""JPEG files made from the pixels of another JPEG file on the same grid: their coefficients were quantised twice.

The values of one frequency, quantised by a step q1 and then by q2, are no longer spread smoothly: some of them occur
too often, others hardly. How they would be spread after q2 alone is estimated from the picture itself, cut 4 pixels off
the grid, where no quantisation shows (Fridrich, Goljan, Hogea, "Steganalysis of JPEG images", 2002). From that the
histogram of each q1 is predicted, and the one most likely is compared with that of none (as Pevny and Fridrich,
"Detection of double-compression in JPEG images for applications in steganography", 2008, estimate q1). Steps q1 that
divide q2 leave no trace, and finer ones hardly any: found are files that were saved first with a lower quality, unless
that was so low that the picture is smooth.
"""

from __future__ import annotations

import math

import numpy as np

from tilepress.codecs.errors import CodecError
from tilepress.codecs.jpeg.file.coefficients import BLOCK, Coefficients
from tilepress.codecs.jpeg.file.foreign import read_foreign
from tilepress.codecs.jpeg.transform import ISLOW, plane_of
from tilepress.pipeline.findings.finding import DOUBLE_JPEG, Finding

_MOST_PIXELS = 1 << 28  # of files that are decoded; larger ones are not looked at
_BLOCKS = 64  # across and down, from the middle of the picture
_LEAST_BLOCKS = 256
_FREQUENCIES = (1, 8, 16, 9, 2, 3, 10, 17, 24)  # in natural order: the nine lowest but the mean
_MOST = 40  # of quantised values that are looked at; greater ones are rare
_LARGEST, _TIMES = 160, 6  # step q1 that is tried, and times q2
_NOISE = 0.4  # standard deviation, in coefficients, of what rounding of samples adds between both quantisations
_LEAST_GAINS = 2  # frequencies that have enough values
_LEAST_VALUES = 400  # values of a frequency that are not zero
_GAIN = 0.015  # nats: files saved once have less than 0


def inspect_jpeg(data: bytes) -> list[Finding]:
    """Return what is unusual about a JPEG file's coefficients; nothing for files that cannot be read as such.

    Damaged files, arithmetic coding, four components and pictures of more than 2^28 pixels are not looked at.
    """
    try:
        file = read_foreign(data)
        if file.width * file.height > _MOST_PIXELS:
            return []
        coefficients = file.coefficients()
    except CodecError:
        return []
    found = find_double(coefficients)
    return [] if found is None else [found]


def find_double(image: Coefficients) -> Finding | None:
    """Return the finding if an earlier quantisation explains the low frequencies of luma better, in the median."""
    gains = [gain for gain in _gains(image) if gain is not None]
    if len(gains) < _LEAST_GAINS or float(np.median(gains)) < _GAIN:
        return None
    agreeing = sum(gain >= _GAIN for gain in gains)
    told = f"{agreeing} of {len(gains)} frequencies show the coarser steps of an earlier JPEG file"
    return Finding(DOUBLE_JPEG, float(np.median(gains)), told)


def _gains(image: Coefficients) -> list[float | None]:
    """Of each frequency by how many nats a value but zero is likelier if there was a q1; None if there are few."""
    rows, columns = (max(0, (side - _BLOCKS) // 2) for side in image.blocks[0].shape[:2])
    blocks = np.ascontiguousarray(image.blocks[0][rows : rows + _BLOCKS, columns : columns + _BLOCKS])
    if min(blocks.shape[:2]) < 2 or blocks.shape[0] * blocks.shape[1] < _LEAST_BLOCKS:
        return []
    smooth = _off_grid(plane_of(blocks, ISLOW, image.tables[0]))
    steps = image.tables[0]
    return [_gain(np.abs(blocks[..., k].ravel()), np.abs(smooth[:, k]), int(steps[k])) for k in _FREQUENCIES]


def _off_grid(plane: np.ndarray) -> np.ndarray:
    """Coefficients of the blocks that lie 4 pixels off the grid of a plane: (blocks, 64)."""
    half = BLOCK // 2
    rows, columns = (side // BLOCK - 1 for side in plane.shape)
    cut = plane[half : half + BLOCK * rows, half : half + BLOCK * columns].astype(np.float64)
    blocks = cut.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)
    k, n = np.mgrid[:BLOCK, :BLOCK]
    basis = np.cos(np.pi * (2 * n + 1) * k / (2 * BLOCK)) / 2
    basis[0] /= math.sqrt(2)
    coefficients: np.ndarray = (basis @ blocks @ basis.T).reshape(-1, BLOCK * BLOCK)
    return coefficients


def _gain(values: np.ndarray, smooth: np.ndarray, step: int) -> float | None:
    """The gain of the likeliest q1 over none, for a frequency's absolute values and what they were about."""
    counts = np.bincount(values, minlength=_MOST)[1:_MOST]
    if counts.sum() < _LEAST_VALUES:
        return None
    tried = [q1 for q1 in range(2, min(_LARGEST, _TIMES * step) + 1) if step % q1]
    once = _likelihood(counts, _predicted(smooth, 1, step))
    best = max((_likelihood(counts, _predicted(smooth, q1, step)) for q1 in tried), default=once)
    return best - once - 2 * math.log(len(tried) + 1) / int(counts.sum())  # the more are tried, the better one fits


def _predicted(smooth: np.ndarray, q1: int, q2: int) -> np.ndarray:
    """How often each value 1, 2, ... of the second quantisation comes of coefficients that q1 quantised first."""
    first = np.bincount(np.rint(np.minimum(smooth, (_MOST + 1) * q2) / q1).astype(np.intp))
    centres = np.arange(len(first)) * q1
    borders = (np.arange(_MOST)[:, None] + 0.5) * q2
    below = 1 / (1 + np.exp(np.clip(-1.702 * (borders - centres) / _NOISE, -60, 60)))  # nearly the normal distribution
    found: np.ndarray = np.diff(below @ first)
    return found


def _likelihood(counts: np.ndarray, predicted: np.ndarray) -> float:
    """Mean logarithm of the likelihood of values; where few are predicted a little is added."""
    shares = (predicted + 0.5) / (predicted + 0.5).sum()
    return float((counts * np.log(shares)).sum() / counts.sum())
