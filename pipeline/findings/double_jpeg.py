"""JPEG files made from the pixels of another JPEG file on the same grid: their coefficients were quantised twice.

The values of one frequency, quantised by a step q1 and then by q2, are no longer spread smoothly: some of them occur
too often, others hardly. How they would be spread after q2 alone is estimated from the picture itself, cut 4 pixels off
the grid, where no quantisation shows (Fridrich, Goljan, Hogea, "Steganalysis of JPEG images", 2002). From that the
histogram of each q1 is predicted, and the one most likely is compared with that of none (as Pevny and Fridrich,
"Detection of double-compression in JPEG images for applications in steganography", 2008, estimate q1). Of single
frequencies only steps coarser than the second ones can be told, but an earlier file had a table of them: where that is
the usual one (ITU-T T.81, table K.1, scaled by a quality as libjpeg does it), one quality must explain all frequencies,
and with so many values finer steps show as well. Steps q1 that divide q2 leave no trace: the same quality twice is not
found, and neither is a first file so coarse that the picture is smooth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tilepress.codecs.errors import CodecError
from tilepress.codecs.jpeg.file.coefficients import BLOCK, Coefficients
from tilepress.codecs.jpeg.file.foreign import read_foreign
from tilepress.codecs.jpeg.transform import ISLOW, plane_of
from tilepress.pipeline.findings.finding import DOUBLE_JPEG, Finding

_MOST_PIXELS = 1 << 28  # of files that are decoded; larger ones are not looked at
_BLOCKS = 64  # across and down, from the middle of the picture
_LEAST_BLOCKS = 256
_ALONE = 9  # frequencies that are looked at alone: the lowest but the mean
_FREQUENCIES = (1, 8, 16, 9, 2, 3, 10, 17, 24, 4, 11, 18, 25, 32, 12, 19, 26, 33)  # in natural order, the lowest first
_MOST = 40  # of quantised values that are looked at; greater ones are rare
_LARGEST, _TIMES = 160, 6  # step q1 that is tried, and times q2
_NOISE = 0.4  # standard deviation, in coefficients, of what rounding of samples adds between both quantisations
_LEAST_GAINS = 2  # frequencies that have enough values
_LEAST_VALUES = 400  # values of a frequency that are not zero, for it to be looked at alone
_LEAST_TOGETHER = 150  # the same for a frequency among others
_LEAST_OF_ALL = 15000  # values of all together: pictures with fewer are too smooth for what off-grid coefficients tell
_GAIN = 0.015  # nats, of a frequency alone: files saved once have less than 0
# Nats by which a quality explains all frequencies better than others do: files saved once have less than 0.004
_GAIN_TOGETHER = 0.0045
_QUALITIES = range(30, 100)  # of an earlier file with the usual table
_LIKE = 3  # qualities on either side that explain about the same
_ALIKE = 0.15  # tables that differ by less from that of the file explain smooth pictures whatever they were
_TABLE = np.array(  # ITU-T T.81, table K.1: luma, in natural order
    [
        *(16, 11, 10, 16, 24, 40, 51, 61),
        *(12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56),
        *(14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77),
    ]
)


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
    """Return the finding if an earlier quantisation explains the low frequencies of luma better.

    Either one quality of an earlier file does for all of them, or any steps for most, each on its own.
    """
    frequencies = list(_frequencies(image))
    together, quality = _together(frequencies)
    gains = [each.best() for each in frequencies[:_ALONE] if each.counts.sum() >= _LEAST_VALUES]
    alone = float(np.median(gains)) if len(gains) >= _LEAST_GAINS else 0.0
    if together >= _GAIN_TOGETHER:
        told = f"its coefficients are those of a JPEG file of quality {quality}, or nearly, which was saved again"
        return Finding(DOUBLE_JPEG, max(together, alone), told)
    if alone < _GAIN:
        return None
    agreeing = sum(gain >= _GAIN for gain in gains)
    told = f"{agreeing} of {len(gains)} frequencies show the coarser steps of an earlier JPEG file"
    return Finding(DOUBLE_JPEG, alone, told)


@dataclass
class _Frequency:
    """The values of one frequency.

    `counts`: how often 1, 2, ... occur, up to _MOST. `smooth`: what the values were about, absolute. `step`: theirs.
    """

    place: int
    counts: np.ndarray
    smooth: np.ndarray
    step: int
    _known: dict[int, float] = field(default_factory=dict)

    def gain(self, q1: int) -> float:
        """By how many nats a value is likelier if q1 was there first."""
        return self._likelihood(q1) - self._likelihood(1)

    def best(self) -> float:
        """The gain of the likeliest q1; the more are tried, the better one fits, which is taken off."""
        tried = [q1 for q1 in range(2, min(_LARGEST, _TIMES * self.step) + 1) if self.step % q1]
        best = max(map(self.gain, tried), default=0.0)
        return best - _by_chance(len(tried), int(self.counts.sum()))

    def _likelihood(self, q1: int) -> float:
        if q1 not in self._known:
            self._known[q1] = _likelihood(self.counts, _predicted(self.smooth, q1, self.step))
        return self._known[q1]


def _frequencies(image: Coefficients) -> Iterator[_Frequency]:
    """The low frequencies of luma, of the blocks in the middle; nothing of small pictures."""
    rows, columns = (max(0, (side - _BLOCKS) // 2) for side in image.blocks[0].shape[:2])
    blocks = np.ascontiguousarray(image.blocks[0][rows : rows + _BLOCKS, columns : columns + _BLOCKS])
    if min(blocks.shape[:2]) < 2 or blocks.shape[0] * blocks.shape[1] < _LEAST_BLOCKS:
        return
    steps = image.tables[0]
    smooth = _off_grid(plane_of(blocks, ISLOW, steps))
    for k in _FREQUENCIES:
        counts = np.bincount(np.abs(blocks[..., k].ravel()), minlength=_MOST)[1:_MOST]
        yield _Frequency(k, counts, np.abs(smooth[:, k]), int(steps[k]))


def _together(frequencies: list[_Frequency]) -> tuple[float, int]:
    """The gain of the likeliest quality of an earlier file over none and over other qualities; and that quality.

    Of the mean value of all frequencies. What off-grid coefficients tell is not quite right of smooth pictures; other
    qualities gain by that, too.
    """
    telling = [each for each in frequencies if each.counts.sum() >= _LEAST_TOGETHER]
    values = sum(int(each.counts.sum()) for each in telling)
    if values < _LEAST_OF_ALL:
        return 0.0, 0
    gains = dict.fromkeys(_QUALITIES, 0.0)
    for quality in gains:
        steps = [(each, int(_scaled(quality)[each.place])) for each in telling]
        if abs(sum(q1 for _, q1 in steps) / sum(each.step for each in telling) - 1) >= _ALIKE:
            summed = sum(int(each.counts.sum()) * each.gain(q1) for each, q1 in steps if each.step % q1)
            gains[quality] = summed / values
    best = max(gains, key=lambda quality: gains[quality])
    others = max(0.0, *(gain for quality, gain in gains.items() if abs(quality - best) > _LIKE))
    return gains[best] - others - _by_chance(len(gains), values), best


def _by_chance(tried: int, values: int) -> float:
    """What the best of so many guesses gains, in nats a value, where none is true."""
    return 2 * math.log(tried + 1) / values


def _scaled(quality: int) -> np.ndarray:
    """The usual table at a quality, as libjpeg scales it."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.asarray(np.clip((_TABLE * scale + 50) // 100, 1, 255))


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
